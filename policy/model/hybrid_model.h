// The hybrid model: embedding, a list of Mamba-2, attention and MLP layers, and the head.
//
// One forward path serves prefill, decode, scoring and training, so the bits are the same (model.md
// section 3; architecture.md, the determinism contract). Used on one loop thread; holds scratch
// between calls.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "absl/functional/function_ref.h"
#include "kernels/ops.h"
#include "policy/model/config.h"
#include "policy/model/parameters.h"
#include "policy/model/sequence_state.h"
#include "policy/model/weights.h"

namespace temper::model {

// The next tokens of one sequence.
struct Slice {
  SequenceState* state = nullptr;
  std::span<const int32_t> tokens;
};

// Whole sequences laid end to end, for scoring and training; no padding. With a reward head, each
// has a value after its last token, and the predictions are empty.
struct PackedBatch {
  std::vector<int32_t> tokens;
  std::vector<kernels::Segment> segments;  // all at position 0
  // Row prediction_rows[i] predicts the token prediction_targets[i].
  std::vector<int32_t> prediction_rows;  // ascending
  std::vector<int32_t> prediction_targets;
  float temperature = 1.0f;
};

// The loss as the head sees it, called once for each block of consecutive predictions, in order:
// reads log-probabilities and entropies (nats), writes d(loss)/d(logprob) and d(loss)/d(entropy).
// `first` is the index of the block's first prediction.
using TokenLoss = absl::FunctionRef<void(int64_t first, std::span<const float> logprob,
                                         std::span<const float> entropy, std::span<float> dlogprob,
                                         std::span<float> dentropy)>;

// The loss as a reward head sees it, called once: reads the value of each sequence, in order, and
// writes d(loss)/d(value).
using ValueLoss = absl::FunctionRef<void(std::span<const float> values, std::span<float> dvalues)>;

struct Pass;

// The rows that a step of one token for each of `sequences` is made with where the device repeats
// such steps: at most 7 or an eighth more, filled up with a sequence that nobody reads, so that few
// numbers of rows occur.
int64_t StepRows(int64_t sequences);

class HybridModel {
 public:
  HybridModel(const ModelConfig& config, const ParameterLayout& layout, kernels::Device& device);
  ~HybridModel();

  // Advances each sequence by its tokens and writes the logits after the last token of slice i to
  // row i (a reward head: the value there). logits: [at least slices, output_rows] of the device,
  // what follows the slices' rows is unspecified then; empty: only advance. Slices may have any
  // lengths. With room for StepRows(slices) rows, steps of one token each are the cheapest.
  void Extend(const Weights& weights, std::span<const Slice> slices, kernels::View<float> logits);

  // Advances one sequence by its tokens; logprob[i] is that of targets[i] after token i, at
  // temperature 1, with the bits of Score(). All three have the same length.
  void ScoreNext(const Weights& weights, const Slice& slice, std::span<const int32_t> targets,
                 std::span<float> logprob);

  // Log-probabilities and entropies of the batch's predictions. entropy may be empty.
  void Score(const Weights& weights, const PackedBatch& batch, std::span<float> logprob,
             std::span<float> entropy);

  // Forward, loss, backward: gradients accumulate into `gradients` (layout.size() floats of the
  // device). Spans of log-probabilities, entropies and values are the host's.
  // The [tokens, vocab] matrix never exists; the head works on blocks of rows.
  void Train(const Weights& weights, const PackedBatch& batch, TokenLoss loss,
             std::span<float> gradients);

  // Of a model with a reward head: the value of each sequence, with the bits of Extend().
  void Values(const Weights& weights, const PackedBatch& batch, std::span<float> values);
  // As Train(): the gradient goes through the head and all that is below it.
  void TrainValues(const Weights& weights, const PackedBatch& batch, ValueLoss loss,
                   std::span<float> gradients);

  // Tokens that chose each expert in the Train...() calls since the last reset: one list a layer,
  // empty for layers of other kinds.
  const std::vector<std::vector<int64_t>>& expert_loads() const;
  void ResetExpertLoads();

 private:
  struct Scratch;
  enum class Keep { kNothing, kAll };
  // The hidden states after the last layer: [tokens, hidden], valid until the next call. kAll: what
  // Backward needs stays in the scratch.
  kernels::View<float> Forward(const Pass& pass, std::span<const int32_t> tokens, Keep keep);
  // An empty sequence that steps are filled up with.
  SequenceState& Filler();
  // dh: gradient of what Forward gave; used up.
  void Backward(const Pass& pass, std::span<const int32_t> tokens, kernels::View<float> dh,
                float* gradients);
  // Asks for what the routers of the last Forward(kAll) chose, ...
  void FetchExperts();
  // ... and adds it to the loads, once the device has been waited for.
  void CountExperts();

  const ModelConfig& config_;
  const ParameterLayout& layout_;
  kernels::Device& device_;
  std::unique_ptr<Scratch> scratch_;
};

}  // namespace temper::model
