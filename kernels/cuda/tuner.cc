// Admits algorithms by the bits they show, and picks the fastest.
#include "kernels/cuda/tuner.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"

namespace temper::kernels::cuda {

namespace {

// Why the algorithm may not be used, or "".
std::string WhyNot(const Algorithm& algorithm, const AlgorithmProbe& probe,
                   const std::vector<int64_t>& probed_rows) {
  std::optional<std::vector<uint32_t>> first;
  for (const int64_t rows : probed_rows) {
    for (const int64_t place : ProbePlaces(rows)) {
      std::optional<std::vector<uint32_t>> bits = probe.row_bits(algorithm, rows, place);
      if (!bits.has_value()) return absl::StrCat("does not do ", rows, " rows");
      if (!first.has_value()) {
        first = std::move(bits);
      } else if (*bits != *first) {
        return absl::StrCat("other bits for row ", place, " of ", rows);
      }
    }
  }
  return "";
}

}  // namespace

std::vector<int64_t> ProbePlaces(int64_t rows) {
  std::vector<int64_t> places;
  for (const int64_t place : {int64_t{0}, int64_t{1}, int64_t{7}, int64_t{8}, int64_t{63},
                              int64_t{64}, int64_t{129}, rows / 2, rows - 1}) {
    if (place >= 0 && place < rows) places.push_back(place);
  }
  std::sort(places.begin(), places.end());
  places.erase(std::unique(places.begin(), places.end()), places.end());
  return places;
}

Choice ChooseAlgorithm(std::span<const Algorithm> candidates, const AlgorithmProbe& probe,
                       const TunerPlan& plan) {
  Choice choice;
  for (const Algorithm& candidate : candidates) {
    Verdict& verdict = choice.verdicts.emplace_back();
    verdict.why_not = WhyNot(candidate, probe, plan.probed_rows);
    if (!verdict.why_not.empty()) continue;
    for (const TimedRows& timed : plan.timed) {
      verdict.cost += timed.weight * probe.seconds(candidate, timed.rows);
    }
    if (!std::isfinite(verdict.cost) || verdict.cost < 0) {
      verdict.why_not = "its time is no number";
      continue;
    }
    verdict.admitted = true;
    const size_t index = choice.verdicts.size() - 1;
    if (!choice.chosen.has_value() || verdict.cost < choice.verdicts[*choice.chosen].cost) {
      choice.chosen = index;
    }
  }
  return choice;
}

}  // namespace temper::kernels::cuda
