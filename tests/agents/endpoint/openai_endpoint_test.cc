// The HTTP endpoint against a real server that does what bad servers do.
#include "agents/endpoint/http/openai_endpoint.h"

#include <cstdlib>
#include <set>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/agents/endpoint/served.h"

namespace temper::agents {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;
using ::testing::Not;

std::string Words(const EndpointEnd& end) { return std::string(end.status.message()); }

TEST(OpenAiEndpointTest, SendsAStreamAndReadsEverySampleOfIt) {
  Served served(Scripted(R"({"rules": [{"reply": "grüße {{sample}} {{digest}}"}]})"));
  EndpointCall call = Ask("hello", {4, 5, 6});
  call.temperature = 0.5;
  call.top_p = 0.9;
  call.stop = {"\n"};
  call.max_tokens = 7;
  call.extra = {{"top_k", 20}};
  const EndpointEnd end = served.calls->Do(call);
  ASSERT_TRUE(end.status.ok()) << end.status;
  EXPECT_EQ(end.requests, 1);
  ASSERT_EQ(end.answer.texts.size(), 3);
  EXPECT_THAT(end.answer.texts[2].text, HasSubstr("grüße 2 "));
  EXPECT_EQ(end.answer.texts[1].finish_reason, "stop");
  EXPECT_EQ(end.answer.tokens_in, 1);
  EXPECT_EQ(end.answer.tokens_out, 9);
  EXPECT_FALSE(end.answer.estimated);
  const fakes::FakeOpenAiServer::Request request = served.server.requests().at(0);
  EXPECT_EQ(request.path, "/v1/chat/completions");
  EXPECT_THAT(request.headers.at("idempotency-key"), HasSubstr("temper-"));
  json body = request.body;
  EXPECT_EQ(body["seed"], SampleSeed(call, 4));
  body.erase("seed");
  EXPECT_EQ(body, json::parse(R"({"model": "m", "max_tokens": 7, "temperature": 0.5, "top_p": 0.9,
      "stop": ["\n"], "n": 3, "top_k": 20, "stream": true,
      "stream_options": {"include_usage": true},
      "messages": [{"role": "user", "content": "hello"}]})"));
}

TEST(OpenAiEndpointTest, GivesTheBitsThatTheBuiltInFakeGives) {
  Served served(Scripted("{}"));
  const EndpointEnd over_http = served.calls->Do(Ask("hello", {3, 4}));
  const auto specs = ParseEndpoints(R"({"endpoints": {"f": {"kind": "fake"}}})", "e.json");
  const auto fakes = OpenEndpoints(*specs, {.clock = &kRealClock});
  Calls calls(*fakes->at("f"));
  const EndpointEnd built_in = calls.Do(Ask("hello", {3, 4}));
  ASSERT_TRUE(over_http.status.ok()) << over_http.status;
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(over_http.answer.texts[i].text, built_in.answer.texts[i].text);
  }
  EXPECT_EQ(over_http.answer.tokens_out, built_in.answer.tokens_out);
}

TEST(OpenAiEndpointTest, FaultsThatPassAreTriedAgainUnderTheSameKey) {
  for (const char* fault : {"http_503", "http_429", "truncate", "error_in_stream"}) {
    Served served(
        Scripted(absl::StrCat(R"({"rules": [{"fault": ")", fault, R"(", "times": 2}]})")));
    const EndpointEnd end = served.calls->Do(Ask("hello", {0, 1}));
    ASSERT_TRUE(end.status.ok()) << fault << ": " << end.status;
    EXPECT_EQ(end.requests, 3) << fault;
    EXPECT_EQ(end.answer.texts.size(), 2) << fault;
    std::set<std::string> keys;
    for (const auto& request : served.server.requests()) {
      keys.insert(request.headers.at("idempotency-key"));
    }
    EXPECT_EQ(keys.size(), 1) << fault;
    EXPECT_EQ(served.server.stats().samples, 2) << fault;
  }
}

