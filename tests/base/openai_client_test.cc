// The client of OpenAI-compatible servers, against one that does what bad servers do.
#include "base/openai_client.h"

#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/fakes/fake_http_server.h"

namespace temper {
namespace {

using fakes::FakeAnswer;
using fakes::FakeHttpServer;
using fakes::FakeRequest;
using nlohmann::json;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr char kHello[] =
    R"({"choices": [{"message": {"role": "assistant", "content": "hello"}, "finish_reason": "stop"}]})";

std::unique_ptr<OpenAiClient> Client(const std::string& url, OpenAiClient::Options options = {}) {
  options.url = url;
  options.first_pause = absl::Milliseconds(1);
  options.pause_max = absl::Milliseconds(5);
  auto client = OpenAiClient::Create(options);
  EXPECT_TRUE(client.ok()) << client.status();
  return *std::move(client);
}

ChatRequest Hello() {
  return {.model = "m", .messages = json::array({{{"role", "user"}, {"content", "hi"}}})};
}

// Gives the answers one after the other, the last one for ever.
FakeHttpServer::Handler InTurn(std::vector<FakeAnswer> answers, std::atomic<int>& calls) {
  return [answers, &calls](const FakeRequest&) {
    const size_t call = static_cast<size_t>(calls++);
    return answers[std::min(call, answers.size() - 1)];
  };
}

TEST(OpenAiClientTest, SendsWhatWasAskedAndReadsTheAnswer) {
  FakeRequest seen;
  FakeHttpServer server([&seen](const FakeRequest& request) {
    seen = request;
    return FakeAnswer{.body = R"({"choices": [
      {"message": {"content": "yes", "reasoning_content": "hm"}, "finish_reason": "length",
       "logprobs": {"content": [{"token": "yes", "logprob": -0.25, "top_logprobs": [
         {"token": "yes", "logprob": -0.25}, {"token": "no", "logprob": -1.5}]}]}},
      {"message": {"content": null, "reasoning": "so"}, "finish_reason": "stop"}]})"};
  });
  ChatRequest request = Hello();
  request.max_tokens = 7;
  request.temperature = 0.5;
  request.top_p = 0.9;
  request.seed = 11;
  request.stop = {"\n"};
  request.logprobs = true;
  request.top_logprobs = 2;
  request.n = 2;
  request.extra = {{"chat_template_kwargs", {{"enable_thinking", false}}}};
  const auto answers = Client(server.url(), {.api_key = "secret"})->Complete(request);
  ASSERT_TRUE(answers.ok()) << answers.status();
  EXPECT_EQ(seen.method, "POST");
  EXPECT_EQ(seen.path, "/v1/chat/completions");
  EXPECT_EQ(seen.headers["authorization"], "Bearer secret");
  EXPECT_EQ(json::parse(seen.body), json::parse(R"({"model": "m", "n": 2, "max_tokens": 7,
      "messages": [{"role": "user", "content": "hi"}], "temperature": 0.5, "top_p": 0.9,
      "seed": 11, "stop": ["\n"], "logprobs": true, "top_logprobs": 2,
      "chat_template_kwargs": {"enable_thinking": false}})"));
  ASSERT_EQ(answers->size(), 2);
  const ChatResponse& first = answers->front();
  EXPECT_EQ(first.text, "yes");
  EXPECT_EQ(first.reasoning, "hm");
  EXPECT_EQ(answers->back().reasoning, "so");  // the newer name
  EXPECT_EQ(first.finish_reason, "length");
  ASSERT_EQ(first.tokens.size(), 1);
  EXPECT_EQ(first.tokens[0].logprob, -0.25);
  ASSERT_EQ(first.tokens[0].top.size(), 2);
  EXPECT_EQ(first.tokens[0].top[1], std::make_pair(std::string("no"), -1.5));
  EXPECT_EQ(answers->back().text, "");
}

