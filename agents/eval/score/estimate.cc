// Draws are counted, not copied.
#include "agents/eval/score/estimate.h"

#include <algorithm>
#include <cmath>

#include "base/check.h"
#include "base/philox.h"

namespace temper::agents {

double Quantile(std::span<const double> sorted, double q) {
  TEMPER_CHECK(!sorted.empty());
  const double at = q * static_cast<double>(sorted.size() - 1);
  const size_t below = static_cast<size_t>(std::floor(at));
  const size_t above = std::min(below + 1, sorted.size() - 1);
  return sorted[below] + (at - static_cast<double>(below)) * (sorted[above] - sorted[below]);
}

std::vector<std::vector<Interval>> BootstrapMany(
    int64_t units, int statistics, const BootstrapOptions& options,
    absl::FunctionRef<std::optional<std::vector<double>>(std::span<const int> counts)> statistic) {
  TEMPER_CHECK(options.resamples >= 100);
  std::vector<std::vector<double>> values(statistics);
  std::vector<int> counts(units);
  for (int resample = 0; units > 0 && resample < options.resamples; ++resample) {
    std::fill(counts.begin(), counts.end(), 0);
    for (int64_t i = 0; i < units; ++i) {
      const auto draw =
          static_cast<int64_t>(UniformAt(options.seed, resample, i) * static_cast<double>(units));
      ++counts[std::min(draw, units - 1)];
    }
    const std::optional<std::vector<double>> value = statistic(counts);
    for (int s = 0; value.has_value() && s < statistics; ++s) values[s].push_back((*value)[s]);
  }
  std::vector<std::vector<Interval>> intervals(statistics);
  for (int s = 0; s < statistics; ++s) {
    std::sort(values[s].begin(), values[s].end());
    for (const double level : {0.9, 0.95}) {
      if (values[s].empty()) continue;
      intervals[s].push_back(
          {level, Quantile(values[s], (1 - level) / 2), Quantile(values[s], (1 + level) / 2)});
    }
  }
  return intervals;
}

std::vector<Interval> Bootstrap(
    int64_t units, const BootstrapOptions& options,
    absl::FunctionRef<std::optional<double>(std::span<const int> counts)> statistic) {
  return BootstrapMany(units, 1, options,
                       [&](std::span<const int> counts) -> std::optional<std::vector<double>> {
                         const std::optional<double> value = statistic(counts);
                         if (!value.has_value()) return std::nullopt;
                         return std::vector<double>{*value};
                       })[0];
}

}  // namespace temper::agents
