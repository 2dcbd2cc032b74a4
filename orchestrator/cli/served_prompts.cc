// Renders, encodes, measures.
#include "orchestrator/cli/served_prompts.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/json_text.h"
#include "base/openai_server/api_error.h"
#include "base/status_macros.h"
#include "policy/model/chat/chat_prompt.h"

namespace temper::cli {
namespace {

using Json = nlohmann::ordered_json;

constexpr char kTooLong[] = "context_length_exceeded";

// Templates expect texts: a list of text parts becomes one, its parts on lines of their own.
absl::Status FlattenContent(Json& messages) {
  for (size_t i = 0; i < messages.size(); ++i) {
    const auto content = messages[i].find("content");
    if (content == messages[i].end() || !content->is_array()) continue;
    std::string text;
    for (const Json& part : *content) {
      const bool plain = part.is_object() && part.value("type", Json()) == "text" &&
                         part.value("text", Json()).is_string();
      if (!plain) {
        return FieldError(absl::StrCat("messages[", i, "].content"),
                          "only parts {\"type\": \"text\", \"text\": ...} are read here");
      }
      if (&part != &content->front()) text += '\n';
      text += part["text"].get_ref<const std::string&>();
    }
    *content = std::move(text);
  }
  return absl::OkStatus();
}

bool IsLoneUserText(const ServedRequest& request, const Json& messages) {
  return messages.size() == 1 && messages[0]["role"] == "user" &&
         messages[0].value("content", Json()).is_string() && request.tools.is_null();
}

}  // namespace

ServedPrompts::ServedPrompts(const model::ModelFolder& folder, const model::ChatTemplate* chat,
                             const std::vector<std::string>& added_tokens,
                             const rollout::StateSizes& sizes, const Options& options)
    : folder_(folder),
      chat_(chat),
      added_tokens_(added_tokens),
      options_(options),
      switch_(chat == nullptr ? model::ThinkingSwitch::kNone
                              : model::FindThinkingSwitch(chat->source())),
      accounts_(sizes, {.bytes_max = options.state_bytes_max}) {}

absl::StatusOr<PreparedPrompt> ServedPrompts::FromChat(const ServedRequest& request) const {
  model::ChatRequest chat;
  chat.input.messages = request.messages;
  TEMPER_RETURN_IF_ERROR(FlattenContent(chat.input.messages));
  PreparedPrompt prompt;
  if (chat_ == nullptr) {
    if (!IsLoneUserText(request, chat.input.messages)) {
      return FieldError("messages",
                        "the model folder has no chat template, so only a lone user message can be "
                        "continued, as plain text (or use /v1/completions)");
    }
    prompt.tokens =
        folder_.tokenizer->Encode(chat.input.messages[0]["content"].get_ref<const std::string&>(),
                                  model::Tokenizer::Special::kAsText, /*add_special_tokens=*/true);
    return prompt;
  }
  chat.input.tools = request.tools;
  chat.input.variables = request.variables;
  chat.input.now = SystemClock().Now();
  if (splits_thoughts()) chat.thinking = request.thinking;
  const absl::StatusOr<model::RenderedChat> rendered =
      model::RenderRequest(*chat_, switch_, std::move(chat));
  if (!rendered.ok()) {  // also where a limit of templates was met: it would be met again
    return WithParam(absl::InvalidArgumentError(rendered.status().message()), "messages");
  }
  prompt.tokens = model::EncodeChat(*folder_.tokenizer, *rendered, added_tokens_);
  prompt.in_thought = splits_thoughts() && model::EndsInThought(rendered->text);
  if (request.thinking_budget.has_value()) {
    prompt.thinking = {.tokens = *request.thinking_budget, .open = prompt.in_thought};
  }
  return prompt;
}

absl::StatusOr<PreparedPrompt> ServedPrompts::FromPrompt(const ServedPrompt& prompt) const {
  if (prompt.tokens.empty()) {
    // Whoever writes a raw prompt writes the special tokens too.
    return PreparedPrompt{.tokens = folder_.tokenizer->Encode(prompt.text,
                                                              model::Tokenizer::Special::kParse,
                                                              /*add_special_tokens=*/true)};
  }
  for (const int32_t token : prompt.tokens) {
    if (token < folder_.config.vocab_size) continue;
    return FieldError(
        "prompt", absl::StrCat("token ", token, ", expected 0 to ", folder_.config.vocab_size - 1));
  }
  return PreparedPrompt{.tokens = prompt.tokens};
}

absl::Status ServedPrompts::CheckLength(const ServedRequest& request, const std::string& param,
                                        PreparedPrompt& prompt) const {
  const int64_t length = static_cast<int64_t>(prompt.tokens.size());
  if (length == 0) return FieldError(param, "no tokens, expected at least one");
  prompt.max_tokens = request.max_tokens.value_or(options_.max_tokens);
  if (options_.context_tokens.has_value()) {
    const int64_t left = *options_.context_tokens - length;
    if (!request.max_tokens.has_value()) prompt.max_tokens = std::min(prompt.max_tokens, left);
    if (left < 1 || prompt.max_tokens > left) {
      return WithParam(
          absl::InvalidArgumentError(absl::StrCat(
              "this model's maximum context length is ", *options_.context_tokens, " tokens; ",
              length, " of the prompt and ", std::max<int64_t>(prompt.max_tokens, 1),
              " of the answer are asked for")),
          param, kTooLong);
    }
  }
  if (const absl::Status fits = accounts_.Fits(length, prompt.max_tokens); !fits.ok()) {
    return WithParam(absl::InvalidArgumentError(fits.message()), param, kTooLong);
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<PreparedPrompt>> ServedPrompts::Prepare(
    const ServedRequest& request) const {
  std::vector<PreparedPrompt> prepared;
  if (request.kind == ServedRequest::Kind::kChat) {
    TEMPER_ASSIGN_OR_RETURN(PreparedPrompt prompt, FromChat(request));
    TEMPER_RETURN_IF_ERROR(CheckLength(request, "messages", prompt));
    prepared.push_back(std::move(prompt));
    return prepared;
  }
  for (const ServedPrompt& one : request.prompts) {
    TEMPER_ASSIGN_OR_RETURN(PreparedPrompt prompt, FromPrompt(one));
    TEMPER_RETURN_IF_ERROR(CheckLength(request, "prompt", prompt));
    prepared.push_back(std::move(prompt));
  }
  return prepared;
}

absl::StatusOr<std::optional<int64_t>> ContextOf(const std::string& folder) {
  const std::string path = JoinPath(folder, "config.json");
  TEMPER_ASSIGN_OR_RETURN(const std::string text, ReadFile(path));
  TEMPER_ASSIGN_OR_RETURN(const nlohmann::json config, ParseJson(text, path));
  const auto found = config.find("max_position_embeddings");
  if (found == config.end() || !found->is_number_integer() || found->get<int64_t>() < 1) {
    return std::optional<int64_t>();
  }
  return std::optional<int64_t>(found->get<int64_t>());
}

}  // namespace temper::cli
