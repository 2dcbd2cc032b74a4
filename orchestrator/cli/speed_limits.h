// The most that a machine with given peaks allows a model to do: the denominators of `bench`.
//
// Pure arithmetic on sizes; what counts as unavoidable is said at each formula.
#pragma once

#include "kernels/ops.h"
#include "policy/model/config.h"
#include "policy/model/parameters.h"

namespace temper::cli {

// What a machine can do at most.
struct Peaks {
  double flops = 0;      // float32 operations a second, a multiply-add is two
  double bandwidth = 0;  // bytes a second read from memory
};

// What the arithmetic of one token costs, and what a step must move.
struct Demand {
  double body = 0;     // weights multiplied for every token, without the head
  double experts = 0;  // weights of all routed experts; only a share of them is in body
  double chosen = 0;   // of those, the weights that one token multiplies
  double weight_bytes = sizeof(float);  // a weight, as it lies in memory
  double head = 0;                      // weights of the vocabulary projection
  double scan_flops = 0;   // of the recurrence: 3 multiply-adds for each element of every state
  double state_bytes = 0;  // recurrent state of one sequence

  double weights() const { return body + head; }
  // What a step of `batch` tokens reads: every expert that some token chose, were choices even.
  double StepBytes(int64_t batch) const;
};

Demand DemandOf(const model::ModelConfig& config, const model::ParameterLayout& layout,
                kernels::Dtype dtype = kernels::Dtype::kFloat32);

// Seconds of the recurrence for one token, did it run at the arithmetic peak.
double ScanSeconds(const Demand& demand, const Peaks& peaks);

// All in tokens per second.
// Every weight but the head's is multiplied once a token.
double PrefillLimit(const Demand& demand, const Peaks& peaks);
// One sequence: every weight is read and the state is read and written. More: reading the weights
// and multiplying overlap, the recurrence comes on top, and the states cost nothing to move.
double DecodeLimit(const Demand& demand, const Peaks& peaks, int64_t batch);
// The same where states, which are larger than caches, are moved in every step.
double StreamedDecodeLimit(const Demand& demand, const Peaks& peaks, int64_t batch);
// Forward and backward, 6 operations a weight at nine tenths of the peak (what a good matrix
// product reaches out of cache), and four recurrences.
double TrainLimit(const Demand& demand, const Peaks& peaks);

}  // namespace temper::cli
