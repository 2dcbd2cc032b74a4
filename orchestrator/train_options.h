// The knobs of one update, as a function of the spec and the step alone.
#pragma once

#include <cstdint>

#include "orchestrator/spec.h"
#include "temper/v1/learner.pb.h"

namespace temper::orchestrator {

// step: of the whole run, warm start included; 0 <= step < spec.steps().
v1::TrainOptions TrainOptionsAt(const ResolvedSpec& spec, int64_t step);

// `decay` is "constant", "linear" or "cosine". i: update within its stage, 0 <= i < steps. Rises
// linearly to `peak` over the first `warmup` updates, then falls to zero over the rest.
double LearningRateAt(double peak, int64_t warmup, const std::string& decay, int64_t steps,
                      int64_t i);

}  // namespace temper::orchestrator
