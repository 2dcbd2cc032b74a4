// Without a clock: the same row makes the same prompt on every day and every worker.
#include "policy/model/chat/prompt_encoder.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"

namespace temper::model {
namespace {

constexpr char kNoTokenizer[] =
    "the model folder has no tokenizer.json; give token ids instead of text";

}  // namespace

absl::StatusOr<FolderWords> FolderWords::Read(const std::string& folder, bool has_tokenizer) {
  FolderWords words;
  TEMPER_ASSIGN_OR_RETURN(words.chat, ChatTemplate::ReadIfAny(folder));
  if (has_tokenizer) {
    TEMPER_ASSIGN_OR_RETURN(words.added_tokens, ReadAddedTokens(folder));
  }
  return words;
}

EncodedPrompt PromptEncoder::EncodePlain(std::string_view text) const {
  return {.tokens = tokenizer_->Encode(text, Tokenizer::Special::kAsText,
                                       /*add_special_tokens=*/true)};
}

absl::StatusOr<EncodedPrompt> PromptEncoder::Render(const PromptText& prompt, Use use,
                                                    bool guard) const {
  const std::string place = absl::StrCat("prompt \"", std::string(prompt.id), "\"");
  TEMPER_ASSIGN_OR_RETURN(ChatRequest chat, ParseChatRequest(prompt.chat_json, place));
  if (chat_ == nullptr) {
    if (IsLoneUserText(chat)) return EncodePlain(prompt.text);
    return absl::InvalidArgumentError(
        absl::StrCat(place,
                     ": is a conversation, and the model folder has no chat template "
                     "(chat_template.jinja, or chat_template in tokenizer_config.json)"));
  }
  if (use == Use::kMeasure && !chat.chose_generation_prompt && EndsWithAssistant(chat)) {
    chat.input.add_generation_prompt = false;
  }
  const std::optional<int64_t> budget = chat.thinking_budget;
  TEMPER_ASSIGN_OR_RETURN(
      const RenderedChat rendered,
      RenderRequest(*chat_, FindThinkingSwitch(chat_->source()), std::move(chat)));
  EncodedPrompt encoded;
  encoded.tokens =
      EncodeChat(*tokenizer_, rendered, guard ? added_tokens_ : std::vector<std::string>());
  if (budget.has_value()) {
    encoded.thinking_budget = budget;
    encoded.in_thought = EndsInThought(rendered.text);
  }
  return encoded;
}

absl::StatusOr<EncodedPrompt> PromptEncoder::Encode(const PromptText& prompt, Use use,
                                                    bool guard) const {
  if (tokenizer_ == nullptr) {
    return absl::InvalidArgumentError(absl::StrCat("prompt: ", kNoTokenizer));
  }
  EncodedPrompt encoded;
  if (prompt.chat_json.empty()) {
    encoded = EncodePlain(prompt.text);
  } else {
    TEMPER_ASSIGN_OR_RETURN(encoded, Render(prompt, use, guard));
  }
  if (!encoded.tokens.empty()) return encoded;
  return absl::InvalidArgumentError(
      absl::StrCat("prompt \"", std::string(prompt.id), "\": no tokens, expected at least one"));
}

absl::StatusOr<EncodedPrompt> PromptEncoder::ForResponse(const PromptText& prompt,
                                                         bool content_as_text) const {
  return Encode(prompt, Use::kResponse, content_as_text);
}

absl::StatusOr<EncodedPrompt> PromptEncoder::ForMeasure(const PromptText& prompt) const {
  return Encode(prompt, Use::kMeasure, /*guard=*/true);
}

absl::StatusOr<std::vector<int32_t>> PromptEncoder::Continuation(std::string_view text) const {
  if (tokenizer_ == nullptr) return absl::InvalidArgumentError(kNoTokenizer);
  std::vector<int32_t> tokens = tokenizer_->Encode(text, Tokenizer::Special::kAsText,
                                                   /*add_special_tokens=*/false);
  if (!tokens.empty()) return tokens;
  return absl::InvalidArgumentError("no tokens, expected at least one");
}

}  // namespace temper::model
