// Opens an NVIDIA GPU as a device. Without the CUDA back end compiled in, says so.
#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "kernels/device.h"

namespace temper::kernels {

// FAILED_PRECONDITION: no driver, one too old, a GPU that the kernels are not for, or a program built
// without CUDA. NOT_FOUND: no device of this number. All say what to do.
absl::StatusOr<std::unique_ptr<Device>> OpenCudaDevice(int index);

// "" where a GPU can be opened, else why not.
std::string WhyNoCudaDevice();

}  // namespace temper::kernels
