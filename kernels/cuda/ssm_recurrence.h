// The Mamba-2 recurrence one token after another, as it is defined: what tests hold the chunk form
// against. Not in the table of ops.
#pragma once

#include <span>

#include "kernels/cuda/cuda_stream.h"
#include "kernels/shapes.h"

namespace temper::kernels::cuda {

// As Ops::ssm_scan, but that states[s] is [H, P, N] and nothing more; empty: zero before every
// segment, nothing kept.
void SsmRecurrence(CudaStream& cuda, const SsmShape& shape, std::span<const Segment> segments,
                   const SsmInputs& inputs, const SsmParameters& parameters,
                   std::span<float* const> states, View<float> y);

}  // namespace temper::kernels::cuda
