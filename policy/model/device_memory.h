// Whether a model fits into a device's memory, said in numbers before anything is loaded.
#pragma once

#include <cstdint>

#include "absl/status/status.h"
#include "kernels/device.h"
#include "kernels/shapes.h"
#include "policy/model/parameters.h"

namespace temper::model {

// Bytes of a model's weights as Weights holds them where values are copied: packed matrices in
// `dtype` (routers in float32), everything else in float32.
int64_t WeightBytes(const ParameterLayout& layout, kernels::Dtype dtype);

// Beside the weights a learner has values, gradients and two moments, all float32.
int64_t TrainingBytes(const ParameterLayout& layout, kernels::Dtype dtype);

// RESOURCE_EXHAUSTED: `needed` bytes are more than the device has free, with both, and how many
// parameters would fit. `use`: "sampling", "training". OK where the device's memory is the host's.
absl::Status CheckRoom(const kernels::Device& device, const ParameterLayout& layout, int64_t needed,
                       const char* use);

// What the states of sequences may take on the device once `weights` bytes are in use: at most
// `host_limit` where the memory is the host's, else what is left but for a tenth.
int64_t StateBytes(const kernels::Device& device, int64_t weights, int64_t host_limit);

}  // namespace temper::model