TEST(OpenAiEndpointTest, ABrokenAnswerIsNeverDone) {
  for (const bool stream : {true, false}) {
    for (const char* fault : {"truncate", "stall", "error_in_stream"}) {
      Served served({.script = Script(absl::StrCat(R"({"rules": [{"fault": ")", fault, R"("}]})")),
                     .ignores_stream = !stream},
                    R"(, "retry": {"first_pause": 0.001, "attempts": 2},
                        "timeouts": {"idle": 0.1, "first_byte": 0.2})");
      const EndpointEnd end = served.calls->Do(Ask("hello", {0, 1}));
      EXPECT_FALSE(end.status.ok()) << fault << stream;
      EXPECT_TRUE(end.answer.texts.empty()) << fault << stream;
      EXPECT_EQ(end.requests, 2) << fault << stream;
      EXPECT_GT(end.tokens_wasted, 0) << fault << stream;
      EXPECT_EQ(served.server.stats().samples, 0) << fault << stream;
    }
  }
}

TEST(OpenAiEndpointTest, AServerThatIgnoresStreamIsUnderstood) {
  Served served({.ignores_stream = true});
  const EndpointEnd end = served.calls->Do(Ask("hello", {0, 1}));
  ASSERT_TRUE(end.status.ok()) << end.status;
  EXPECT_EQ(end.answer.texts.size(), 2);
}

TEST(OpenAiEndpointTest, QuotaIsExactlyOneRequest) {
  Served served(Scripted(R"({"rules": [{"fault": "quota"}]})"));
  const EndpointEnd end = served.calls->Do(Ask("hello"));
  EXPECT_TRUE(absl::IsResourceExhausted(end.status)) << end.status;
  EXPECT_EQ(served.server.stats().requests, 1);
}

TEST(OpenAiEndpointTest, AContextThatIsTooShortIsItsOwnClass) {
  Served served(Scripted(R"({"rules": [{"fault": "context"}]})"));
  EXPECT_TRUE(absl::IsOutOfRange(served.calls->Do(Ask("hello")).status));
  EXPECT_EQ(served.server.stats().requests, 1);
}

TEST(OpenAiEndpointTest, AStormOf503StaysWithinTheRetryBudget) {
  Served served(Scripted(R"({"rules": [{"fault": "http_503"}]})"),
                absl::StrCat(kQuickRetries, R"(, "concurrency": 16)"));
  constexpr int kPlan = 150;
  std::vector<int> started;
  for (int i = 0; i < kPlan; ++i) {
    served.calls->AwaitRoom();
    started.push_back(served.calls->Start(Ask(absl::StrCat("call ", i))));
  }
  for (const int own : started) {
    EXPECT_TRUE(absl::IsUnavailable(served.calls->End(own).status));
  }
  EXPECT_LE(served.server.stats().requests, kPlan * 12 / 10);
  EXPECT_GT(served.server.stats().requests, kPlan);
}

TEST(OpenAiEndpointTest, RetryAfterPausesTheWholeEndpoint) {
  Served served(Scripted(
      R"({"rules": [{"match": "first", "fault": "http_429", "retry_after": 0.3, "times": 1}]})"));
  const absl::Duration began = kRealClock.Uptime();
  const int first = served.calls->Start(Ask("first"));
  served.Await([](const auto& stats) { return stats.faults == 1; });
  while (served.endpoint().room() > 0) Sleep(Wait::ForWork("the pause", absl::Milliseconds(1)));
  const int second = served.calls->Start(Ask("second"));
  EXPECT_TRUE(served.calls->End(second).status.ok());
  EXPECT_GE(kRealClock.Uptime() - began, absl::Milliseconds(300));
  EXPECT_TRUE(served.calls->End(first).status.ok());
}

