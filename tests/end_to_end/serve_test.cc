// `temper serve` as a client meets it: the same bits as the other verbs, whole or streamed.
#include <filesystem>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "base/utf8.h"
#include "gmock/gmock.h"
#include "httplib.h"
#include "nlohmann/json.hpp"
#include "tests/end_to_end/served_folder.h"

namespace temper::end_to_end {
namespace {

using Json = nlohmann::ordered_json;
using ::testing::HasSubstr;

class ServeTest : public ::testing::Test {
 protected:
  ServeTest() : folder_(::testing::TempDir() + "/temper_serve_test") {}

  void Serve(const std::vector<std::string>& more = {}) {
    const std::string address = folder_.Serve(more);
    ASSERT_TRUE(absl::SimpleAtoi(address.substr(address.rfind(':') + 1), &port_)) << address;
  }
  httplib::Client Client() const {
    httplib::Client client("127.0.0.1", port_);
    client.set_read_timeout(120, 0);
    return client;
  }
  httplib::Result Post(const std::string& path, const Json& body) const {
    return Client().Post(path, body.dump(), "application/json");
  }
  Json Ok(const std::string& path, const Json& body) const {
    const auto result = Post(path, body);
    if (!result) {
      ADD_FAILURE() << "no answer to " << body;
      return {};
    }
    EXPECT_EQ(result->status, 200) << result->body;
    return Json::parse(result->body, nullptr, false);
  }
  void ExpectRefused(const std::string& path, const Json& body, const std::string& code,
                     const std::string& words) const {
    const auto result = Post(path, body);
    ASSERT_TRUE(result);
    EXPECT_EQ(result->status, 400) << result->body;
    const Json error = Json::parse(result->body, nullptr, false)["error"];
    EXPECT_EQ(error["code"], code.empty() ? Json() : Json(code));
    EXPECT_THAT(error["message"].get<std::string>(), HasSubstr(words));
  }

  // What a stream says of each choice, put together.
  struct Choice {
    std::string text, reasoning, finish;
    Json tokens = Json::array();
    std::vector<double> logprobs;
  };
  std::vector<Choice> Stream(const std::string& path, Json body, int choices) const {
    body["stream"] = true;
    const auto result = Post(path, body);
    std::vector<Choice> put(choices);
    if (!result || result->status != 200) {
      ADD_FAILURE() << (result ? result->body : "no answer");
      return put;
    }
    EXPECT_THAT(result->body, testing::EndsWith("data: [DONE]\n\n"));
    for (const absl::string_view event : absl::StrSplit(result->body, "\n\n", absl::SkipEmpty())) {
      if (event == "data: [DONE]") break;
      Add(Json::parse(std::string(event.substr(6)))["choices"][0], put);
    }
    return put;
  }
  static void Add(const Json& piece, std::vector<Choice>& put) {
    Choice& choice = put.at(piece["index"].get<size_t>());
    const Json& from = piece.contains("delta") ? piece["delta"] : piece;
    choice.text += from.value("content", from.value("text", ""));
    choice.reasoning += from.value("reasoning", "");
    EXPECT_EQ(ValidUtf8(choice.text), choice.text);
    for (const Json& id : piece.value("token_ids", Json::array())) choice.tokens.push_back(id);
    const Json& logprobs = piece["logprobs"];
    if (logprobs.contains("token_logprobs")) {
      for (const Json& one : logprobs["token_logprobs"]) choice.logprobs.push_back(one);
    }
    if (piece["finish_reason"].is_string()) choice.finish = piece["finish_reason"];
  }

