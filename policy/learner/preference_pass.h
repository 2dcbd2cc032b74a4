// Takes preference pairs through a model with a reward head: loss, gradient, and what is counted.
//
//   L = (1 / pairs) sum_i weight_i * -log sigmoid(value(chosen_i) - value(rejected_i))
//
// Sums in double, in the pairs' order. Used on the learner's loop thread.
#pragma once

#include <atomic>
#include <cstdint>
#include <span>
#include <vector>

#include "policy/learner/preference.h"
#include "policy/model/hybrid_model.h"
#include "policy/model/weights.h"

namespace temper::learner {

struct PreferenceTotals {
  double loss = 0;
  double margins = 0;  // sum of value(chosen) - value(rejected)
  double right = 0;    // pairs whose chosen one has the higher value; a tie is half
  int64_t pairs = 0;
  int64_t tokens = 0;

  double accuracy() const { return right / static_cast<double>(pairs); }
  double margin() const { return margins / static_cast<double>(pairs); }
};

class PreferencePass {
 public:
  // `progress` counts micro-batches.
  PreferencePass(model::HybridModel& model, const model::Weights& weights,
                 std::atomic<int64_t>& progress)
      : model_(model), weights_(weights), progress_(progress) {}

  // At least one pair. Adds d(loss)/d(weights) to `gradients` (layout.size() floats).
  PreferenceTotals Train(std::span<const Pair> pairs, int64_t tokens_per_micro_batch,
                         std::span<float> gradients);
  // The same figures without a gradient.
  PreferenceTotals Measure(std::span<const Pair> pairs, int64_t tokens_per_micro_batch);

 private:
  model::HybridModel& model_;
  const model::Weights& weights_;
  std::atomic<int64_t>& progress_;
};

}  // namespace temper::learner