TEST(OpenAiEndpointTest, ConcurrencyIsHalvedByABusyServerAndGrowsAgain) {
  Served served({.script = Script(R"({"latency_ms": 3})"), .busy_above = 4},
                R"(, "concurrency": 16, "grow_after": 1000000,
                    "retry": {"first_pause": 0.001, "attempts": 50, "budget": 10})");
  std::vector<int> started;
  for (int i = 0; i < 200; ++i) {
    served.calls->AwaitRoom();
    started.push_back(served.calls->Start(Ask(absl::StrCat("call ", i))));
  }
  for (const int own : started) EXPECT_TRUE(served.calls->End(own).status.ok());
  // It never grows here: once it is no larger than what the server bears, nothing is refused.
  EXPECT_LE(served.endpoint().room(), 4);
  EXPECT_GE(served.endpoint().room(), 1);
  const int64_t refused = served.server.stats().faults;
  for (int i = 0; i < 40; ++i) {
    served.calls->AwaitRoom();
    started.push_back(served.calls->Start(Ask(absl::StrCat("later ", i))));
  }
  for (const int own : started) EXPECT_TRUE(served.calls->End(own).status.ok());
  EXPECT_EQ(served.server.stats().faults, refused);
}

TEST(OpenAiEndpointTest, TheRoomGrowsWithSuccess) {
  Served served(Scripted(R"({"rules": [{"match": "busy", "fault": "http_503", "times": 1}]})"),
                absl::StrCat(kQuickRetries, R"(, "concurrency": 8, "grow_after": 2)"));
  EXPECT_TRUE(served.calls->Do(Ask("busy")).status.ok());
  EXPECT_EQ(served.endpoint().room(), 4);
  for (int i = 0; i < 8; ++i) EXPECT_TRUE(served.calls->Do(Ask(absl::StrCat(i))).status.ok());
  EXPECT_EQ(served.endpoint().room(), 8);
}

TEST(OpenAiEndpointTest, ACancelledCallClosesItsConnection) {
  Served served({.script = Script(R"({"latency_ms": 3600000})")});
  const int call = served.calls->Start(Ask("hello"));
  served.Await([](const auto& stats) { return stats.open == 1; });
  served.calls->Cancel(call);
  EXPECT_TRUE(absl::IsCancelled(served.calls->End(call).status));
  served.Await([](const auto& stats) { return stats.disconnected == 1; });
}

TEST(OpenAiEndpointTest, AStopClosesEveryConnection) {
  StopToken stop;
  Served served({.script = Script(R"({"latency_ms": 3600000})")}, kQuickRetries, "openai", &stop);
  const int one = served.calls->Start(Ask("one"));
  const int two = served.calls->Start(Ask("two"));
  served.Await([](const auto& stats) { return stats.open == 2; });
  stop.Stop();
  EXPECT_TRUE(absl::IsCancelled(served.calls->End(one).status));
  EXPECT_TRUE(absl::IsCancelled(served.calls->End(two).status));
  served.Await([](const auto& stats) { return stats.disconnected == 2; });
}

TEST(OpenAiEndpointTest, EachTimeoutHasItsName) {
  const auto words = [](const char* script, const char* timeouts) {
    Served served({.script = Script(script)},
                  absl::StrCat(R"(, "retry": {"attempts": 1}, "timeouts": )", timeouts));
    const EndpointEnd end = served.calls->Do(Ask("hello"));
    EXPECT_TRUE(absl::IsDeadlineExceeded(end.status)) << end.status;
    served.Await([](const auto& stats) { return stats.disconnected == 1; });
    return Words(end);
  };
  constexpr char kSlow[] = R"({"latency_ms": 3600000})";
  EXPECT_THAT(words(kSlow, R"({"first_byte": 0.05})"),
              HasSubstr("no byte of an answer within 50ms"));
  EXPECT_THAT(words(kSlow, R"({"total": 0.05})"), HasSubstr("no whole answer within 50ms"));
  EXPECT_THAT(words(R"({"rules": [{"fault": "stall"}]})", R"({"idle": 0.05})"),
              HasSubstr("stalled: nothing for 50ms"));
}

TEST(OpenAiEndpointTest, TimeInTheLineIsNoTimeOfARequest) {
  Served served({.script = Script(R"({"latency_ms": 400})")},
                R"(, "concurrency": 1, "retry": {"attempts": 1},
                    "timeouts": {"total": 3, "first_byte": 3})");
  std::vector<int> started;
  for (int i = 0; i < 8; ++i) started.push_back(served.calls->Start(Ask(absl::StrCat(i))));
  for (const int own : started) EXPECT_TRUE(served.calls->End(own).status.ok());
  EXPECT_EQ(served.server.stats().open_max, 1);
}

