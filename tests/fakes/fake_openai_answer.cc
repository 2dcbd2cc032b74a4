// Strings put together by hand where the shape is fixed; nlohmann for what needs escapes.
#include "tests/fakes/fake_openai_answer.h"

#include "absl/strings/str_cat.h"

namespace temper::fakes {
namespace {

using agents::FakeReply;
using agents::FakeText;
using nlohmann::json;

constexpr char kThought[] = "let me see";

json Usage(const FakeReply& reply) {
  int64_t out = 0;
  for (const FakeText& text : reply.texts) out += text.tokens;
  return {{"prompt_tokens", reply.tokens_in},
          {"completion_tokens", out},
          {"total_tokens", reply.tokens_in + out}};
}

json Logprobs(const FakeText& text) {
  json top = json::array();
  for (const auto& [token, logprob] : text.first_token) {
    top.push_back({{"token", token}, {"logprob", logprob}});
  }
  json entry = {{"token", text.text.substr(0, text.text.find(' '))},
                {"logprob", text.first_token.empty() ? -0.5 : text.first_token.front().second},
                {"top_logprobs", top}};
  return {{"content", json::array({entry})}};
}

// A token for each word: its place.
json TokenIds(const FakeText& text) {
  json ids = json::array();
  for (int64_t i = 0; i < text.tokens; ++i) ids.push_back(100 + i);
  return ids;
}

json LogprobsOfTokens(const FakeText& text) {
  json content = json::array();
  for (int64_t i = 0; i < text.tokens; ++i) {
    content.push_back({{"token", "x"}, {"logprob", -0.25}, {"top_logprobs", json::array()}});
  }
  return {{"content", content}};
}

std::string Event(const json& data) { return absl::StrCat("data: ", data.dump(), "\n\n"); }

json Piece(const AnswerStyle& style, json choices) {
  return {{"id", "chatcmpl-fake"},
          {"object", "chat.completion.chunk"},
          {"created", 1700000000},
          {"model", style.model},
          {"choices", std::move(choices)}};
}

json Choice(size_t index, json delta) {
  return {{"index", index}, {"delta", std::move(delta)}, {"finish_reason", nullptr}};
}

}  // namespace

std::string ChatJson(const FakeReply& reply, const AnswerStyle& style) {
  json choices = json::array();
  for (size_t i = 0; i < reply.texts.size(); ++i) {
    const FakeText& text = reply.texts[i];
    json message = {{"role", "assistant"}, {"content", text.text}};
    if (style.thinks == "inline") {
      message["content"] = absl::StrCat("<think>", kThought, "</think>\n\n", text.text);
    } else if (!style.thinks.empty()) {
      message[style.thinks] = kThought;
    }
    json choice = {{"index", i}, {"message", message}, {"finish_reason", text.finish_reason}};
    if (style.token_ids) {
      choice["token_ids"] = TokenIds(text);
      choice["logprobs"] = LogprobsOfTokens(text);
    } else if (style.logprobs) {
      choice["logprobs"] = Logprobs(text);
    }
    choices.push_back(choice);
  }
  json body = {{"id", "chatcmpl-fake"},
               {"object", "chat.completion"},
               {"created", 1700000000},
               {"model", style.model},
               {"choices", choices}};
  if (style.token_ids) body["prompt_token_ids"] = {1, 2, 3};
  if (style.usage) body["usage"] = Usage(reply);
  return body.dump(-1, ' ', false, json::error_handler_t::replace);
}

std::vector<std::string> ChatEvents(const FakeReply& reply, const AnswerStyle& style) {
  std::vector<std::string> events;
  for (size_t i = 0; i < reply.texts.size(); ++i) {
    json piece = Piece(style, json::array({Choice(i, {{"role", "assistant"}, {"content", ""}})}));
    if (style.token_ids && i == 0) piece["prompt_token_ids"] = {1, 2, 3};
    events.push_back(Event(piece));
    if (style.thinks == "inline") {
      events.push_back(Event(Piece(
          style, json::array({Choice(
                     i, {{"content", absl::StrCat("<think>", kThought, "</think>\n\n")}})}))));
    } else if (!style.thinks.empty()) {
      events.push_back(Event(Piece(style, json::array({Choice(i, {{style.thinks, kThought}})}))));
    }
  }
  // Choices take turns: each text in two halves.
  for (const bool second : {false, true}) {
    for (size_t i = 0; i < reply.texts.size(); ++i) {
      const FakeText& text = reply.texts[i];
      size_t middle = text.text.size() / 2;
      while (middle > 0 && (static_cast<unsigned char>(text.text[middle]) & 0xC0) == 0x80) --middle;
      json choice =
          Choice(i, {{"content", second ? text.text.substr(middle) : text.text.substr(0, middle)}});
      if (!second && style.token_ids) {
        choice["token_ids"] = TokenIds(text);
        choice["logprobs"] = LogprobsOfTokens(text);
      } else if (!second && style.logprobs) {
        choice["logprobs"] = Logprobs(text);
      }
      if (second) choice["finish_reason"] = text.finish_reason;
      events.push_back(Event(Piece(style, json::array({choice}))));
    }
  }
  if (style.usage) {
    json last = Piece(style, json::array());
    last["usage"] = Usage(reply);
    events.push_back(Event(last));
  }
  return events;
}

std::string ScoreJson(const std::string& path, const FakeReply& reply, const std::string& model) {
  json body = {{"id", "score-fake"}, {"model", model}, {"usage", Usage(reply)}};
  if (path.ends_with("/pooling")) {
    body["data"] = {{{"index", 0}, {"object", "pooling"}, {"data", {reply.score}}}};
  } else if (path.ends_with("/classify")) {
    body["data"] = {{{"index", 0},
                     {"label", "LABEL_1"},
                     {"probs", {1 - reply.score, reply.score}},
                     {"num_classes", 2}}};
  } else if (path.ends_with("/score")) {
    body["data"] = {{{"index", 0}, {"object", "score"}, {"score", reply.score}}};
  } else {
    const std::string number = json(reply.score).dump();
    const std::string content = model == "attributes"
                                    ? absl::StrCat("helpfulness:", number, ",correctness:1")
                                    : absl::StrCat("reward:", number);
    body["choices"] = {{{"index", 0},
                        {"message", {{"role", "assistant"}, {"content", content}}},
                        {"finish_reason", "stop"}}};
  }
  return body.dump();
}

std::string HttpAnswer(int status, const std::string& body, const std::string& headers) {
  return absl::StrCat("HTTP/1.1 ", status, " Fake\r\nContent-Type: application/json\r\n",
                      "Content-Length: ", body.size(), "\r\n", headers, "\r\n", body);
}

std::string ErrorJson(const std::string& message, const std::string& type, const std::string& code,
                      const std::string& param) {
  json error = {{"message", message}, {"type", type}, {"param", nullptr}, {"code", nullptr}};
  if (!code.empty()) error["code"] = code;
  if (!param.empty()) error["param"] = param;
  return json{{"error", error}}.dump();
}

}  // namespace temper::fakes
