// Samples groups under one version: decide (scheduler), account (accounts), compute (model).
//
// A prompt goes through the model once; its end state is forked for every sample and all first
// tokens come from the same row of logits. What a sample becomes is a function of the weights, the
// prompt, its number and the sampling rule alone: never of the batch it ran in. Used on one thread.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "kernels/device.h"
#include "policy/model/chat/chat_template.h"
#include "policy/model/chat/prompt_encoder.h"
#include "policy/model/config.h"
#include "policy/model/hybrid_model.h"
#include "policy/model/parameters.h"
#include "policy/model/tokenizer/tokenizer.h"
#include "policy/model/weights.h"
#include "rollout/engine/accounts.h"
#include "rollout/engine/measurer.h"
#include "rollout/engine/sampler.h"
#include "rollout/engine/scheduler.h"
#include "rollout/engine/weight_values.h"

namespace temper::rollout {

class Engine {
 public:
  struct Options {
    int sequences_max = 64;       // decoded together
    int64_t prefill_chunk = 512;  // prompt tokens of one step
    int64_t waiting_max = 1024;   // groups
    int64_t state_bytes_max = int64_t{4} << 30;
    kernels::Dtype dtype = kernels::Dtype::kFloat32;  // of packed matrices
    bool content_as_text = false;  // no message of a sampled prompt can spell a special token
  };
  // Everything borrowed outlives the engine. tokenizer: null for a folder without one; then only
  // prompts of tokens are taken, no stop strings, and responses have no text. chat: null for a
  // folder without a chat template; then no conversations are taken. A model with a reward head is
  // measured only.
  struct Parts {
    const model::ModelConfig& config;
    const model::ParameterLayout& layout;
    const model::Tokenizer* tokenizer = nullptr;
    kernels::Device& device;
    const model::ChatTemplate* chat = nullptr;
    // Of the tokenizer, longest first: what no message may spell where content is text.
    std::vector<std::string> added_tokens = {};
  };

  Engine(const Parts& parts, const Options& options);

  // Makes `version` current; the engine must be idle. The values stay alive until the next call,
  // where the device reads them as they stand.
  void SetWeights(int64_t version, std::shared_ptr<const WeightValues> values);
  // The same from layout.size() values on the device, in two halves: packs them, over what was
  // current, so that no version is; then, once they are known to have been the version's, makes it
  // current. Nothing of the values is needed after the first half.
  void PackWeights(std::span<const float> on_device);
  void ConfirmWeights(int64_t version) { version_ = version; }
  // The same for weights that were packed from a folder (model::Weights::Load).
  void SetWeights(int64_t version, std::unique_ptr<model::Weights> weights);
  int64_t version() const { return version_; }  // -1: no weights yet

  // Takes the group in. Otherwise nothing was taken and the sink is not told:
  // FAILED_PRECONDITION: another version is current. INVALID_ARGUMENT: the request cannot be meant.
  // RESOURCE_EXHAUSTED: the waiting line is full, or the group is too large for this worker.
  absl::Status Submit(GroupRequest request);

  // The same for tokens to be measured; also INVALID_ARGUMENT where the model's head has no answer.
  absl::Status Submit(MeasureRequest request);

  // Drops what was cancelled, makes one model step and one piece of measuring. False when nothing
  // is left to do.
  bool Step();

  // Ends all groups and measurements with `status`.
  void Abandon(const absl::Status& status);

  bool idle() const { return scheduler_.empty() && measurer_.empty(); }
  int64_t running() const { return scheduler_.running(); }
  int64_t waiting() const { return scheduler_.waiting() + measurer_.size(); }  // and measured
  // Tokens that went through the model so far, prompts included.
  int64_t tokens() const { return tokens_; }

 private:
  void Pack(std::span<const float> values, kernels::Place place);
  absl::Status CheckVersion(std::optional<int64_t> wanted) const;
  absl::Status CheckTokens(std::span<const int32_t> prompt) const;
  absl::Status Complete(GroupRequest& request) const;
  absl::StatusOr<Measurement> Complete(const MeasureRequest& request) const;
  void StepSamples();
  void DropCancelled();
  void StartSamples();
  void StartSample(Group& group);
  // Log-probabilities after the step's tokens, on the device.
  kernels::View<float> Compute(const StepPlan& plan);
  // Whether every decoded sequence's token can be drawn where its log-probabilities are.
  bool DrawsOnDevice(const StepPlan& plan) const;
  // Leaves tokens and their log-probabilities in drawn_, and entropies to be read.
  void DrawOnDevice(const StepPlan& plan, kernels::View<const float> logprobs);
  void LogSoftmax(const StepPlan& plan, kernels::View<float> logits);
  // Rows of logits_ where the host can read them; valid until the next call.
  kernels::View<float> OnHost(kernels::View<float> rows);
  void KeepFirstRow(Group& group, const float* logprobs, int64_t row);
  // A token as it was drawn; no token: the log-probabilities are broken.
  struct Drawn {
    std::optional<int32_t> token;
    float logprob = 0;
    bool forced = false;
    std::span<const float> logprobs;
  };
  Drawn Draw(Sequence& sequence, std::span<const float> logprobs, int32_t greedy);
  absl::Status Append(Sequence& sequence, const Drawn& drawn, float entropy);
  bool Ended(const Sequence& sequence, FinishReason& reason) const;
  // Delivers when it ended; `running`: the sequence was in the scheduler's hands and is gone then.
  bool DeliverIfEnded(Sequence& sequence, bool running);
  void End(Group& group, const absl::Status& status);

  const model::ModelConfig& config_;
  const model::ParameterLayout& layout_;
  const model::Tokenizer* const tokenizer_;
  const model::PromptEncoder encoder_;
  const bool content_as_text_;
  kernels::Device& device_;

  const kernels::Dtype dtype_;
  int64_t version_ = -1;
  int64_t tokens_ = 0;
  std::shared_ptr<const WeightValues> values_;  // null: weights_ reads none of the host's
  std::unique_ptr<model::Weights> weights_;
  bool repackable_ = false;  // weights_ was packed from values, not from a folder
  model::HybridModel model_;
  Accounts accounts_;
  Scheduler scheduler_;
  Sampler sampler_;
  Measurer measurer_;

  // Of the step under way, by row of the batch: decoding sequences first, then prefills.
  std::vector<model::Slice> slices_;
  // [logit_rows_, output_rows], log-probabilities after LogSoftmax(); the device's, and the host's
  // where that is another.
  const int64_t logit_rows_;
  kernels::Memory logits_, host_logits_;
  kernels::Memory entropies_;  // [sequences_max], read on the host
  std::vector<int32_t> greedy_;
  kernels::Memory drawn_tokens_, drawn_logprobs_;  // [sequences_max] int32, float
  std::vector<double> uniforms_;
};

}  // namespace temper::rollout
