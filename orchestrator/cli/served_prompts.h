// What a client asks of a model folder, as tokens: conversations by the folder's chat template, or
// raw prompts; checked against the context and the memory there is.
//
// Immutable; any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "base/openai_server/chat_backend.h"
#include "policy/model/chat/chat_template.h"
#include "policy/model/chat/thinking.h"
#include "policy/model/folder/model_folder.h"
#include "rollout/engine/accounts.h"
#include "rollout/engine/thought.h"

namespace temper::cli {

struct PreparedPrompt {
  std::vector<int32_t> tokens;  // at least one
  int64_t max_tokens = 0;
  std::optional<rollout::ThinkingBudget> thinking;
  bool in_thought = false;  // it ends inside of one
};

class ServedPrompts {
 public:
  struct Options {
    int64_t max_tokens = 2048;              // of an answer whose request names none
    std::optional<int64_t> context_tokens;  // prompt and answer; none: no limit but memory
    int64_t state_bytes_max = int64_t{4} << 30;
  };
  // Borrowed: they outlive it. chat: null for a folder without a template. added_tokens: what no
  // message may spell (model::ReadAddedTokens).
  ServedPrompts(const model::ModelFolder& folder, const model::ChatTemplate* chat,
                const std::vector<std::string>& added_tokens, const rollout::StateSizes& sizes,
                const Options& options);

  // One for each prompt of the request. INVALID_ARGUMENT with the field as `param`; code
  // "context_length_exceeded" where it is too long.
  absl::StatusOr<std::vector<PreparedPrompt>> Prepare(const ServedRequest& request) const;

  // Answers may hold thoughts that are shown apart.
  bool splits_thoughts() const { return switch_ != model::ThinkingSwitch::kNone; }

 private:
  absl::StatusOr<PreparedPrompt> FromChat(const ServedRequest& request) const;
  absl::StatusOr<PreparedPrompt> FromPrompt(const ServedPrompt& prompt) const;
  absl::Status CheckLength(const ServedRequest& request, const std::string& param,
                           PreparedPrompt& prompt) const;

  const model::ModelFolder& folder_;
  const model::ChatTemplate* const chat_;
  const std::vector<std::string>& added_tokens_;
  const Options options_;
  const model::ThinkingSwitch switch_;
  const rollout::Accounts accounts_;
};

// "max_position_embeddings" of DIR/config.json; none where it says nothing.
absl::StatusOr<std::optional<int64_t>> ContextOf(const std::string& folder);

}  // namespace temper::cli
