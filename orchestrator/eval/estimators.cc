// Each as its formula stands in the header.
#include "orchestrator/eval/estimators.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "base/check.h"
#include "base/philox.h"

namespace temper::eval {
namespace {

// Answers that are the same.
struct Party {
  const std::string* answer = nullptr;
  int votes = 0;
  int right = 0;
};

double MajorityOf(std::span<const Vote> block, SameAnswer same) {
  std::vector<Party> parties;
  for (const Vote& vote : block) {
    if (!vote.answer.has_value()) continue;
    auto party = std::find_if(parties.begin(), parties.end(), [&](const Party& each) {
      return *each.answer == *vote.answer || same(*each.answer, *vote.answer);
    });
    if (party == parties.end()) party = parties.insert(party, {&*vote.answer});
    ++party->votes;
    party->right += vote.right ? 1 : 0;
  }
  int most = 0;
  for (const Party& party : parties) most = std::max(most, party.votes);
  double right = 0;
  int tied = 0;
  for (const Party& party : parties) {
    if (party.votes != most) continue;
    ++tied;
    right += static_cast<double>(party.right) / party.votes;
  }
  return tied == 0 ? 0 : right / tied;
}

double Total(std::span<const Ratio> problems) {
  double part = 0, whole = 0;
  for (const Ratio& problem : problems) {
    part += problem.part;
    whole += problem.whole;
  }
  return part / whole;
}

double Resampled(std::span<const Ratio> problems, uint64_t seed, uint64_t resample) {
  static const uint64_t stream = HashName("bootstrap");
  const size_t n = problems.size();
  const size_t calls = (n + 3) / 4;
  double part = 0, whole = 0;
  for (size_t i = 0; i < n;) {
    for (const uint32_t bits : Philox(seed, stream, resample * calls + i / 4)) {
      // Uneven by less than n / 2^32.
      const Ratio& problem = problems[static_cast<uint64_t>(bits) * n >> 32];
      part += problem.part;
      whole += problem.whole;
      if (++i == n) break;
    }
  }
  return part / whole;
}

// Between the two values that stand around `share` of the way; sorted.
double Quantile(const std::vector<double>& sorted, double share) {
  const double place = share * static_cast<double>(sorted.size() - 1);
  const auto below = static_cast<size_t>(place);
  const size_t above = std::min(below + 1, sorted.size() - 1);
  return sorted[below] + (sorted[above] - sorted[below]) * (place - std::floor(place));
}

}  // namespace

double PassAtK(int64_t n, int64_t c, int64_t k) {
  TEMPER_CHECK(0 <= c && c <= n && 1 <= k && k <= n);
  if (n - c < k) return 1;
  if (k == 1) return static_cast<double>(c) / static_cast<double>(n);  // exact
  double none = 1;
  for (int64_t i = n - c + 1; i <= n; ++i) {
    none *= 1 - static_cast<double>(k) / static_cast<double>(i);
  }
  return 1 - none;
}

double MajorityAtK(std::span<const Vote> votes, size_t k, SameAnswer same) {
  TEMPER_CHECK(1 <= k && k <= votes.size());
  const size_t blocks = votes.size() / k;
  double sum = 0;
  for (size_t block = 0; block < blocks; ++block) {
    sum += MajorityOf(votes.subspan(block * k, k), same);
  }
  return sum / static_cast<double>(blocks);
}

Estimate Bootstrap(std::span<const Ratio> problems, const BootstrapOptions& options) {
  TEMPER_CHECK(!problems.empty() && options.resamples > 0);
  std::vector<double> values(static_cast<size_t>(options.resamples));
  for (size_t resample = 0; resample < values.size(); ++resample) {
    values[resample] = Resampled(problems, options.seed, resample);
  }
  std::sort(values.begin(), values.end());
  const double tail = (1 - options.level) / 2;
  return {Total(problems), Quantile(values, tail), Quantile(values, 1 - tail)};
}

}  // namespace temper::eval
