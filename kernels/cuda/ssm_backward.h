// The recurrence's backward with a say on its scratch memory, which tests use.
#pragma once

#include <cstdint>
#include <span>

#include "kernels/cuda/cuda_stream.h"
#include "kernels/shapes.h"

namespace temper::kernels::cuda {

// As Ops::ssm_scan_backward. Works on as many heads at once as states and partial sums of so many
// bytes allow, at least one; the gradients' bits do not depend on it.
void SsmScanBackwardWithin(CudaStream& cuda, int64_t scratch_bytes, const SsmShape& shape,
                           std::span<const Segment> segments, const SsmInputs& inputs,
                           const SsmParameters& parameters, View<const float> dy,
                           const SsmInputGradients& input_gradients,
                           const SsmParameterGradients& parameter_gradients);

}  // namespace temper::kernels::cuda
