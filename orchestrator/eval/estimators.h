// What samples say about a model: pass@k, maj@k, and how sure one may be.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "absl/functional/function_ref.h"

namespace temper::eval {

// The chance that at least one of k samples, drawn from these n without putting back, is among the
// c right ones: 1 - C(n-c, k) / C(n, k), unbiased for the chance of k fresh samples (Chen et al.,
// 2021, arXiv 2107.03374, eq. 1). As a product, in which nothing overflows or cancels.
// 0 <= c <= n, 1 <= k <= n.
double PassAtK(int64_t n, int64_t c, int64_t k);

// One sample's voice: the final answer it gave, where it gave one.
struct Vote {
  std::optional<std::string> answer;
  bool right = false;
};
using SameAnswer = absl::FunctionRef<bool(const std::string& a, const std::string& b)>;

// How often the answer that most of k samples give is right: the mean over the n / k whole blocks
// of k samples in order, so that no sample is used twice. Votes for the same answer go together
// (each joins the first answer it equals); samples without an answer do not vote, and where nobody
// votes the block is wrong. Answers that tie share the point: the block is worth the share of the
// tied answers that are right, the expectation of drawing one of them. 1 <= k <= votes.size().
double MajorityAtK(std::span<const Vote> votes, size_t k, SameAnswer same);

// What one problem adds to a metric, which is sum(part) / sum(whole) over problems.
struct Ratio {
  double part = 0;
  double whole = 1;  // above 0
};

struct BootstrapOptions {
  double level = 0.95;
  int64_t resamples = 10000;
  uint64_t seed = 0;
};
struct Estimate {
  double value = 0;
  double low = 0, high = 0;
};

// The metric, and its percentile interval over resamples of whole problems (Efron and Tibshirani,
// 1993, chapter 13): samples of one problem are not independent, problems are taken to be. Draw i
// of a resample is a function of (seed, resample, i) alone: the same numbers on every machine.
// `problems` is not empty.
Estimate Bootstrap(std::span<const Ratio> problems, const BootstrapOptions& options);

}  // namespace temper::eval
