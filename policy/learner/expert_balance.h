// Keeps the experts of a mixture evenly loaded without a loss for it: after each update a
// correction bias moves by `rate` towards the mean load (arXiv 2408.15664; model.md section 4.3).
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "kernels/device.h"
#include "policy/model/parameters.h"

namespace temper::learner {

// Tokens that chose each expert, one list a layer; empty for layers of other kinds.
using ExpertLoads = std::vector<std::vector<int64_t>>;

// correction[e] += rate * sign(mean load - load[e]) in every layer that saw a token. `values` lie
// on the device; only the corrections leave it.
void BalanceExperts(const model::ParameterLayout& layout, const ExpertLoads& loads, double rate,
                    kernels::Device& device, std::span<float> values);

struct LoadSummary {
  double max =
      0;  // the busiest expert's load by its layer's mean, of the worst layer; 0: no experts
  double idle = 0;  // share of experts without a token
};
LoadSummary Summarize(const ExpertLoads& loads);

}  // namespace temper::learner
