// Requests are strict about their own keys; the text is cut where the conversation spells a token.
#include "policy/model/chat/chat_prompt.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "base/file.h"
#include "base/json_text.h"
#include "base/status_macros.h"

namespace temper::model {
namespace {

using Json = nlohmann::ordered_json;
using jinja::Span;

// The stretches that must stay text: guarded tokens inside of what the conversation gave.
std::vector<Span> Spelled(const RenderedChat& chat, const std::vector<std::string>& guarded) {
  std::vector<Span> spelled;
  for (const Span& input : chat.input) {
    for (size_t at = input.begin; at < input.end;) {
      const std::string_view rest(chat.text.data() + at, input.end - at);
      const auto token = std::ranges::find_if(
          guarded, [&](const std::string& text) { return rest.starts_with(text); });
      if (token == guarded.end()) {
        ++at;
        continue;
      }
      spelled.push_back({at, at + token->size()});
      at += token->size();
    }
  }
  return spelled;
}

absl::Status Wrong(std::string_view place, std::string_view key, const Json& found,
                   std::string_view expected) {
  return absl::InvalidArgumentError(
      absl::StrCat(std::string(place), ": ", std::string(key), ": found ",
                   found.dump(-1, ' ', false, Json::error_handler_t::replace).substr(0, 60),
                   ", expected ", std::string(expected)));
}

}  // namespace

absl::StatusOr<ChatRequest> ParseChatRequest(std::string_view json, std::string_view place) {
  TEMPER_ASSIGN_OR_RETURN(Json object, ParseOrderedJson(json, place));
  if (object.is_array()) object = Json{{"messages", std::move(object)}};
  if (!object.is_object() || !object.contains("messages")) {
    return absl::InvalidArgumentError(absl::StrCat(
        std::string(place), ": expected {\"messages\": [...], ...} or a list of messages"));
  }
  ChatRequest request;
  for (const auto& [key, value] : object.items()) {
    if (key == "messages") {
      request.input.messages = value;
    } else if (key == "tools") {
      request.input.tools = value;
    } else if (key == "add_generation_prompt") {
      if (!value.is_boolean()) return Wrong(place, key, value, "true or false");
      request.input.add_generation_prompt = value.get<bool>();
      request.chose_generation_prompt = true;
    } else {
      request.input.variables[key] = value;
    }
    if (key == "enable_thinking") {
      if (!value.is_boolean()) return Wrong(place, key, value, "true or false");
      request.thinking = value.get<bool>();
    }
    if (key == "thinking_budget") {
      const bool good = value.is_number_integer() && value.get<int64_t>() >= 1 &&
                        value.get<int64_t>() <= INT32_MAX;
      if (!good) return Wrong(place, key, value, "a number of tokens, at least 1");
      request.thinking_budget = value.get<int64_t>();
    }
  }
  return request;
}

bool IsLoneUserText(const ChatRequest& request) {
  const Json& messages = request.input.messages;
  return messages.is_array() && messages.size() == 1 && messages[0].is_object() &&
         messages[0].value("role", Json()) == "user" &&
         messages[0].value("content", Json()).is_string() && request.input.tools.is_null() &&
         request.input.variables.empty();
}

bool EndsWithAssistant(const ChatRequest& request) {
  const Json& messages = request.input.messages;
  return messages.is_array() && !messages.empty() && messages.back().is_object() &&
         messages.back().value("role", Json()) == "assistant";
}

absl::StatusOr<RenderedChat> RenderRequest(const ChatTemplate& chat, ThinkingSwitch kind,
                                           ChatRequest request) {
  if (request.thinking.has_value()) {
    TEMPER_RETURN_IF_ERROR(SetThinking(kind, *request.thinking, request.input));
  }
  return chat.Render(request.input);
}

absl::StatusOr<std::vector<std::string>> ReadAddedTokens(const std::string& folder) {
  const std::string path = JoinPath(folder, "tokenizer.json");
  TEMPER_ASSIGN_OR_RETURN(const std::string text, ReadFile(path));
  TEMPER_ASSIGN_OR_RETURN(const nlohmann::json tokenizer, ParseJson(text, path));
  std::vector<std::string> added;
  if (!tokenizer.is_object()) return added;
  for (const auto& token : tokenizer.value("added_tokens", nlohmann::json::array())) {
    const auto content =
        token.is_object() ? token.value("content", nlohmann::json()) : nlohmann::json();
    if (content.is_string() && content != "") added.push_back(content.get<std::string>());
  }
  std::ranges::stable_sort(added, std::ranges::greater(), &std::string::size);
  return added;
}

std::vector<int32_t> EncodeChat(const Tokenizer& tokenizer, const RenderedChat& chat,
                                const std::vector<std::string>& guarded) {
  std::vector<int32_t> tokens;
  const auto add = [&](size_t begin, size_t end, Tokenizer::Special special) {
    if (begin == end) return;
    const std::vector<int32_t> part =
        tokenizer.Encode(std::string_view(chat.text).substr(begin, end - begin), special,
                         /*add_special_tokens=*/false);
    tokens.insert(tokens.end(), part.begin(), part.end());
  };
  size_t done = 0;
  for (const Span& span : Spelled(chat, guarded)) {
    add(done, span.begin, Tokenizer::Special::kParse);
    add(span.begin, span.end, Tokenizer::Special::kAsText);
    done = span.end;
  }
  add(done, chat.text.size(), Tokenizer::Special::kParse);
  return tokens;
}

}  // namespace temper::model
