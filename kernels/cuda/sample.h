// Draws tokens on the device, so that log-probabilities need not leave it.
//
// The rule is the sampler's (rollout/engine/sampler.h) with top_p = 1, and so is the order of every
// sum: the same row and uniform number give the same token on the device and on the host.
//   p = exp(logprob) by plain operations (sample.cu); blocks of 256 columns from column 0; in a
//   block sixteen float32 sums of every sixteenth p, added up in order in double, then the up to
//   fifteen p behind the last whole sixteen. The token is the first at which the running sum of
//   blocks, then of p, all in double and in order, exceeds uniform * total.
// A token thus depends on its row alone, never on the rows beside it.
#pragma once

#include <cstdint>
#include <span>

#include "kernels/cuda/cuda_stream.h"
#include "kernels/view.h"

namespace temper::kernels::cuda {

// tokens[i], in memory of the device, is drawn from row i with uniforms[i], from (0, 1); where
// greedy[i] is not 0 it is the greatest of the row, the lowest id of equals. Logits do as well for
// greedy rows, and tell apart what rounds to one log-probability. -1: the row's probabilities do
// not add up to about 1, or, greedy, all are NaN: the weights are broken. logprobs: [rows, vocab]
// uniforms, greedy: [rows], on the host  tokens: [rows]  chosen: [rows] or null: the row's value at
// the token, NaN beside -1
void SampleRows(CudaStream& cuda, View<const float> logprobs, std::span<const double> uniforms,
                std::span<const uint8_t> greedy, int32_t* tokens, float* chosen = nullptr);

}  // namespace temper::kernels::cuda
