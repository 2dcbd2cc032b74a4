// From episodes and examples to packed micro-batches: sample order, no padding.
//
// Sequences stay whole and share nothing; a sequence longer than the budget is a micro-batch of its
// own. The order of sequences is part of the arithmetic, so it depends on the batch alone.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "policy/model/chat/prompt_encoder.h"
#include "policy/model/hybrid_model.h"
#include "policy/model/tokenizer/tokenizer.h"
#include "temper/v1/learner.pb.h"

namespace temper::learner {

// One prompt with one response: tokens [prompt_tokens, tokens.size()). They carry loss but for
// those that were put in, not sampled.
struct Sequence {
  std::vector<int32_t> tokens;
  int64_t prompt_tokens = 0;
  std::vector<float> sampled_logprobs;  // one per response token; empty when supervised
  std::vector<int32_t> forced;          // response tokens without loss, ascending
  double advantage = 0;
  std::string name;  // for messages: "group 17 sample 3", "example 5"

  int64_t response_tokens() const { return static_cast<int64_t>(tokens.size()) - prompt_tokens; }
  int64_t loss_tokens() const { return response_tokens() - static_cast<int64_t>(forced.size()); }
  // What goes through the model: the last token predicts nothing.
  int64_t model_tokens() const { return static_cast<int64_t>(tokens.size()) - 1; }
};

// INVALID_ARGUMENT names the episode: no prompt or response token, a token outside the vocabulary,
// another number of log-probabilities than tokens, forced tokens out of order or range.
absl::StatusOr<std::vector<Sequence>> PolicySequences(const temper::v1::PolicyBatch& batch,
                                                      int64_t vocab_size);

// What ends a response: of one to a plain text, and of one in a conversation.
struct EndTokens {
  int32_t text = 0;
  int32_t turn = 0;
};
// `eos`: of the folder, at least one. A turn ends with the one that the chat template writes last.
EndTokens FindEndTokens(const model::PromptEncoder& encoder, std::span<const int32_t> eos);

// Prompt and response are tokenised apart, as a rollout worker would see them, and the end token is
// appended.
absl::StatusOr<std::vector<Sequence>> SupervisedSequences(const temper::v1::SupervisedBatch& batch,
                                                          const model::Tokenizer& tokenizer,
                                                          const model::PromptEncoder& encoder,
                                                          const EndTokens& ends);

// What one forward (and backward) pass takes.
struct MicroBatch {
  model::PackedBatch packed;
  // Prediction i is response token token_of[i] of sequences[sequence_of[i]].
  std::vector<int32_t> sequence_of;
  std::vector<int32_t> token_of;
};

// Packs sequences[chosen[0]], sequences[chosen[1]], ... in that order; at most `tokens_max` model
// tokens a micro-batch.
std::vector<MicroBatch> Pack(std::span<const Sequence> sequences, std::span<const int32_t> chosen,
                             int64_t tokens_max, float temperature);

}  // namespace temper::learner
