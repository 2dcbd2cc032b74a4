// Key by key, in the order that OpenAI writes them.
#include "base/openai_server/answer_json.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/utf8.h"

namespace temper {
namespace {

using Json = nlohmann::ordered_json;

Json Bytes(std::string_view bytes) {
  Json list = Json::array();
  for (const char byte : bytes) list.push_back(static_cast<uint8_t>(byte));
  return list;
}

int64_t Characters(std::string_view text) {
  return std::count_if(text.begin(), text.end(),
                       [](char byte) { return (static_cast<uint8_t>(byte) & 0xC0) != 0x80; });
}

Json ChatToken(std::string_view bytes, double logprob) {
  return {{"token", ValidUtf8(bytes)}, {"logprob", logprob}, {"bytes", Bytes(bytes)}};
}

Json ChatLogprobs(const std::vector<ServedToken>& tokens) {
  Json content = Json::array();
  for (const ServedToken& token : tokens) {
    Json entry = ChatToken(token.bytes, token.logprob);
    Json& top = entry["top_logprobs"] = Json::array();
    for (const auto& [bytes, logprob] : token.top) top.push_back(ChatToken(bytes, logprob));
    content.push_back(std::move(entry));
  }
  return {{"content", std::move(content)}, {"refusal", nullptr}};
}

// As OpenAI's completions name tokens that are no text by themselves: bytes:\xe2\x80.
std::string TokenName(std::string_view bytes) {
  if (ValidUtf8Bytes(bytes) == bytes.size()) return std::string(bytes);
  std::string name = "bytes:";
  for (const char byte : bytes) {
    absl::StrAppend(&name, "\\x", absl::Hex(static_cast<uint8_t>(byte), absl::kZeroPad2));
  }
  return name;
}

Json TextLogprobs(const std::vector<ServedToken>& tokens, bool with_top, int64_t& offset) {
  Json texts = Json::array(), logprobs = Json::array(), tops = Json::array(),
       offsets = Json::array();
  for (const ServedToken& token : tokens) {
    offsets.push_back(offset);
    offset += Characters(ValidUtf8(token.bytes));
    texts.push_back(TokenName(token.bytes));
    logprobs.push_back(token.logprob);
    Json top = Json::object();
    for (const auto& [bytes, logprob] : token.top) top.emplace(TokenName(bytes), logprob);
    tops.push_back(std::move(top));
  }
  return {{"tokens", std::move(texts)},
          {"token_logprobs", std::move(logprobs)},
          {"top_logprobs", with_top ? std::move(tops) : Json()},
          {"text_offset", std::move(offsets)}};
}

Json Ids(const std::vector<ServedToken>& tokens) {
  Json ids = Json::array();
  for (const ServedToken& token : tokens) ids.push_back(token.id);
  return ids;
}

}  // namespace

AnswerForm::AnswerForm(const ServedRequest& request, std::string id, int64_t created)
    : request_(request), id_(std::move(id)), created_(created), offsets_(request.choices(), 0) {}

Json AnswerForm::Head(std::string_view object) const {
  return {{"id", id_}, {"object", object}, {"created", created_}, {"model", request_.model}};
}

Json AnswerForm::Logprobs(const std::vector<ServedToken>& tokens, int64_t& offset) const {
  if (!request_.logprobs) return nullptr;
  return request_.kind == ServedRequest::Kind::kChat
             ? ChatLogprobs(tokens)
             : TextLogprobs(tokens, request_.top_logprobs > 0, offset);
}

Json AnswerForm::Choice(int index, const AnswerChoice& choice, const Json& logprobs) const {
  Json json = {{"index", index}};
  if (request_.kind == ServedRequest::Kind::kCompletion) json["text"] = choice.text;
  json["logprobs"] = logprobs;
  json["finish_reason"] = choice.finish.has_value() ? Json(choice.finish->reason) : Json();
  if (choice.finish.has_value()) {
    json["stop_reason"] =
        choice.finish->stop_string.has_value() ? Json(*choice.finish->stop_string) : Json();
  }
  if (request_.return_token_ids) json["token_ids"] = Ids(choice.tokens);
  return json;
}

void AnswerForm::AddUsage(const ServedUsage& usage, Json& to) const {
  to["usage"] = {{"prompt_tokens", usage.prompt_tokens},
                 {"completion_tokens", usage.completion_tokens},
                 {"total_tokens", usage.prompt_tokens + usage.completion_tokens},
                 {"completion_tokens_details", {{"reasoning_tokens", usage.reasoning_tokens}}}};
  if (!usage.extra.is_object()) return;
  for (const auto& [key, value] : usage.extra.items()) {
    if (!to.contains(key)) to[key] = value;
  }
}

Json AnswerForm::Whole(const std::vector<AnswerChoice>& choices, const ServedUsage& usage) const {
  const bool chat = request_.kind == ServedRequest::Kind::kChat;
  Json body = Head(chat ? "chat.completion" : "text_completion");
  Json list = Json::array();
  for (size_t i = 0; i < choices.size(); ++i) {
    const AnswerChoice& choice = choices[i];
    int64_t offset = 0;
    Json json = Choice(static_cast<int>(i), choice, Logprobs(choice.tokens, offset));
    if (chat) {
      Json message = {{"role", "assistant"}, {"content", choice.text}, {"refusal", nullptr}};
      if (!choice.reasoning.empty()) message["reasoning"] = choice.reasoning;
      json["message"] = std::move(message);
    }
    if (choice.prompt_tokens.has_value()) {
      (chat ? body : json)["prompt_token_ids"] = *choice.prompt_tokens;
    }
    list.push_back(std::move(json));
  }
  body["choices"] = std::move(list);
  AddUsage(usage, body);
  return body;
}

Json AnswerForm::Chunk(int index, const AnswerChoice& added, bool first) {
  const bool chat = request_.kind == ServedRequest::Kind::kChat;
  Json body = Head(chat ? "chat.completion.chunk" : "text_completion");
  const bool bare = added.tokens.empty();
  Json json = Choice(index, added, bare ? Json() : Logprobs(added.tokens, offsets_[index]));
  if (chat) {
    Json delta = Json::object();
    if (first) delta = {{"role", "assistant"}, {"content", ""}};
    if (!added.reasoning.empty()) delta["reasoning"] = added.reasoning;
    if (!added.text.empty()) delta["content"] = added.text;
    json["delta"] = std::move(delta);
  }
  if (added.prompt_tokens.has_value()) {
    (chat ? body : json)["prompt_token_ids"] = *added.prompt_tokens;
  }
  body["choices"] = Json::array({std::move(json)});
  if (request_.include_usage) body["usage"] = nullptr;
  return body;
}

Json AnswerForm::UsageChunk(const ServedUsage& usage) const {
  Json body = Head(request_.kind == ServedRequest::Kind::kChat ? "chat.completion.chunk"
                                                               : "text_completion");
  body["choices"] = Json::array();
  AddUsage(usage, body);
  return body;
}

}  // namespace temper
