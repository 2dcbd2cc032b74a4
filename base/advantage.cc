// Group baselines; rl.md section 2.1 compares the peers' variants.
#include "base/advantage.h"

#include <algorithm>
#include <cmath>

#include "base/check.h"

namespace temper {
namespace {

constexpr double kEpsilon = 1e-6;

double Sum(std::span<const double> values) {
  double sum = 0;
  for (const double value : values) sum += value;
  return sum;
}

// ddof 1; the caller has at least two values.
double StandardDeviation(std::span<const double> values, double mean) {
  double squares = 0;
  for (const double value : values) squares += (value - mean) * (value - mean);
  return std::sqrt(squares / static_cast<double>(values.size() - 1));
}

}  // namespace

bool WithoutSignal(std::span<const double> scores) {
  return std::all_of(scores.begin(), scores.end(),
                     [&](double score) { return score == scores.front(); });
}

std::vector<double> Advantages(std::string_view kind, std::span<const double> scores) {
  TEMPER_CHECK(!scores.empty());
  for (const double score : scores) TEMPER_CHECK(std::isfinite(score));
  std::vector<double> advantages(scores.begin(), scores.end());
  if (kind == "none") return advantages;
  // Exactly 0, where rounding in the mean would leave dust that a small std blows up.
  if (WithoutSignal(scores)) {
    std::fill(advantages.begin(), advantages.end(), 0.0);
    return advantages;
  }
  const double sum = Sum(scores);
  const double count = static_cast<double>(scores.size());
  const double mean = sum / count;
  if (kind == "leave_one_out") {
    for (double& value : advantages) value -= (sum - value) / (count - 1);
    return advantages;
  }
  TEMPER_CHECK(kind == "group_mean" || kind == "group_norm");
  const double divisor = kind == "group_norm" ? StandardDeviation(scores, mean) + kEpsilon : 1.0;
  for (double& value : advantages) value = (value - mean) / divisor;
  return advantages;
}

}  // namespace temper