TEST(OpenAiEndpointTest, LearnsMaxCompletionTokensOnce) {
  Served served({.refuses_max_tokens = true, .keeps_requests = true});
  EXPECT_TRUE(served.calls->Do(Ask("hello")).status.ok());
  EXPECT_TRUE(served.calls->Do(Ask("again")).status.ok());
  EXPECT_EQ(served.server.stats().requests, 3);
  const json last = served.server.requests().back().body;
  EXPECT_TRUE(last.contains("max_completion_tokens"));
  EXPECT_FALSE(last.contains("max_tokens"));
}

TEST(OpenAiEndpointTest, AsksForOneSampleAtATimeWhereTheServerKnowsNoN) {
  for (const bool refuses : {true, false}) {
    Served served({.ignores_n = !refuses, .refuses_n = refuses});
    const EndpointEnd end = served.calls->Do(Ask("hello", {0, 1, 2, 3}));
    ASSERT_TRUE(end.status.ok()) << end.status;
    std::set<std::string> texts;
    for (const EndpointText& text : end.answer.texts) texts.insert(text.text);
    EXPECT_EQ(texts.size(), 4);
    // What the server made counts: of an ignored n, the first sample has come.
    EXPECT_EQ(served.server.stats().requests, refuses ? 5 : 4);
    const EndpointEnd again = served.calls->Do(Ask("again", {0, 1}));
    EXPECT_TRUE(again.status.ok());
    EXPECT_EQ(again.requests, 2);
    // The same samples, whichever way they were asked for.
    Served whole(fakes::FakeOpenAiServer::Options{});
    const EndpointEnd at_once = whole.calls->Do(Ask("hello", {0, 1, 2, 3}));
    for (int i = 0; i < 4; ++i) EXPECT_EQ(at_once.answer.texts[i].text, end.answer.texts[i].text);
  }
}

TEST(OpenAiEndpointTest, TakesReasoningInEveryForm) {
  for (const char* form : {"inline", "reasoning", "reasoning_content"}) {
    for (const bool ignores_stream : {true, false}) {
      Served served({.script = Script(R"({"rules": [{"reply": "the answer"}]})"),
                     .ignores_stream = ignores_stream,
                     .thinks = form});
      const EndpointText text = served.calls->Do(Ask("hello")).answer.texts.at(0);
      EXPECT_EQ(text.text, "the answer") << form;
      EXPECT_EQ(text.reasoning, "let me see") << form;
    }
  }
}

TEST(OpenAiEndpointTest, TellsTheFirstTokensOfAJudge) {
  Served served(Scripted(R"({"rules": [{"yes": 0.25}]})"));
  EndpointCall call = Ask("is it so?");
  call.top_logprobs = 5;
  const EndpointText text = served.calls->Do(call).answer.texts.at(0);
  EXPECT_EQ(text.text, "No");
  ASSERT_EQ(text.first_token.size(), 2);
  EXPECT_EQ(text.first_token[0].first, "No");
  EXPECT_NEAR(text.first_token[1].second, std::log(0.25), 1e-9);
}

TEST(OpenAiEndpointTest, ReadsTokensWhereTheEndpointAsksForThem) {
  Served served({.script = Script(R"({"rules": [{"reply": "a b c"}]})"), .tells_token_ids = true},
                R"(, "return_token_ids": true)");
  const EndpointAnswer answer = served.calls->Do(Ask("hello")).answer;
  EXPECT_EQ(answer.prompt_tokens, (std::vector<int32_t>{1, 2, 3}));
  EXPECT_EQ(answer.texts.at(0).tokens, (std::vector<int32_t>{100, 101, 102}));
  EXPECT_EQ(answer.texts.at(0).logprobs.size(), 3);
}

TEST(OpenAiEndpointTest, EstimatesWhereTheServerDoesNotCount) {
  Served served({.counts_no_tokens = true});
  const EndpointAnswer answer = served.calls->Do(Ask("hello")).answer;
  EXPECT_TRUE(answer.estimated);
  EXPECT_GT(answer.tokens_in, 0);
  EXPECT_EQ(answer.tokens_out, static_cast<int64_t>((answer.texts.at(0).text.size() + 3) / 4));
}

