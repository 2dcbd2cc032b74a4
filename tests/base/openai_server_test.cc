// The server as clients meet it, over a backend that answers as each test wants.
#include "base/openai_server/openai_server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "base/openai_server/api_error.h"
#include "base/openai_server/request_parser.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "httplib.h"
#include "nlohmann/json.hpp"

namespace temper {
namespace {

using Json = nlohmann::ordered_json;
using testing::HasSubstr;
using testing::Not;

constexpr absl::Duration kPatience = absl::Seconds(60);

bool Within(const std::function<bool()>& wanted) {
  for (const absl::Time give_up = absl::Now() + kPatience; absl::Now() < give_up;) {
    if (wanted()) return true;
    absl::SleepFor(absl::Milliseconds(2));
  }
  return false;
}

class FakeBackend : public ChatBackend {
 public:
  using Answer =
      std::function<absl::StatusOr<ServedUsage>(const ServedRequest&, ServedSink&, const CallEnd&)>;

  std::vector<ServedModel> Models() override {
    return {{.id = "fake", .created = 7, .context_tokens = 99}, {.id = "org/other"}};
  }
  absl::StatusOr<ServedUsage> Serve(const ServedRequest& request, ServedSink& sink,
                                    const CallEnd& end) override {
    return answer(request, sink, end);
  }

  Answer answer = [](const ServedRequest& request, ServedSink& sink, const CallEnd&) {
    for (int choice = 0; choice < request.choices(); ++choice) {
      sink.Text(choice, "he", {});
      sink.Text(choice, absl::StrCat("llo ", choice), {});
      sink.Finish(choice, {});
    }
    return ServedUsage{.prompt_tokens = 3, .completion_tokens = 2};
  };
};

class OpenAiServerTest : public ::testing::Test {
 protected:
  void SetUp() override { Begin({}); }
  void Begin(OpenAiServer::Options options) {
    server_.reset();
    auto server = OpenAiServer::Start(options, backend_);
    ASSERT_TRUE(server.ok()) << server.status();
    server_ = *std::move(server);
    const std::string& address = server_->address();
    ASSERT_TRUE(absl::SimpleAtoi(address.substr(address.rfind(':') + 1), &port_));
  }

