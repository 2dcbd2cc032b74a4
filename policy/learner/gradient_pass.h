// Takes a batch through the model: loss, gradient, and what the step's metrics count.
//
// Sequences whose advantage is 0 teach nothing, so they are only scored (for the log-probability
// check and the metrics) and cost a third. Used on the learner's loop thread.
#pragma once

#include <atomic>
#include <cstdint>
#include <span>
#include <vector>

#include "absl/status/statusor.h"
#include "policy/learner/batch.h"
#include "policy/learner/objective.h"
#include "policy/model/hybrid_model.h"
#include "policy/model/weights.h"

namespace temper::learner {

struct PassOptions {
  bool supervised = false;
  PolicyObjective objective;  // policy batches
  Normaliser normaliser;      // of the whole batch
  float temperature = 1;
  int64_t tokens_per_micro_batch = 0;
  bool stop_on_mismatch = false;
};

// Sums over the batch's loss tokens.
struct PassTotals {
  double loss = 0;
  double entropy = 0;  // nats
  double k3 = 0;
  int64_t clipped = 0;
  int64_t mismatches = 0;  // log-probabilities with other bits than the rollout's
  int64_t tokens = 0;      // that went through the model
  int64_t loss_tokens = 0;
};

class GradientPass {
 public:
  // `reference` may be null when the objective's kl is 0. `progress` counts micro-batches.
  GradientPass(model::HybridModel& model, const model::Weights& weights,
               const model::Weights* reference, std::atomic<int64_t>& progress);

  // Adds d(loss)/d(weights) to `gradients` (layout.size() floats). DATA_LOSS: a log-probability
  // differs and the options say stop; it names group, sample and token.
  absl::StatusOr<PassTotals> Run(std::span<const Sequence> sequences, const PassOptions& options,
                                 std::span<float> gradients);

 private:
  struct Tally;
  void TrainOn(const MicroBatch& batch, std::span<float> gradients, Tally& tally);
  void ScoreOnly(const MicroBatch& batch, Tally& tally);

  model::HybridModel& model_;
  const model::Weights& weights_;
  const model::Weights* const reference_;
  std::atomic<int64_t>& progress_;
  std::vector<float> reference_logprobs_, logprobs_, entropies_;  // of one micro-batch
};

}  // namespace temper::learner
