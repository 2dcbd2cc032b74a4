// A number with how sure one may be of it; every interval says its level.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "absl/functional/function_ref.h"

namespace temper::agents {

struct Interval {
  double level = 0;  // 0.9: the values between the 5 % and the 95 % quantile
  double low = 0;
  double high = 0;
};

struct Estimate {
  double value = 0;
  // At 90 % (what Arena-Hard v2 prints) and at 95 % (what others do); none where there was nothing
  // to resample.
  std::vector<Interval> intervals;
};

struct BootstrapOptions {
  int resamples = 1000;  // at least 100
  uint64_t seed = 0;
};

// The q-quantile of sorted values, linear between neighbours (numpy's and pandas' way). Not empty.
double Quantile(std::span<const double> sorted, double q);

// The percentile intervals of a statistic (Efron and Tibshirani, 1993, chapter 13) over resamples
// of `units` things that are taken to be independent: `statistic` is given how often each was
// drawn, [units], and says what comes of it; nothing: this draw says nothing (it is left out).
// Draws depend on (seed, resample, place) alone: the same on every machine.
std::vector<Interval> Bootstrap(
    int64_t units, const BootstrapOptions& options,
    absl::FunctionRef<std::optional<double>(std::span<const int> counts)> statistic);

// The same for several statistics of one draw: intervals of each.
std::vector<std::vector<Interval>> BootstrapMany(
    int64_t units, int statistics, const BootstrapOptions& options,
    absl::FunctionRef<std::optional<std::vector<double>>(std::span<const int> counts)> statistic);

}  // namespace temper::agents
