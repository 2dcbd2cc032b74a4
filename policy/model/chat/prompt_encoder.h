// Turns what callers give as a prompt into tokens: plain text, or a conversation in the form of the
// folder's chat template. One room for who samples, who measures and who trains: the same words are
// the same tokens.
//
// Immutable; any thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "policy/model/chat/chat_prompt.h"
#include "policy/model/chat/chat_template.h"
#include "policy/model/tokenizer/tokenizer.h"

namespace temper::model {

// A prompt as it came. A conversation counts in place of the text when it is not empty.
struct PromptText {
  std::string_view id;  // for messages
  std::string_view text;
  std::string_view chat_json;
};

struct EncodedPrompt {
  std::vector<int32_t> tokens;             // at least one
  std::optional<int64_t> thinking_budget;  // where the conversation asks for one
  bool in_thought = false;                 // with a budget: the prompt ends inside of a thought
};

// What a model folder says of prompts besides its tokenizer; it may say nothing.
struct FolderWords {
  std::optional<ChatTemplate> chat;
  std::vector<std::string> added_tokens;  // of the tokenizer, longest first

  static absl::StatusOr<FolderWords> Read(const std::string& folder, bool has_tokenizer);
};

class PromptEncoder {
 public:
  // Everything borrowed outlives it. tokenizer, chat: null for a folder without one.
  // added_tokens: of the tokenizer, longest first (ReadAddedTokens).
  PromptEncoder(const Tokenizer* tokenizer, const ChatTemplate* chat,
                std::vector<std::string> added_tokens)
      : tokenizer_(tokenizer), chat_(chat), added_tokens_(std::move(added_tokens)) {}

  // What a response is sampled to. `content_as_text`: no message can spell a special token.
  // INVALID_ARGUMENT: it cannot be meant, or the folder lacks what it needs.
  absl::StatusOr<EncodedPrompt> ForResponse(const PromptText& prompt, bool content_as_text) const;
  // What is measured: a conversation that ends with the assistant's message stays as it is, unless
  // it asks for a generation prompt itself; no message can spell a special token.
  absl::StatusOr<EncodedPrompt> ForMeasure(const PromptText& prompt) const;
  bool has_template() const { return chat_ != nullptr; }
  // Appended to a prompt: as text, by itself, at least one token.
  absl::StatusOr<std::vector<int32_t>> Continuation(std::string_view text) const;

 private:
  enum class Use { kResponse, kMeasure };
  absl::StatusOr<EncodedPrompt> Encode(const PromptText& prompt, Use use, bool guard) const;
  absl::StatusOr<EncodedPrompt> Render(const PromptText& prompt, Use use, bool guard) const;
  EncodedPrompt EncodePlain(std::string_view text) const;

  const Tokenizer* const tokenizer_;
  const ChatTemplate* const chat_;
  const std::vector<std::string> added_tokens_;
};

}  // namespace temper::model
