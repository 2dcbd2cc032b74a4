// Admits algorithms by the bits they show, and picks the fastest.
#include "kernels/cuda/tuner.h"

#include <algorithm>
#include <cmath>
#include <numeric>
#include <utility>

#include "absl/strings/str_cat.h"

namespace temper::kernels::cuda {

namespace {

// Why the algorithm may not be used, or "", and then the row's bits, empty before.
std::string WhyNot(const Algorithm& algorithm, const AlgorithmProbe& probe,
                   const std::vector<int64_t>& probed_rows, std::vector<uint32_t>& row_bits) {
  for (const int64_t rows : probed_rows) {
    for (const int64_t place : ProbePlaces(rows)) {
      std::optional<std::vector<uint32_t>> bits = probe.row_bits(algorithm, rows, place);
      if (!bits.has_value()) return absl::StrCat("does not do ", rows, " rows");
      if (row_bits.empty()) {
        row_bits = *std::move(bits);
      } else if (*bits != row_bits) {
        return absl::StrCat("other bits for row ", place, " of ", rows);
      }
    }
  }
  return "";
}

bool IsTime(double seconds) { return std::isfinite(seconds) && seconds >= 0; }

// The cheapest way to share the numbers of rows, in ascending order, between our own kernels, which
// have the first, and the library: the latter alone where the bits are others.
void Share(const std::vector<TimedRows>& timed, const std::vector<double>& own,
           const std::vector<double>& library, Verdict& verdict) {
  verdict.cost = std::accumulate(library.begin(), library.end(), 0.0);
  if (!verdict.own_bits) return;
  double cost = verdict.cost;
  for (size_t i = 0; i + 1 < timed.size(); ++i) {
    cost += own[i] - library[i];
    if (cost >= verdict.cost) continue;
    verdict.cost = cost;
    verdict.from_rows = timed[i].rows + 1;
  }
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
  if (candidates.empty()) return choice;
  std::vector<TimedRows> timed = plan.timed;
  std::sort(timed.begin(), timed.end(),
            [](const TimedRows& a, const TimedRows& b) { return a.rows < b.rows; });
  const std::vector<uint32_t> own_bits = probe.own_row_bits();
  std::vector<double> own, library(timed.size());
  for (const TimedRows& one : timed) own.push_back(one.weight * probe.own_seconds(one.rows));
  choice.own_cost = std::accumulate(own.begin(), own.end(), 0.0);
  double least = choice.own_cost;
  for (const Algorithm& candidate : candidates) {
    Verdict& verdict = choice.verdicts.emplace_back();
    std::vector<uint32_t> bits;
    verdict.why_not = WhyNot(candidate, probe, plan.probed_rows, bits);
    if (!verdict.why_not.empty()) continue;
    verdict.own_bits = bits == own_bits;
    for (size_t i = 0; i < timed.size(); ++i) {
      library[i] = timed[i].weight * probe.seconds(candidate, timed[i].rows);
    }
    Share(timed, own, library, verdict);
    if (!std::all_of(library.begin(), library.end(), IsTime)) {
      verdict.why_not = "its time is no number";
      continue;
    }
    verdict.admitted = true;
    if (verdict.cost >= least) continue;
    least = verdict.cost;
    choice.chosen = choice.verdicts.size() - 1;
    choice.pinned = candidate;
    choice.pinned.from_rows = verdict.from_rows;
  }
  return choice;
}

}  // namespace temper::kernels::cuda
