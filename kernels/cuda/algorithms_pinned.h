// Puts the machine's table of algorithms in force (algorithms.h).
#pragma once

#include "absl/status/status.h"
#include "kernels/cuda/runtime.h"

namespace temper::kernels::cuda {

// At the first device that is opened; later calls say the same. FAILED_PRECONDITION: the table is
// damaged, with its path and the line.
absl::Status PinTunedAlgorithms(const DeviceTraits& traits);

}  // namespace temper::kernels::cuda