  httplib::Client Client() {
    httplib::Client client("127.0.0.1", port_);
    client.set_read_timeout(60, 0);
    return client;
  }
  httplib::Result Post(const std::string& path, const std::string& body,
                       const httplib::Headers& headers = {}) {
    return Client().Post(path, headers, body, "application/json");
  }
  httplib::Result Chat(Json changes = Json::object(), const httplib::Headers& headers = {}) {
    Json body = {{"model", "fake"},
                 {"messages", Json::array({{{"role", "user"}, {"content", "hi"}}})}};
    body.update(changes);
    return Post("/v1/chat/completions", body.dump(), headers);
  }
  Json Ok(const httplib::Result& result) {
    if (!result) {
      ADD_FAILURE() << "no answer: " << httplib::to_string(result.error());
      return {};
    }
    EXPECT_EQ(result->status, 200) << result->body;
    return Json::parse(result->body, nullptr, false);
  }
  void ExpectError(const httplib::Result& result, int status, const std::string& words,
                   const Json& param = nullptr, const Json& code = nullptr) {
    ASSERT_TRUE(result) << httplib::to_string(result.error());
    EXPECT_EQ(result->status, status) << result->body;
    const Json body = Json::parse(result->body, nullptr, false);
    ASSERT_TRUE(body.is_object() && body.contains("error")) << result->body;
    EXPECT_THAT(body["error"]["message"].get<std::string>(), HasSubstr(words));
    EXPECT_TRUE(body["error"]["type"].is_string());
    EXPECT_EQ(body["error"]["param"], param) << result->body;
    if (!code.is_null()) {
      EXPECT_EQ(body["error"]["code"], code) << result->body;
    }
  }
  // The data of a stream's events, comments left out.
  static std::vector<std::string> Data(const std::string& stream) {
    std::vector<std::string> data;
    for (const absl::string_view event : absl::StrSplit(stream, "\n\n", absl::SkipEmpty())) {
      if (absl::StartsWith(event, "data: ")) data.emplace_back(event.substr(6));
    }
    return data;
  }
  int Connect() const {
    const int connection = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<uint16_t>(port_));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(connect(connection, reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
    return connection;
  }
  static std::string Posted(const std::string& body, const std::string& headers = "") {
    return absl::StrCat(
        "POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: "
        "application/json\r\n",
        headers, "Content-Length: ", body.size(), "\r\n\r\n", body);
  }
  // All that comes back until the server closes.
  std::string Raw(const std::string& bytes) {
    const int connection = Connect();
    EXPECT_EQ(send(connection, bytes.data(), bytes.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(bytes.size()));
    std::string answer;
    char part[4096];
    ssize_t got = 0;
    while ((got = recv(connection, part, sizeof(part), 0)) > 0) answer.append(part, got);
    close(connection);
    return answer;
  }

  FakeBackend backend_;
  std::unique_ptr<OpenAiServer> server_;
  int port_ = 0;
};

TEST_F(OpenAiServerTest, AWholeAnswerHasTheShapeOfOpenAi) {
  const Json body = Ok(Chat());
  EXPECT_THAT(body["id"].get<std::string>(), testing::StartsWith("chatcmpl-"));
  EXPECT_EQ(body["object"], "chat.completion");
  EXPECT_EQ(body["model"], "fake");
  ASSERT_EQ(body["choices"].size(), 1u);
  EXPECT_EQ(body["choices"][0]["message"]["role"], "assistant");
  EXPECT_EQ(body["choices"][0]["message"]["content"], "hello 0");
  EXPECT_FALSE(body["choices"][0]["message"].contains("reasoning"));
  EXPECT_EQ(body["choices"][0]["finish_reason"], "stop");
  EXPECT_EQ(body["choices"][0]["logprobs"], nullptr);
  EXPECT_EQ(body["usage"]["total_tokens"], 5);
}

TEST_F(OpenAiServerTest, AStreamSaysWhatTheWholeAnswerSays) {
  backend_.answer = [](const ServedRequest& request, ServedSink& sink, const CallEnd&) {
    sink.Progress("edit 1/2\ndata: not an event");
    sink.Text(1, "b", {});
    sink.Reasoning(0, "thought", {});
    sink.Text(0, "a\"\n", {});
    sink.Text(1, "B", {});
    sink.Finish(1, {.reason = "length"});
    sink.Text(0, "A", {});
    sink.Finish(0, {.reason = "stop", .stop_string = "END"});
    return ServedUsage{.prompt_tokens = 3,
                       .completion_tokens = 9,
                       .reasoning_tokens = 4,
                       .extra = {{"usage_by_role", {{"draft", 9}}}, {"id", "no"}}};
  };
  const Json whole = Ok(Chat({{"n", 2}}));
  const auto result =
      Chat({{"n", 2}, {"stream", true}, {"stream_options", {{"include_usage", true}}}});
  ASSERT_TRUE(result);
  EXPECT_EQ(result->status, 200);
  EXPECT_THAT(result->get_header_value("Content-Type"), HasSubstr("text/event-stream"));
  EXPECT_THAT(result->body, testing::StartsWith(": edit 1/2 data: not an event\n\n"));
  const std::vector<std::string> data = Data(result->body);
  ASSERT_GE(data.size(), 3u);
  EXPECT_EQ(data.back(), "[DONE]");
  std::vector<std::string> texts(2), reasonings(2), finishes(2);
  std::vector<int> roles(2);
  for (size_t i = 0; i + 2 < data.size(); ++i) {
    const Json chunk = Json::parse(data[i]);
    EXPECT_EQ(chunk["object"], "chat.completion.chunk");
    EXPECT_TRUE(chunk.contains("usage") && chunk["usage"].is_null());
    ASSERT_EQ(chunk["choices"].size(), 1u);
    const Json& choice = chunk["choices"][0];
    const int index = choice["index"];
    EXPECT_EQ(choice["delta"].contains("role"), roles[index] == 0);
    if (choice["delta"].contains("role")) ++roles[index];
    texts[index] += choice["delta"].value("content", "");
    reasonings[index] += choice["delta"].value("reasoning", "");
    if (choice["finish_reason"].is_string()) finishes[index] = choice["finish_reason"];
  }
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(texts[i], whole["choices"][i]["message"]["content"]);
    EXPECT_EQ(reasonings[i], whole["choices"][i]["message"].value("reasoning", ""));
    EXPECT_EQ(finishes[i], whole["choices"][i]["finish_reason"]);
  }
  EXPECT_EQ(texts, (std::vector<std::string>{"a\"\nA", "bB"}));
  EXPECT_EQ(whole["choices"][0]["stop_reason"], "END");
  const Json last = Json::parse(data[data.size() - 2]);
  EXPECT_TRUE(last["choices"].empty());
  EXPECT_EQ(last["usage"], whole["usage"]);
  EXPECT_EQ(last["usage"]["completion_tokens_details"]["reasoning_tokens"], 4);
  EXPECT_EQ(last["usage_by_role"]["draft"], 9);
  EXPECT_NE(last["id"], "no");
}

TEST_F(OpenAiServerTest, TokensBecomeLogprobsAndIdsInBothForms) {
  backend_.answer = [](const ServedRequest& request, ServedSink& sink, const CallEnd&) {
    EXPECT_EQ(request.top_logprobs, 2);
    const std::vector<int32_t> prompt = {5, 6};
    sink.Prompt(0, prompt);
    const ServedToken half{.id = 8, .bytes = "\xC3", .logprob = -0.5, .top = {{"x", -0.25}}};
    const ServedToken rest{.id = 9,
                           .bytes =
                               "\xA4"
                               "b",
                           .logprob = -1};
    sink.Text(0, "", std::vector<ServedToken>{half});
    sink.Text(0, "äb", std::vector<ServedToken>{rest});
    sink.Finish(0, {});
    return ServedUsage{};
  };
  const Json whole =
      Ok(Chat({{"logprobs", true}, {"top_logprobs", 2}, {"return_token_ids", true}}));
  const Json& choice = whole["choices"][0];
  EXPECT_EQ(whole["prompt_token_ids"], Json({5, 6}));
  EXPECT_EQ(choice["token_ids"], Json({8, 9}));
  ASSERT_EQ(choice["logprobs"]["content"].size(), 2u);
  EXPECT_EQ(choice["logprobs"]["content"][0]["bytes"], Json({0xC3}));
  EXPECT_EQ(choice["logprobs"]["content"][0]["token"], "\xEF\xBF\xBD");
  EXPECT_EQ(choice["logprobs"]["content"][0]["top_logprobs"][0]["logprob"], -0.25);
  const auto stream =
      Chat({{"logprobs", true}, {"top_logprobs", 2}, {"return_token_ids", true}, {"stream", true}});
  ASSERT_TRUE(stream);
  Json ids = Json::array(), content = Json::array();
  for (const std::string& data : Data(stream->body)) {
    if (data == "[DONE]") continue;
    const Json chunk = Json::parse(data);
    const Json& piece = chunk["choices"][0];
    for (const Json& id : piece["token_ids"]) ids.push_back(id);
    if (!piece["logprobs"].is_null()) {
      for (const Json& one : piece["logprobs"]["content"]) content.push_back(one);
    }
  }
  EXPECT_EQ(ids, choice["token_ids"]);
  EXPECT_EQ(content, choice["logprobs"]["content"]);
  EXPECT_EQ(Json::parse(Data(stream->body)[0])["prompt_token_ids"], Json({5, 6}));

  const Json completion = Ok(Post("/v1/completions", R"({"prompt": [1, 2], "model": "fake",
                                                         "logprobs": 2})"));
  EXPECT_EQ(completion["object"], "text_completion");
  EXPECT_EQ(completion["choices"][0]["text"], "äb");
  EXPECT_EQ(completion["choices"][0]["logprobs"]["token_logprobs"], Json({-0.5, -1.0}));
  EXPECT_EQ(completion["choices"][0]["logprobs"]["tokens"],
            Json({"bytes:\\xc3", "bytes:\\xa4\\x62"}));
  EXPECT_EQ(completion["choices"][0]["logprobs"]["text_offset"], Json({0, 1}));
}

TEST_F(OpenAiServerTest, ARequestReachesTheBackendAsItWasMeant) {
  ServedRequest seen;
  backend_.answer = [&](const ServedRequest& request, ServedSink& sink, const CallEnd&) {
    seen = request;
    for (int i = 0; i < request.choices(); ++i) sink.Finish(i, {});
    return ServedUsage{};
  };
  Ok(Chat(
      {{"messages", Json::array({{{"role", "response_1"}, {"content", "x"}, {"own", Json({1})}}})},
       {"n", 3},
       {"seed", -1},
       {"temperature", 0},
       {"top_p", nullptr},
       {"max_tokens", 4},
       {"max_completion_tokens", 5.0},
       {"stop", "END"},
       {"reasoning_effort", "none"},
       {"chat_template_kwargs", {{"custom", 1}}},
       {"tools", Json::array({{{"type", "function"}}})},
       {"user", "somebody"},
       {"presence_penalty", 0.0},
       {"request_id", "of the body"},
       {"top_k", -1}},
      {{"Idempotency-Key", "of the header"}}));
  EXPECT_EQ(seen.messages[0]["role"], "response_1");
  EXPECT_EQ(seen.messages[0]["own"], Json({1}));
  EXPECT_EQ(seen.n, 3);
  EXPECT_EQ(seen.seed, ~uint64_t{0});
  EXPECT_EQ(seen.temperature, 0.0);
  EXPECT_EQ(seen.top_p, std::nullopt);
  EXPECT_EQ(seen.max_tokens, 5);
  EXPECT_EQ(seen.stop, std::vector<std::string>{"END"});
  EXPECT_EQ(seen.thinking, false);
  EXPECT_EQ(seen.variables["custom"], 1);
  EXPECT_EQ(seen.tools.size(), 1u);
  EXPECT_EQ(seen.idempotency_key, "of the header");
  EXPECT_EQ(seen.body["user"], "somebody");
  Ok(Chat({{"request_id", "of the body"}, {"chat_template_kwargs", {{"enable_thinking", true}}}}));
  EXPECT_EQ(seen.idempotency_key, "of the body");
  EXPECT_EQ(seen.thinking, true);
  Ok(Post("/v1/completions",
          R"({"prompt": ["a", [1, 2]], "model": "fake", "n": 2, "max_tokens": 1})"));
  ASSERT_EQ(seen.prompts.size(), 2u);
  EXPECT_EQ(seen.prompts[0].text, "a");
  EXPECT_EQ(seen.prompts[1].tokens, (std::vector<int32_t>{1, 2}));
  EXPECT_EQ(seen.choices(), 4);
}

TEST_F(OpenAiServerTest, AFieldThatIsWrongIsNamed) {
  const std::vector<std::pair<Json, const char*>> wrong = {
      {{{"messages", "hi"}}, "messages"},
      {{{"messages", Json::array()}}, "messages"},
      {{{"messages", Json::array({{{"content", "x"}}})}}, "messages[0].role"},
      {{{"messages", Json::array({{{"role", "user"}, {"content", 3}}})}}, "messages[0].content"},
      {{{"n", 0}}, "n"},
      {{{"n", 129}}, "n"},
      {{{"n", 1.5}}, "n"},
      {{{"temperature", "warm"}}, "temperature"},
      {{{"temperature", -1}}, "temperature"},
      {{{"top_p", 2}}, "top_p"},
      {{{"seed", 1.5}}, "seed"},
      {{{"max_tokens", 0}}, "max_tokens"},
      {{{"stop", Json({""})}}, "stop"},
      {{{"stop", 1}}, "stop"},
      {{{"stream", 1}}, "stream"},
      {{{"stream_options", {{"include_usage", 1}}}}, "stream_options"},
      {{{"logprobs", 5}}, "logprobs"},
      {{{"top_logprobs", 5}}, "top_logprobs"},
      {{{"logprobs", true}, {"top_logprobs", 21}}, "top_logprobs"},
      {{{"tools", {{"a", 1}}}}, "tools"},
      {{{"reasoning_effort", "huge"}}, "reasoning_effort"},
      {{{"chat_template_kwargs", {{"enable_thinking", "yes"}}}}, "chat_template_kwargs"},
      {{{"presence_penalty", 0.5}}, "presence_penalty"},
      {{{"response_format", {{"type", "json_object"}}}}, "response_format"},
      {{{"logit_bias", {{"50", 100}}}}, "logit_bias"},
      {{{"model", 3}}, "model"},
      {{{"request_id", std::string(300, 'x')}}, "request_id"},
      {{{"temprature", 1}}, "temprature"}};
  for (const auto& [changes, param] : wrong) ExpectError(Chat(changes), 400, param, param);
  ExpectError(Chat({{"temprature", 1}}), 400, "did you mean \"temperature\"", "temprature");
  for (const char* prompt :
       {"1", "[]", "[1.5]", "[-1]", "[\"a\", 3]", "{}", "[[]]", "[99999999999]"}) {
    ExpectError(
        Post("/v1/completions", absl::StrCat(R"({"model": "fake", "prompt": )", prompt, "}")), 400,
        "prompt", "prompt");
  }
  ExpectError(Chat({{"model", "gpt-9"}}), 404, "gpt-9", "model", "model_not_found");
  ExpectError(Chat({{"model", nullptr}}), 400, "model", "model");
}

TEST_F(OpenAiServerTest, BytesThatAreNoRequestAreRefusedWithAReason) {
  const std::string path = "/v1/chat/completions";
  const auto with = [](const std::string& content) {
    return R"({"model": "fake", "messages": [{"role": "user", "content": ")" + content + "\"}]}";
  };
  ExpectError(Post(path, ""), 400, "body");
  ExpectError(Post(path, "[]"), 400, "expected a JSON object");
  ExpectError(Post(path, "{\"model\": "), 400, "body:1:");
  ExpectError(Post(path, with(std::string("a\0b", 3))), 400, "NUL");
  ExpectError(Post(path, with("\\ud800")), 400, "not valid JSON");
  ExpectError(Post(path, with("\xff\xfe")), 400, "not valid JSON");
  ExpectError(Post(path, with("a") + "x"), 400, "not valid JSON");
  ExpectError(Post(path, R"({"model": "a", "model": "b"})"), 400, "twice");
  ExpectError(Post(path, absl::StrCat("{\"metadata\": ", std::string(100000, '['))), 400,
              "nested deeper than 64");
  Ok(Post(path, with("\\u0000 \\ud83d\\ude00")));
  Ok(Post(path, with(std::string(1 << 20, 'x'))));
  ExpectError(Post(path, with(std::string(5 << 20, 'x'))), 413, "at most", nullptr,
              "request_too_large");
}

TEST_F(OpenAiServerTest, HttpThatIsNotServedIsRefusedWithAReason) {
  ExpectError(Client().Get("/v1/chat/completions"), 405, "POST", nullptr, "method_not_allowed");
  ExpectError(Post("/v1/models", "{}"), 405, "GET", nullptr, "method_not_allowed");
  ExpectError(Client().Delete("/v1/models"), 405, "DELETE");
  ExpectError(Client().Options("/v1/chat/completions"), 405, "OPTIONS");
  ExpectError(Client().Get("/v2"), 404, "/v2");
  ExpectError(Client().Get("/" + std::string(3000, 'x')), 414, "at most");
  ExpectError(Client().Post("/v1/chat/completions", "{}", "text/plain"), 415, "application/json");
  EXPECT_THAT(Raw("nonsense\r\n\r\n"), HasSubstr("HTTP/1.1 400"));
  EXPECT_THAT(Raw("POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: "
                  "application/json\r\n\r\n"),
              HasSubstr("HTTP/1.1 411"));
  EXPECT_THAT(Raw(Posted("{}", "Transfer-Encoding: chunked\r\n")), HasSubstr("HTTP/1.1 411"));
  EXPECT_THAT(Raw(Posted("{}", "Content-Encoding: gzip\r\n")), HasSubstr("HTTP/1.1 411"));
}

TEST_F(OpenAiServerTest, ModelsAreListedAndShown) {
  const Json list = Ok(Client().Get("/v1/models"));
  ASSERT_EQ(list["data"].size(), 2u);
  EXPECT_EQ(list["data"][0]["max_model_len"], 99);
  EXPECT_EQ(Ok(Client().Get("/v1/models/org/other"))["id"], "org/other");
  ExpectError(Client().Get("/v1/models/none"), 404, "none", "model", "model_not_found");
  EXPECT_EQ(Ok(Client().Get("/health"))["status"], "ok");
}

TEST_F(OpenAiServerTest, APageOfAnotherSiteIsKeptOut) {
  EXPECT_EQ(Chat(Json::object(), {{"Origin", "http://evil.example"}})->status, 403);
  EXPECT_EQ(Chat(Json::object(), {{"Origin", "null"}})->status, 403);
  EXPECT_EQ(Chat(Json::object(), {{"Sec-Fetch-Site", "cross-site"}})->status, 403);
  EXPECT_EQ(Chat(Json::object(), {{"Host", "evil.example"}})->status, 403);
  const auto result = Chat();
  ASSERT_TRUE(result);
  EXPECT_FALSE(result->has_header("Access-Control-Allow-Origin"));
}

TEST_F(OpenAiServerTest, AKeyIsAskedForWhereThereIsOne) {
  const std::string key = "sk-0123456789abcdef0123";
  Begin({.api_key = key});
  ExpectError(Chat(), 401, "API key is needed", nullptr, "invalid_api_key");
  ExpectError(Chat(Json::object(), {{"Authorization", "Bearer " + key + "x"}}), 401, "not the one");
  ExpectError(Chat(Json::object(), {{"Authorization", "Basic " + key}}), 401, "not the one");
  ExpectError(Client().Get("/v1/models"), 401, "API key");
  Ok(Chat(Json::object(), {{"Authorization", "Bearer " + key}}));
  Ok(Chat(Json::object(), {{"Authorization", "Bearer " + key}, {"Host", "models.example"}}));
  Ok(Client().Get("/health"));
}

TEST_F(OpenAiServerTest, AnAddressThatOthersReachNeedsAKey) {
  const auto start = [&](const std::string& listen, const std::string& key) {
    return OpenAiServer::Start({.listen = listen, .api_key = key}, backend_).status();
  };
  EXPECT_THAT(std::string(start("0.0.0.0:0", "").message()), HasSubstr("API key is needed"));
  EXPECT_THAT(std::string(start("0.0.0.0:0", "short").message()), HasSubstr("expected 20 to"));
  EXPECT_EQ(start("0.0.0.0:0", "sk-0123456789abcdef0123"), absl::OkStatus());
  EXPECT_THAT(std::string(start("unix:/tmp/x", "").message()), HasSubstr("HOST:PORT"));
  EXPECT_TRUE(absl::IsUnavailable(start(server_->address(), "")));
  EXPECT_EQ(start("[::1]:0", ""), absl::OkStatus());
}

TEST_F(OpenAiServerTest, ABackendsErrorsBecomeStatuses) {
  absl::Status error;
  backend_.answer = [&](const ServedRequest&, ServedSink&, const CallEnd&) { return error; };
  for (const bool stream : {false, true}) {
    error = absl::ResourceExhaustedError("the waiting line is full");
    const auto busy = Chat({{"stream", stream}});
    ExpectError(busy, 429, "waiting line", nullptr, "rate_limit_exceeded");
    EXPECT_EQ(busy->get_header_value("Retry-After"), "1");
    error =
        WithParam(absl::InvalidArgumentError("too long"), "messages", "context_length_exceeded");
    ExpectError(Chat({{"stream", stream}}), 400, "too long", "messages", "context_length_exceeded");
    error = absl::InternalError("broken weights");
    ExpectError(Chat({{"stream", stream}}), 500, "broken weights");
    error = absl::UnavailableError("later");
    ExpectError(Chat({{"stream", stream}}), 503, "later");
  }
  backend_.answer = [](const ServedRequest&, ServedSink& sink, const CallEnd&) {
    sink.Text(0, "no end", {});
    return ServedUsage{};
  };
  ExpectError(Chat(), 500, "has no end");
}

TEST_F(OpenAiServerTest, AnErrorInTheMiddleOfAStreamEndsItWithoutDone) {
  backend_.answer = [](const ServedRequest&, ServedSink& sink, const CallEnd&) {
    sink.Text(0, "begun", {});
    return absl::StatusOr<ServedUsage>(absl::InternalError("the logits are not finite"));
  };
  const auto result = Chat({{"stream", true}});
  ASSERT_TRUE(result);
  EXPECT_EQ(result->status, 200);
  const std::vector<std::string> data = Data(result->body);
  ASSERT_EQ(data.size(), 2u) << result->body;
  EXPECT_EQ(Json::parse(data[1])["error"]["message"], "the logits are not finite");
  EXPECT_THAT(result->body, Not(HasSubstr("[DONE]")));
}

TEST_F(OpenAiServerTest, MoreRequestsThanMayBeAreRefusedAtOnce) {
  Begin({.requests_max = 2});
  std::atomic<bool> release{false};
  std::atomic<int> inside{0};
  const FakeBackend::Answer quick = backend_.answer;
  backend_.answer = [&](const ServedRequest& request, ServedSink& sink, const CallEnd& end) {
    ++inside;
    EXPECT_TRUE(Within([&] { return release.load(); }));
    return quick(request, sink, end);
  };
  std::vector<std::thread> clients;
  for (int i = 0; i < 2; ++i) clients.emplace_back([&] { Ok(Chat()); });
  EXPECT_TRUE(Within([&] { return inside == 2; }));
  const auto refused = Chat();
  ExpectError(refused, 429, "2 requests", nullptr, "rate_limit_exceeded");
  EXPECT_TRUE(refused->has_header("Retry-After"));
  Ok(Client().Get("/health"));
  release = true;
  for (std::thread& client : clients) client.join();
  Ok(Chat());
}

TEST_F(OpenAiServerTest, AClientThatGoesEndsItsCall) {
  for (const bool stream : {false, true}) {
    std::atomic<bool> started{false}, ended{false};
    backend_.answer = [&](const ServedRequest&, ServedSink& sink, const CallEnd& end) {
      if (stream) sink.Text(0, "begun", {});
      EXPECT_FALSE(end.ended());
      started = true;
      EXPECT_TRUE(Within([&] { return end.ended(); }));
      sink.Text(0, "nobody hears this", {});
      ended = true;
      return absl::StatusOr<ServedUsage>(absl::CancelledError("gone"));
    };
    const std::string body =
        absl::StrCat(R"({"model": "fake", "stream": )", stream ? "true" : "false",
                     R"(, "messages": [{"role": "user", "content": "x"}]})");
    const int connection = Connect();
    const std::string bytes = Posted(body);
    EXPECT_EQ(send(connection, bytes.data(), bytes.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(bytes.size()));
    EXPECT_TRUE(Within([&] { return started.load(); }));
    close(connection);
    EXPECT_TRUE(Within([&] { return ended.load(); }));
  }
}

TEST_F(OpenAiServerTest, AStopLetsAnswersEndAndThenEndsThem) {
  std::atomic<bool> started{false};
  backend_.answer = [&](const ServedRequest&, ServedSink& sink, const CallEnd& end) {
    sink.Text(0, "begun", {});
    started = true;
    EXPECT_TRUE(Within([&] { return end.ended(); }));
    return absl::StatusOr<ServedUsage>(absl::UnavailableError("the server is ending"));
  };
  std::thread client([&] {
    const auto result = Chat({{"stream", true}});
    ASSERT_TRUE(result);
    EXPECT_THAT(result->body, HasSubstr("the server is ending"));
  });
  EXPECT_TRUE(Within([&] { return started.load(); }));
  server_->Stop(absl::Milliseconds(50));
  client.join();
  EXPECT_FALSE(Chat());  // nobody listens
}

TEST_F(OpenAiServerTest, AStopWithinItsGraceCutsNothing) {
  std::atomic<bool> started{false}, stopping{false};
  const FakeBackend::Answer quick = backend_.answer;
  backend_.answer = [&](const ServedRequest& request, ServedSink& sink, const CallEnd& end) {
    started = true;
    EXPECT_TRUE(Within([&] { return stopping.load(); }));
    EXPECT_FALSE(end.ended());
    return quick(request, sink, end);
  };
  std::thread client([&] { Ok(Chat()); });
  EXPECT_TRUE(Within([&] { return started.load(); }));
  std::thread stop([&] { server_->Stop(kPatience); });
  stopping = true;
  stop.join();
  client.join();
}

TEST_F(OpenAiServerTest, AStreamReachesAnOldClientWithoutChunks) {
  std::string request = Posted(
      R"({"model": "fake", "stream": true, "messages": [{"role": "user", "content": "x"}]})");
  request.replace(request.find("HTTP/1.1"), 8, "HTTP/1.0");
  const std::string answer = Raw(request);
  EXPECT_THAT(answer, Not(HasSubstr("chunked")));
  EXPECT_THAT(answer, testing::EndsWith("\n\ndata: [DONE]\n\n"));
}

}  // namespace
}  // namespace temper
