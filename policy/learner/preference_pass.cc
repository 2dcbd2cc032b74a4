// One micro-batch after the other, in the pairs' order.
#include "policy/learner/preference_pass.h"

#include "base/check.h"
#include "policy/learner/objective.h"

namespace temper::learner {
namespace {

// Adds up one micro-batch's pairs; `slopes`, unless empty, takes d(loss)/d(value) of each sequence.
void Tally(std::span<const Pair> pairs, int64_t first, std::span<const float> values,
           std::span<float> slopes, PreferenceTotals& totals) {
  const double share = 1.0 / static_cast<double>(pairs.size());
  for (size_t i = 0; 2 * i < values.size(); ++i) {
    const double margin = static_cast<double>(values[2 * i]) - values[2 * i + 1];
    const double weight = share * pairs[static_cast<size_t>(first) + i].weight;
    const PairTerm term = PreferenceTerm(margin);
    totals.loss += weight * term.value;
    totals.margins += margin;
    totals.right += margin > 0 ? 1.0 : margin == 0 ? 0.5 : 0.0;
    totals.pairs += 1;
    if (slopes.empty()) continue;
    slopes[2 * i] = static_cast<float>(weight * term.slope);
    slopes[2 * i + 1] = static_cast<float>(-weight * term.slope);
  }
}

}  // namespace

PreferenceTotals PreferencePass::Train(std::span<const Pair> pairs, int64_t tokens_per_micro_batch,
                                       std::span<float> gradients) {
  TEMPER_CHECK(!pairs.empty());
  PreferenceTotals totals;
  for (const PairBatch& batch : PackPairs(pairs, tokens_per_micro_batch)) {
    const auto loss = [&](std::span<const float> values, std::span<float> slopes) {
      Tally(pairs, batch.first, values, slopes, totals);
    };
    model_.TrainValues(weights_, batch.packed, loss, gradients);
    totals.tokens += static_cast<int64_t>(batch.packed.tokens.size());
    progress_.fetch_add(1, std::memory_order_relaxed);
  }
  return totals;
}

PreferenceTotals PreferencePass::Measure(std::span<const Pair> pairs,
                                         int64_t tokens_per_micro_batch) {
  TEMPER_CHECK(!pairs.empty());
  PreferenceTotals totals;
  std::vector<float> values;
  for (const PairBatch& batch : PackPairs(pairs, tokens_per_micro_batch)) {
    values.resize(batch.packed.segments.size());
    model_.Values(weights_, batch.packed, values);
    Tally(pairs, batch.first, values, {}, totals);
    totals.tokens += static_cast<int64_t>(batch.packed.tokens.size());
    progress_.fetch_add(1, std::memory_order_relaxed);
  }
  return totals;
}

}  // namespace temper::learner