TEST(OpenAiClientTest, ContinuesAPlainPrompt) {
  FakeRequest seen;
  FakeHttpServer server([&seen](const FakeRequest& request) {
    seen = request;
    return FakeAnswer{.body = R"({"choices": [{"text": " 4", "finish_reason": "stop", "logprobs":
      {"tokens": [" 4"], "token_logprobs": [-0.5], "top_logprobs": [{" 5": -3.0, " 4": -0.5}]}}]})"};
  });
  const auto answers =
      Client(server.url() + "/")
          ->Complete({.model = "m", .prompt = "2+2=", .logprobs = true, .top_logprobs = 2});
  ASSERT_TRUE(answers.ok()) << answers.status();
  EXPECT_EQ(seen.path, "/v1/completions");
  EXPECT_FALSE(seen.headers.contains("authorization"));
  EXPECT_EQ(json::parse(seen.body),
            json::parse(R"({"model": "m", "prompt": "2+2=", "logprobs": 2})"));
  EXPECT_EQ(answers->front().text, " 4");
  ASSERT_EQ(answers->front().tokens.size(), 1);
  EXPECT_EQ(answers->front().tokens[0].top[0].first, " 4");
}

TEST(OpenAiClientTest, AsksAgainUntilTheServerIsWellAgain) {
  std::atomic<int> calls = 0;
  FakeHttpServer server(InTurn({{.status = 429, .headers = "Retry-After: 3600\r\n"},
                                {.status = 503, .body = "busy"},
                                {.fault = FakeAnswer::Fault::kClose},
                                {.body = kHello, .fault = FakeAnswer::Fault::kCutShort},
                                {.body = "<html>a proxy's page</html>"},
                                {.body = kHello}},
                               calls));
  const auto answers = Client(server.url())->Complete(Hello());
  ASSERT_TRUE(answers.ok()) << answers.status();
  EXPECT_EQ(answers->front().text, "hello");
  EXPECT_EQ(calls, 6);
}

TEST(OpenAiClientTest, GivesUpAfterTheLastAttempt) {
  std::atomic<int> calls = 0;
  FakeHttpServer server(
      InTurn({{.status = 500, .body = R"({"error": {"message": "no GPU\nleft"}})"}}, calls));
  const auto answers = Client(server.url(), {.attempts_max = 3})->Complete(Hello());
  EXPECT_TRUE(absl::IsUnavailable(answers.status()));
  EXPECT_EQ(answers.status().message(),
            server.url() + "/chat/completions: HTTP 500: no GPU left (3 attempts)");
  EXPECT_EQ(calls, 3);
}

TEST(OpenAiClientTest, DoesNotRepeatWhatTheServerRefuses) {
  const std::vector<std::pair<int, absl::StatusCode>> cases = {
      {400, absl::StatusCode::kInvalidArgument},  {401, absl::StatusCode::kPermissionDenied},
      {403, absl::StatusCode::kPermissionDenied}, {404, absl::StatusCode::kNotFound},
      {422, absl::StatusCode::kInvalidArgument},  {307, absl::StatusCode::kFailedPrecondition}};
  for (const auto& [status, code] : cases) {
    std::atomic<int> calls = 0;
    FakeHttpServer server(
        InTurn({{.status = status, .body = R"({"error": "no such model"})"}}, calls));
    const auto answers = Client(server.url(), {.api_key = "secret"})->Complete(Hello());
    EXPECT_EQ(answers.status().code(), code) << answers.status();
    EXPECT_THAT(std::string(answers.status().message()), Not(HasSubstr("secret")));
    EXPECT_EQ(calls, 1);
  }
}

TEST(OpenAiClientTest, FollowsNoRedirect) {
  std::atomic<int> elsewhere = 0;
  FakeHttpServer other(InTurn({{.body = kHello}}, elsewhere));
  FakeHttpServer server([&other](const FakeRequest&) {
    return FakeAnswer{.status = 307, .headers = absl::StrCat("Location: ", other.url(), "\r\n")};
  });
  EXPECT_FALSE(Client(server.url())->Complete(Hello()).ok());
  EXPECT_EQ(elsewhere, 0);
}