  ServedFolder folder_;
  int port_ = 0;
};

const Json kCompletion = {
    {"model", "tiny"}, {"prompt", "1+2="},        {"n", 3}, {"seed", 7}, {"max_tokens", 40},
    {"logprobs", 2},   {"return_token_ids", true}};

TEST_F(ServeTest, AnswersAreTheBitsOfGenerateAndScoreWholeOrStreamed) {
  Serve();
  const Json whole = Ok("/v1/completions", kCompletion);
  ASSERT_EQ(whole["choices"].size(), 3u) << whole;
  const Outcome generated =
      Temper({"generate", folder_.model(), "--prompt", "1+2=", "-n", "3", "--seed", "7",
              "--max-tokens", "40", "--threads", "1", "--json"});
  const std::vector<std::string> lines = absl::StrSplit(generated.output, '\n', absl::SkipEmpty());
  ASSERT_EQ(lines.size(), 3u) << generated.errors;
  const std::vector<Choice> streamed = Stream("/v1/completions", kCompletion, 3);
  std::string sequences;
  int64_t completion_tokens = 0;
  for (int i = 0; i < 3; ++i) {
    const Json& choice = whole["choices"][i];
    const Json line = Json::parse(lines[i]);
    EXPECT_EQ(choice["token_ids"], line["tokens"]);
    EXPECT_EQ(choice["prompt_token_ids"], line["prompt_tokens"]);
    EXPECT_EQ(choice["text"], line["text"]);
    EXPECT_EQ(choice["finish_reason"], line["finish_reason"]);
    const Json& logprobs = choice["logprobs"]["token_logprobs"];
    ASSERT_EQ(logprobs.size(), line["logprobs"].size());
    for (size_t t = 0; t < logprobs.size(); ++t) {
      EXPECT_EQ(logprobs[t].get<float>(), line["logprobs"][t].get<float>());
      // By name: the tokens of an untrained model that have none share one.
      EXPECT_GE(choice["logprobs"]["top_logprobs"][t].size(), 1u);
    }
    EXPECT_EQ(streamed[i].text, choice["text"]);
    EXPECT_EQ(streamed[i].tokens, choice["token_ids"]);
    EXPECT_EQ(Json(streamed[i].logprobs), logprobs);
    EXPECT_EQ(streamed[i].finish, choice["finish_reason"]);
    completion_tokens += static_cast<int64_t>(choice["token_ids"].size());
    Json all = choice["prompt_token_ids"];
    for (const Json& id : choice["token_ids"]) all.push_back(id);
    absl::StrAppend(&sequences, Json{{"tokens", all}}.dump(), "\n");
  }
  EXPECT_EQ(whole["usage"]["prompt_tokens"], whole["choices"][0]["prompt_token_ids"].size());
  EXPECT_EQ(whole["usage"]["completion_tokens"], completion_tokens);
  ASSERT_TRUE(WriteFileAtomically(folder_.path("sequences.jsonl"), sequences).ok());
  const Outcome scored = Temper(
      {"score", folder_.model(), "--input", folder_.path("sequences.jsonl"), "--threads", "1"});
  const std::vector<std::string> scores = absl::StrSplit(scored.output, '\n', absl::SkipEmpty());
  ASSERT_EQ(scores.size(), 3u) << scored.errors;
  for (int i = 0; i < 3; ++i) {
    const Json& logprobs = whole["choices"][i]["logprobs"]["token_logprobs"];
    const Json score = Json::parse(scores[i])["logprobs"];
    const size_t before = score.size() - logprobs.size();
    double sum = 0, wanted = 0;
    for (size_t t = 0; t < logprobs.size(); ++t) {
      EXPECT_EQ(logprobs[t].get<float>(), score[before + t].get<float>());
      sum += logprobs[t].get<float>();
      wanted += score[before + t].get<float>();
    }
    EXPECT_EQ(sum, wanted);
  }
  EXPECT_EQ(folder_.server().Stop(), 0);
}

TEST_F(ServeTest, WhatRunsBesideARequestChangesNothing) {
  Serve({"--sequences", "4"});
  const Json alone = Ok("/v1/completions", kCompletion)["choices"];
  std::vector<std::thread> others;
  for (int i = 0; i < 6; ++i) {
    others.emplace_back([&, i] {
      Json body = kCompletion;
      body["prompt"] = std::string(5 + i, 'a');
      body["seed"] = i % 2 == 0 ? 7 : 100 + i;
      if (i % 2 == 0) body["prompt"] = "1+2=";
      const Json choices = Ok("/v1/completions", body)["choices"];
      if (i % 2 == 0) {
        EXPECT_EQ(choices, alone);
      }
    });
  }
  for (std::thread& other : others) other.join();
  Json list = kCompletion;
  list["prompt"] = Json::array({"aaaa", "1+2="});
  const Json both = Ok("/v1/completions", list)["choices"];
  ASSERT_EQ(both.size(), 6u);
  EXPECT_EQ(both[3]["token_ids"], alone[0]["token_ids"]);
}

TEST_F(ServeTest, AStopStringEndsAnAnswerBeforeItsFirstByte) {
  Serve();
  Json body = kCompletion;
  const std::string text = Ok("/v1/completions", body)["choices"][0]["text"];
  // Two characters of the answer, whatever they are.
  size_t at = text.size() / 2;
  while (at < text.size() && (static_cast<unsigned char>(text[at]) & 0xC0) == 0x80) ++at;
  const std::string stop(text.substr(at, FirstCharacterBytes(text.substr(at))));
  ASSERT_FALSE(stop.empty());
  ASSERT_NE(stop, "\xEF\xBF\xBD") << "another seed is needed: the middle is no character";
  body["stop"] = stop;
  const Json choice = Ok("/v1/completions", body)["choices"][0];
  EXPECT_EQ(choice["text"], text.substr(0, text.find(stop)));
  EXPECT_EQ(choice["finish_reason"], "stop");
  EXPECT_EQ(choice["stop_reason"], stop);
  EXPECT_EQ(Stream("/v1/completions", body, 3)[0].text, choice["text"]);
}

TEST_F(ServeTest, WithoutAChatTemplateALoneUserMessageIsPlainText) {
  Serve();
  Json chat = kCompletion;
  chat.erase("prompt");
  chat["logprobs"] = true;
  chat["messages"] = Json::array({{{"role", "user"}, {"content", "1+2="}}});
  const Json answer = Ok("/v1/chat/completions", chat);
  const Json completion = Ok("/v1/completions", kCompletion);
  EXPECT_EQ(answer["choices"][0]["token_ids"], completion["choices"][0]["token_ids"]);
  EXPECT_EQ(answer["choices"][0]["message"]["content"], completion["choices"][0]["text"]);
  EXPECT_EQ(answer["prompt_token_ids"], completion["choices"][0]["prompt_token_ids"]);
  chat["messages"].push_back({{"role", "assistant"}, {"content", "3"}});
  ExpectRefused("/v1/chat/completions", chat, "", "no chat template");
  chat["messages"] =
      Json::array({{{"role", "user"}, {"content", Json::array({{{"type", "image_url"}}})}}});
  ExpectRefused("/v1/chat/completions", chat, "", "messages[0].content");
}

TEST_F(ServeTest, AThoughtIsShownApart) {
  folder_.AddChatTemplate();
  Serve();
  Json chat = {{"model", "tiny"},
               {"messages", Json::array({{{"role", "user"}, {"content", "1+2="}}})},
               {"seed", 3},
               {"max_tokens", 560},
               {"thinking_token_budget", 5},
               {"chat_template_kwargs", {{"enable_thinking", true}}},
               {"return_token_ids", true}};
  const Json answer = Ok("/v1/chat/completions", chat);
  const Json& message = answer["choices"][0]["message"];
  ASSERT_TRUE(message.contains("reasoning")) << answer;
  EXPECT_EQ(message["reasoning"].get<std::string>().find("</think>"), std::string::npos);
  EXPECT_EQ(message["content"].get<std::string>().find("</think>"), std::string::npos);
  const int64_t reasoning = answer["usage"]["completion_tokens_details"]["reasoning_tokens"];
  EXPECT_GE(reasoning, 5);
  const Choice streamed = Stream("/v1/chat/completions", chat, 1)[0];
  EXPECT_EQ(streamed.text, message["content"]);
  EXPECT_EQ(streamed.reasoning, message["reasoning"]);
  EXPECT_EQ(streamed.tokens, answer["choices"][0]["token_ids"]);
  chat["chat_template_kwargs"]["enable_thinking"] = false;
  chat["max_tokens"] = 20;
  const Json plain = Ok("/v1/chat/completions", chat);
  EXPECT_FALSE(plain["choices"][0]["message"].contains("reasoning"));
  EXPECT_EQ(plain["usage"]["completion_tokens_details"]["reasoning_tokens"], 0);
}

TEST_F(ServeTest, WhatIsTooLongIsRefusedByName) {
  Serve();
  Json body = kCompletion;
  body["prompt"] = std::string(ServedFolder::kContext, 'a');
  ExpectRefused("/v1/completions", body, "context_length_exceeded", "700 tokens");
  body["prompt"] = "a";
  body["max_tokens"] = ServedFolder::kContext;
  ExpectRefused("/v1/completions", body, "context_length_exceeded", "700 tokens");
  body = kCompletion;
  body["temperature"] = 1e-9;
  ExpectRefused("/v1/completions", body, "", "temperature");
  body = kCompletion;
  body["prompt"] = Json::array({9999});
  ExpectRefused("/v1/completions", body, "", "token 9999");
  body.erase("prompt");
  ExpectRefused("/v1/completions", body, "", "prompt");
}

TEST_F(ServeTest, HostileTextIsServedOrRefusedAndNeverFatal) {
  Serve();
  Json body = {{"max_tokens", 3}, {"temperature", 0}};
  for (const std::string& text :
       {std::string("a\0b", 3), std::string("</s><s>\xF0\x9F\x98\x80"), std::string(1, '\x7f')}) {
    body["messages"] = Json::array({{{"role", "user"}, {"content", text}}});
    Ok("/v1/chat/completions", body);
  }
  body["messages"] = Json::array({{{"role", "user"}, {"content", ""}}});
  const auto empty = Post("/v1/chat/completions", body);
  ASSERT_TRUE(empty);
  EXPECT_TRUE(empty->status == 200 || empty->status == 400) << empty->body;
  body["messages"][0]["content"] = std::string(1 << 20, 'x');
  ExpectRefused("/v1/chat/completions", body, "context_length_exceeded", "maximum context");
  EXPECT_EQ(folder_.server().Stop(), 0);
}

TEST_F(ServeTest, AClientThatGoesFreesItsPlace) {
  Serve({"--sequences", "1"});
  // Long: 60 answers, one after the other.
  Json body = {{"prompt", "1+2="}, {"max_tokens", 600}, {"n", 60}, {"stream", true}, {"seed", 1}};
  auto client = Client();
  int chunks = 0;
  httplib::Request request;
  request.method = "POST";
  request.path = "/v1/completions";
  request.set_header("Content-Type", "application/json");
  request.body = body.dump();
  request.content_receiver = [&](const char*, size_t, uint64_t, uint64_t) {
    return ++chunks < 3;  // then the connection is closed
  };
  EXPECT_FALSE(client.send(request));
  Ok("/v1/completions", kCompletion);
  const absl::Time give_up = absl::Now() + absl::Minutes(2);
  while (folder_.server().Errors().find("\"status\":\"499\"") == std::string::npos &&
         absl::Now() < give_up) {
    absl::SleepFor(absl::Milliseconds(20));
  }
  EXPECT_THAT(folder_.server().Errors(), HasSubstr("\"status\":\"499\""));
}

TEST_F(ServeTest, WhatCannotBeServedIsRefusedAtTheStart) {
  const auto refused = [&](std::vector<std::string> arguments, const std::string& words) {
    arguments.insert(arguments.begin(), {"serve", folder_.model()});
    const Outcome outcome = Temper(arguments);
    EXPECT_EQ(outcome.exit_code, 2) << outcome.errors;
    EXPECT_THAT(outcome.errors, HasSubstr(words));
  };
  refused({"--listen", "0.0.0.0:0"}, "API key is needed");
  refused({"--api-key-env", "TEMPER_TEST_NO_SUCH_KEY"}, "TEMPER_TEST_NO_SUCH_KEY");
  refused({"--listen", "nonsense"}, "expected HOST:PORT");
  std::filesystem::remove(folder_.model() + "/tokenizer.json");
  refused({}, "no tokenizer.json");
}

}  // namespace
}  // namespace temper::end_to_end
