// What a device can do at most, measured on it.
#pragma once

#include "kernels/device.h"
#include "kernels/shapes.h"
#include "orchestrator/cli/speed_limits.h"

namespace temper::cli {

// On a CPU: multiply-adds in registers, and memory read by all threads. On a GPU: a large square
// product with a weight of `dtype`, rows in float32, and a copy, whose bytes count read and
// written.
Peaks MeasurePeaks(kernels::Device& device, kernels::Dtype dtype);

}  // namespace temper::cli
