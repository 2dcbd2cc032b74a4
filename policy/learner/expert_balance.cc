// Loads are whole numbers, so the direction of every move is exact.
#include "policy/learner/expert_balance.h"

#include <algorithm>
#include <numeric>

#include "base/check.h"

namespace temper::learner {

void BalanceExperts(const model::ParameterLayout& layout, const ExpertLoads& loads, double rate,
                    kernels::Device& device, std::span<float> values) {
  TEMPER_CHECK(loads.size() == layout.layers().size());
  std::vector<float> correction;
  for (size_t i = 0; i < loads.size(); ++i) {
    const std::vector<int64_t>& load = loads[i];
    const int64_t total = std::accumulate(load.begin(), load.end(), int64_t{0});
    if (total == 0) continue;
    float* const there = values.data() + layout.layers()[i].correction;
    const auto bytes = static_cast<int64_t>(load.size() * sizeof(float));
    correction.resize(load.size());
    device.Copy(correction.data(), there, bytes);
    device.Finish();
    for (size_t e = 0; e < load.size(); ++e) {
      // load < total / experts, in whole numbers.
      const int64_t scaled = load[e] * static_cast<int64_t>(load.size());
      if (scaled != total) correction[e] += static_cast<float>(scaled < total ? rate : -rate);
    }
    device.Copy(there, correction.data(), bytes);
    device.Finish();
  }
}

LoadSummary Summarize(const ExpertLoads& loads) {
  LoadSummary summary;
  int64_t experts = 0, idle = 0;
  for (const std::vector<int64_t>& load : loads) {
    const int64_t total = std::accumulate(load.begin(), load.end(), int64_t{0});
    if (total == 0) continue;
    const int64_t busiest = *std::ranges::max_element(load);
    summary.max =
        std::max(summary.max, static_cast<double>(busiest) * static_cast<double>(load.size()) /
                                  static_cast<double>(total));
    experts += static_cast<int64_t>(load.size());
    idle += std::ranges::count(load, 0);
  }
  if (experts > 0) summary.idle = static_cast<double>(idle) / static_cast<double>(experts);
  return summary;
}

}  // namespace temper::learner
