// A conversation, as somebody wrote it down, as tokens: read, rendered, encoded.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "policy/model/chat/chat_template.h"
#include "policy/model/chat/thinking.h"
#include "policy/model/tokenizer/tokenizer.h"

namespace temper::model {

// A conversation as files and dataset rows give it: {"messages": [...], "tools": [...],
// "add_generation_prompt": true, "enable_thinking": false, "thinking_budget": 1000, ...}, or the
// list of messages alone. Other keys are variables of the template, and so are these two.
struct ChatRequest {
  ChatInput input;
  std::optional<bool> thinking;  // of enable_thinking
  std::optional<int64_t> thinking_budget;
  bool chose_generation_prompt = false;  // add_generation_prompt was there
};
absl::StatusOr<ChatRequest> ParseChatRequest(std::string_view json, std::string_view place);

// Nothing but one text of the user, which a folder without a template takes as a plain prompt.
bool IsLoneUserText(const ChatRequest& request);

// Its last message is the assistant's: a whole exchange, to be judged rather than answered.
bool EndsWithAssistant(const ChatRequest& request);

// Renders it with thinking on or off where the request says so, in the way that `kind` is told.
absl::StatusOr<RenderedChat> RenderRequest(const ChatTemplate& chat, ThinkingSwitch kind,
                                           ChatRequest request);

// The texts of the tokens that a folder's tokenizer.json adds to the vocabulary: what a user may
// not spell, longest first.
absl::StatusOr<std::vector<std::string>> ReadAddedTokens(const std::string& folder);

// Special tokens in the text become tokens, and nothing is put around it, as transformers does.
// Those of `guarded` stay text where the conversation spelled them, whole, within one stretch of
// what it gave: no user can end a turn. (A token that template and conversation spell together, as
// '<|' + role + '|>', is the template's.)
std::vector<int32_t> EncodeChat(const Tokenizer& tokenizer, const RenderedChat& chat,
                                const std::vector<std::string>& guarded);

}  // namespace temper::model