TEST(OpenAiClientTest, RefusesAnswersThatNeverEnd) {
  std::atomic<int> calls = 0;
  FakeHttpServer server(InTurn({{.body = std::string(100000, ' ')}}, calls));
  const auto answers = Client(server.url(), {.answer_bytes_max = 1000})->Complete(Hello());
  EXPECT_TRUE(absl::IsResourceExhausted(answers.status())) << answers.status();
  EXPECT_EQ(calls, 1);
}

TEST(OpenAiClientTest, TellsWhatIsNoCompletion) {
  for (const char* body :
       {"[]", "{}", R"({"choices": {}})", R"({"choices": []})", R"({"choices": [1]})",
        R"({"choices": [{"message": "hi"}]})", R"({"choices": [{"message": {}}]})",
        R"({"choices": [{"message": {"content": 5}}]})", R"({"choices": [], "choices": []})",
        R"({"choices": [{"text": "of the other form"}]})"}) {
    std::atomic<int> calls = 0;
    FakeHttpServer server(InTurn({{.body = body}}, calls));
    EXPECT_TRUE(
        absl::IsUnavailable(Client(server.url(), {.attempts_max = 2})->Complete(Hello()).status()))
        << body;
    EXPECT_EQ(calls, 2) << body;
  }
}

TEST(OpenAiClientTest, LeavesAServerThatSaysNothing) {
  std::atomic<int> calls = 0;
  FakeHttpServer server(InTurn({{.fault = FakeAnswer::Fault::kSilence}}, calls));
  ChatRequest request = Hello();
  request.timeout = absl::Milliseconds(100);
  const auto answers = Client(server.url(), {.attempts_max = 2})->Complete(request);
  EXPECT_TRUE(absl::IsDeadlineExceeded(answers.status())) << answers.status();
  EXPECT_EQ(calls, 2);
}

TEST(OpenAiClientTest, StopsWhenTold) {
  StopToken stop;
  FakeHttpServer server([&stop](const FakeRequest&) {
    stop.Stop();
    return FakeAnswer{.fault = FakeAnswer::Fault::kSilence};
  });
  const auto answers = Client(server.url(), {.stop = &stop})->Complete(Hello());
  EXPECT_TRUE(absl::IsCancelled(answers.status())) << answers.status();
}

TEST(OpenAiClientTest, SaysThatNobodyListens) {
  std::string url;
  {
    FakeHttpServer gone([](const FakeRequest&) { return FakeAnswer{}; });
    url = gone.url();
  }
  const auto answers = Client(url, {.attempts_max = 2})->Complete(Hello());
  EXPECT_TRUE(absl::IsUnavailable(answers.status())) << answers.status();
}

TEST(OpenAiClientTest, ServesManyThreadsAtOnce) {
  FakeHttpServer server([](const FakeRequest& request) {
    const std::string text = json::parse(request.body)["messages"][0]["content"];
    return FakeAnswer{.body = json({{"choices", {{{"message", {{"content", text}}}}}}}).dump()};
  });
  const std::unique_ptr<OpenAiClient> client = Client(server.url());
  std::atomic<int> right = 0;
  std::vector<std::thread> threads;
  for (int thread = 0; thread < 8; ++thread) {
    threads.emplace_back([&, thread] {
      for (int call = 0; call < 50; ++call) {
        ChatRequest request = Hello();
        const std::string text = absl::StrCat(thread, " ", call);
        request.messages[0]["content"] = text;
        const auto answers = client->Complete(request);
        right += answers.ok() && answers->front().text == text;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(right, 400);
}

TEST(OpenAiClientTest, RefusesWhatIsNoServer) {
  for (const char* url : {"", "localhost:80/v1", "ftp://host/v1", "file:///etc/passwd",
                          "http://user:word@host/v1", "http://host/v1?key=1", "http://host/v1#x"}) {
    EXPECT_TRUE(absl::IsInvalidArgument(OpenAiClient::Create({.url = url}).status())) << url;
  }
  EXPECT_TRUE(absl::IsInvalidArgument(
      OpenAiClient::Create({.url = "http://h/v1", .api_key = "a\r\nX: b"}).status()));
}

}  // namespace
}  // namespace temper
