// What smaller configurations of a recorded run would have given, without a call.
//
// Elements of an axis are exchangeable: any k of the n that were recorded are as likely as any
// other k. So the expectation over all subsets is exact, and computed without enumerating them.
// That holds for axes whose elements are consumed one by one (drafts, edits of a draft); where
// elements were pooled into a prompt, fewer of them make another prompt, and calls are needed: see
// CurveAxis.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace temper::agents {

// E[max of k of n]: with s sorted upward, sum_i s_(i) C(i-1, k-1) / C(n, k). 1 <= k <= n. By
// ratios: nothing overflows.
double ExpectedMaxOf(std::span<const double> scores, int64_t k);

// A recorded candidate: what the selector said of it, and what it is worth by another measure (the
// verifier's, a judge's). Without a selector's score it cannot be chosen.
struct RecordedCandidate {
  std::optional<double> selector;
  double value = 0;
};

// What is to be expected of a subset.
struct CurvePoint {
  double value = 0;     // of the candidate that the selector would choose, where one can be chosen
  double selector = 0;  // its own score
  double chosen = 0;    // how likely it is that one can be chosen at all, in [0, 1]
};

// Of k of these candidates, the one with the highest selector's score, of equals the earlier one.
// 1 <= k <= candidates.
CurvePoint ExpectedChoiceOf(std::span<const RecordedCandidate> candidates, int64_t k);

// A two-level run: `own` is the outer element as a candidate itself (a draft in the pool), `inner`
// what was made of it (its edits). All elements have as many inner ones.
struct RecordedElement {
  std::optional<RecordedCandidate> own;
  std::vector<RecordedCandidate> inner;
};
// Of `outer` of the elements, each with `inner` of its inner ones, which may be 0.
// INVALID_ARGUMENT: elements of different sizes, or a number out of range.
absl::StatusOr<CurvePoint> ExpectedChoiceOfTree(std::span<const RecordedElement> elements,
                                                int64_t outer, int64_t inner);

// The mean of points of several inputs; `value` and `selector` over those where something can be
// chosen, weighted by how likely that is.
CurvePoint MeanOf(std::span<const CurvePoint> points);

// An axis of a recorded graph, as `temper graph curve` lists it.
struct CurveAxis {
  std::string name;
  int64_t n = 0;  // recorded
  // Its elements went into one prompt together: a smaller k changes what is asked downstream.
  bool pooled = false;
  // Pooled: calls that one smaller setting costs, over all inputs, and their price.
  int64_t downstream_calls = 0;
  double downstream_usd = 0;
};
struct CurveSetting {
  int64_t k = 0;
  bool needs_calls = false;  // not to be had from the record
  int64_t calls = 0;
  double usd = 0;
};
// 1, 2, 4, ... and n itself. Of a pooled axis all but n need calls.
std::vector<CurveSetting> CurveSettings(const CurveAxis& axis);

}  // namespace temper::agents