TEST(OpenAiEndpointTest, SurvivesNulBytesLoneSurrogatesAndAMegabyte) {
  Served served({.script = Script(R"({"rules": [{"reply": "fine"}]})"), .keeps_requests = true});
  const std::string odd = std::string("a\0b", 3) + " \xed\xa0\x80 c \\u0000 \\";
  EXPECT_TRUE(served.calls->Do(Ask(odd)).status.ok());
  const std::string sent = served.server.requests().at(0).body["messages"][0]["content"];
  EXPECT_EQ(sent.find('\0'), std::string::npos);
  EXPECT_EQ(sent.substr(0, 5),
            "a\xef\xbf\xbd"
            "b");
  EXPECT_THAT(sent, HasSubstr(" c \\u0000 \\"));
  std::string large;
  while (large.size() < 1000000) large += "words and words ";
  const EndpointEnd end = served.calls->Do(Ask(large));
  ASSERT_TRUE(end.status.ok()) << end.status;
  EXPECT_EQ(served.server.requests().at(1).body["messages"][0]["content"], large);
  EXPECT_GE(served.endpoint().PromptTokensMax(Ask(large).messages), 1000000);
}

TEST(OpenAiEndpointTest, TheKeyIsSentAndNeverTold) {
  setenv("TEMPER_TEST_ENDPOINT_KEY", "sk-very-secret", 1);
  const std::string keys =
      absl::StrCat(kQuickRetries, R"(, "key_env": "TEMPER_TEST_ENDPOINT_KEY")");
  Served served({.key = "sk-very-secret"}, keys);
  EXPECT_TRUE(served.calls->Do(Ask("hello")).status.ok());
  Served echo({.echoes_key = true}, keys);
  ::testing::internal::CaptureStderr();
  const EndpointEnd end = echo.calls->Do(Ask("hello"));
  EXPECT_TRUE(absl::IsInvalidArgument(end.status));
  EXPECT_THAT(Words(end), HasSubstr("you came with Bearer [key]"));
  EXPECT_THAT(Words(end), Not(HasSubstr("secret")));
  EXPECT_THAT(::testing::internal::GetCapturedStderr(), Not(HasSubstr("secret")));
  EXPECT_THAT(echo.endpoint().traits().revision, Not(HasSubstr("secret")));
  Served wrong({.key = "another"}, keys);
  EXPECT_TRUE(absl::IsPermissionDenied(wrong.calls->Do(Ask("hello")).status));
  EXPECT_EQ(wrong.server.stats().requests, 1);
}

TEST(OpenAiEndpointTest, AMissingKeyIsRefusedBeforeAnyCall) {
  unsetenv("TEMPER_TEST_NO_SUCH_KEY");
  const auto specs = ParseEndpoints(
      R"({"endpoints": {"main": {"kind": "openai", "url": "http://127.0.0.1:9/v1",
          "key_env": "TEMPER_TEST_NO_SUCH_KEY"}}})",
      "e.json");
  const auto opened = OpenEndpoints(*specs, {.clock = &kRealClock});
  EXPECT_TRUE(absl::IsFailedPrecondition(opened.status()));
  EXPECT_THAT(std::string(opened.status().message()), HasSubstr("TEMPER_TEST_NO_SUCH_KEY"));
}

TEST(OpenAiEndpointTest, AServerThatIsAwayIsUnavailableAfterRetries) {
  Served served(Scripted("{}"));
  const std::string url = served.server.url();
  int port = 0;
  {
    const fakes::FakeOpenAiServer gone({});
    port = gone.port();
  }
  served.calls.reset();
  served.Open(absl::StrCat("http://127.0.0.1:", port, "/v1"), kQuickRetries, "openai", nullptr);
  const EndpointEnd end = served.calls->Do(Ask("hello"));
  EXPECT_TRUE(absl::IsUnavailable(end.status)) << end.status;
  EXPECT_GT(end.requests, 1);
  EXPECT_THAT(Words(end), HasSubstr("not tried again"));
}

}  // namespace
}  // namespace temper::agents
