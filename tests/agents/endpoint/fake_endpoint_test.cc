// The scripted fake, and the line of calls that every kind of endpoint shares.
#include "agents/endpoint/fake_endpoint.h"

#include <filesystem>
#include <fstream>
#include <set>

#include "agents/endpoint/open_endpoints.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/agents/endpoint/calls.h"

namespace temper::agents {
namespace {

using ::testing::HasSubstr;

const SystemClock kClock;

// An endpoint "fake" with this script and these further keys.
struct Fake {
  explicit Fake(const std::string& script = "", const std::string& keys = "",
                const StopToken* stop = nullptr, uint64_t seed = 1) {
    static int files = 0;
    std::string with;
    if (!script.empty()) {
      path = (std::filesystem::temp_directory_path() /
              absl::StrCat("temper_script_", getpid(), "_", ++files, ".json"))
                 .string();
      std::ofstream(path) << script;
      with = R"(, "script": ")" + path + R"(")";
    }
    auto specs = ParseEndpoints(R"({"endpoints": {"fake": {"kind": "fake")" + with + keys + "}}}",
                                "endpoints.json");
    EXPECT_TRUE(specs.ok()) << specs.status();
    auto opened = OpenEndpoints(*specs, {.clock = &kClock, .seed = seed, .stop = stop});
    EXPECT_TRUE(opened.ok()) << opened.status();
    endpoints = *std::move(opened);
    calls = std::make_unique<Calls>(*endpoints.at("fake"));
  }
  ~Fake() {
    calls.reset();
    if (!path.empty()) std::filesystem::remove(path);
  }
  Endpoint& endpoint() { return *endpoints.at("fake"); }

  std::string path;
  Endpoints endpoints;
  std::unique_ptr<Calls> calls;
};

constexpr char kFastRetries[] =
    R"(, "retry": {"first_pause": 0.001, "pause_max": 0.002, "attempts": 5})";

TEST(FakeEndpointTest, WithoutAScriptTheSameQuestionGivesTheSameBitsAndAnotherGivesOthers) {
  Fake one;
  Fake two("", "", nullptr, 99);
  const EndpointEnd first = one.calls->Do(Ask("hello", {0, 1, 2}));
  const EndpointEnd again = two.calls->Do(Ask("hello", {0, 1, 2}));
  ASSERT_TRUE(first.status.ok()) << first.status;
  ASSERT_EQ(first.answer.texts.size(), 3);
  std::set<std::string> texts;
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(first.answer.texts[i].text, again.answer.texts[i].text);
    EXPECT_EQ(first.answer.texts[i].finish_reason, "stop");
    texts.insert(first.answer.texts[i].text);
  }
  EXPECT_EQ(texts.size(), 3);
  // However samples are put together into calls.
  EXPECT_EQ(one.calls->Do(Ask("hello", {2})).answer.texts[0].text, first.answer.texts[2].text);
  EXPECT_NE(one.calls->Do(Ask("hallo", {2})).answer.texts[0].text, first.answer.texts[2].text);
  EndpointCall other_key = Ask("hello", {2});
  other_key.key = "another";
  EXPECT_NE(one.calls->Do(other_key).answer.texts[0].text, first.answer.texts[2].text);
}

TEST(FakeEndpointTest, CountsWordsAndEndsAtMaxTokens) {
  Fake fake(R"({"rules": [{"reply": "one two  three four"}]})");
  EndpointCall call = Ask("say some words");
  const EndpointEnd whole = fake.calls->Do(call);
  EXPECT_EQ(whole.answer.tokens_in, 3);
  EXPECT_EQ(whole.answer.tokens_out, 4);
  EXPECT_EQ(whole.answer.texts[0].finish_reason, "stop");
  EXPECT_FALSE(whole.answer.estimated);
  call.max_tokens = 3;
  const EndpointEnd cut = fake.calls->Do(call);
  EXPECT_EQ(cut.answer.texts[0].text, "one two  three");
  EXPECT_EQ(cut.answer.texts[0].finish_reason, "length");
  EXPECT_EQ(cut.answer.tokens_out, 3);
  EXPECT_EQ(fake.endpoint().PromptTokensMax(call.messages), 3);
}

TEST(FakeEndpointTest, FillsTheHolesOfAReply) {
  Fake fake(R"json({"rules": [
    {"match": {"last": "judge (\\w+)", "model": "^m$"},
     "reply": "{{1}}: [[{{random A B}}]] {{number 3 5}} {{words 2}}"},
    {"match": "", "reply": "s{{sample}} {{digest}} {{last}}"}]})json");
  const std::string judged = fake.calls->Do(Ask("now judge this")).answer.texts[0].text;
  EXPECT_THAT(judged, ::testing::MatchesRegex("this: \\[\\[[AB]\\]\\] [345] [a-z]+ [a-z]+"));
  const EndpointEnd two = fake.calls->Do(Ask("x y", {6, 7}));
  EXPECT_THAT(two.answer.texts[1].text, ::testing::MatchesRegex("s7 [0-9a-f]+ x y"));
  EXPECT_NE(two.answer.texts[0].text.substr(3), two.answer.texts[1].text.substr(3));
}

TEST(FakeEndpointTest, ScoresByRuleAndByDigest) {
  Fake fake(R"json({"rules": [{"match": "good", "score": 4.5},
                          {"match": "quality", "score": {"capture": "quality (\\S+)"}},
                          {"match": "long", "score": {"length": 0.5}},
                          {"score": {"digest": [2, 3]}}]})json",
            R"(, "reward": true)");
  EXPECT_TRUE(fake.endpoint().traits().reward);
  EXPECT_EQ(fake.calls->Do(Rate("a good one")).answer.score, 4.5);
  EXPECT_EQ(fake.calls->Do(Rate("quality -1.25 here")).answer.score, -1.25);
  EXPECT_EQ(fake.calls->Do(Rate("a long one here")).answer.score, 2.0);
  const auto drawn = fake.calls->Do(Rate("other")).answer.score;
  EXPECT_GE(*drawn, 2.0);
  EXPECT_LT(*drawn, 3.0);
  EXPECT_EQ(fake.calls->Do(Rate("other")).answer.score, drawn);
  EXPECT_NE(fake.calls->Do(Rate("another")).answer.score, drawn);
  EXPECT_TRUE(absl::IsInvalidArgument(fake.calls->Do(Ask("chat")).status));
}

TEST(FakeEndpointTest, TellsTheFirstTokensOfAJudge) {
  Fake fake(R"({"rules": [{"match": "sure", "yes": 0.75}]})");
  EndpointCall call = Ask("are you sure?");
  call.top_logprobs = 2;
  const EndpointText text = fake.calls->Do(call).answer.texts[0];
  EXPECT_EQ(text.text, "Yes");
  ASSERT_EQ(text.first_token.size(), 2);
  EXPECT_EQ(text.first_token[0].first, "Yes");
  EXPECT_NEAR(text.first_token[0].second, std::log(0.75), 1e-12);
  EXPECT_NEAR(text.first_token[1].second, std::log(0.25), 1e-12);
}

TEST(FakeEndpointTest, FaultsThatPassAreTriedAgainAndCounted) {
  for (const char* fault : {"http_503", "http_429", "truncate", "error_in_stream"}) {
    Fake fake(absl::StrCat(R"({"rules": [{"fault": ")", fault, R"(", "times": 2}]})"),
              kFastRetries);
    const EndpointEnd end = fake.calls->Do(Ask("hello"));
    EXPECT_TRUE(end.status.ok()) << fault << ": " << end.status;
    EXPECT_EQ(end.requests, 3) << fault;
    const bool tokens_flowed = std::string(fault).substr(0, 4) != "http";
    EXPECT_EQ(end.tokens_wasted > 0, tokens_flowed) << fault;
  }
}

TEST(FakeEndpointTest, AStalledAnswerIsGivenUpAfterTheIdleTimeout) {
  Fake fake(R"({"rules": [{"fault": "stall", "times": 1}]})",
            absl::StrCat(kFastRetries, R"(, "timeouts": {"idle": 0.05})"));
  const EndpointEnd end = fake.calls->Do(Ask("hello"));
  EXPECT_TRUE(end.status.ok()) << end.status;
  EXPECT_EQ(end.requests, 2);
}

TEST(FakeEndpointTest, FaultsThatStayAreNotTriedAgain) {
  const auto end_of = [](const std::string& fault) {
    Fake fake(R"({"rules": [{"fault": ")" + fault + R"("}]})", kFastRetries);
    const EndpointEnd end = fake.calls->Do(Ask("hello"));
    EXPECT_EQ(end.requests, 1) << fault;
    EXPECT_THAT(std::string(end.status.message()), HasSubstr("endpoint fake: ")) << fault;
    return end.status.code();
  };
  EXPECT_EQ(end_of("quota"), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(end_of("bad_request"), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(end_of("context"), absl::StatusCode::kOutOfRange);
}

TEST(FakeEndpointTest, AHalvedTextIsAResultWithTheReasonLength) {
  Fake fake(R"({"rules": [{"reply": "one two three four", "fault": "length"}]})");
  const EndpointEnd end = fake.calls->Do(Ask("hello"));
  ASSERT_TRUE(end.status.ok()) << end.status;
  EXPECT_EQ(end.answer.texts[0].text, "one two");
  EXPECT_EQ(end.answer.texts[0].finish_reason, "length");
}

TEST(FakeEndpointTest, AStormOf503EndsWithinTheRetryBudget) {
  Fake fake(R"({"rules": [{"fault": "http_503"}]})",
            absl::StrCat(kFastRetries, R"(, "concurrency": 16)"));
  constexpr int kPlan = 200;
  int requests = 0;
  std::vector<int> started;
  for (int i = 0; i < kPlan; ++i) {
    fake.calls->AwaitRoom();
    started.push_back(fake.calls->Start(Ask(absl::StrCat("call ", i))));
  }
  for (const int own : started) {
    const EndpointEnd end = fake.calls->End(own);
    EXPECT_TRUE(absl::IsUnavailable(end.status)) << end.status;
    requests += end.requests;
  }
  EXPECT_LE(requests, kPlan * 12 / 10);
  EXPECT_GT(requests, kPlan);
}

TEST(FakeEndpointTest, ARoomIsAsLargeAsTheConcurrencyAndComesBack) {
  Fake fake(R"({"latency_ms": 20})", R"(, "concurrency": 3)");
  EXPECT_EQ(fake.endpoint().room(), 3);
  std::vector<int> started;
  for (int i = 0; i < 3; ++i) started.push_back(fake.calls->Start(Ask(absl::StrCat(i))));
  EXPECT_EQ(fake.endpoint().room(), 0);
  fake.calls->AwaitRoom();
  for (const int own : started) EXPECT_TRUE(fake.calls->End(own).status.ok());
  EXPECT_EQ(fake.endpoint().room(), 3);
}

TEST(FakeEndpointTest, APauseThatTheServerAsksForHoldsTheWholeEndpoint) {
  Fake fake(
      R"({"rules": [{"match": "first", "fault": "http_429", "retry_after": 0.3, "times": 1}]})",
      kFastRetries);
  const absl::Duration began = kClock.Uptime();
  const int first = fake.calls->Start(Ask("first"));
  while (fake.endpoint().room() > 0) Sleep(Wait::ForWork("the pause", absl::Milliseconds(1)));
  const int second = fake.calls->Start(Ask("second"));  // sent although there is no room: it waits
  EXPECT_TRUE(fake.calls->End(second).status.ok());
  EXPECT_GE(kClock.Uptime() - began, absl::Milliseconds(300));
  EXPECT_TRUE(fake.calls->End(first).status.ok());
  EXPECT_GT(fake.endpoint().room(), 0);
}

TEST(FakeEndpointTest, APauseThatIsTooLongFailsTheCall) {
  Fake fake(R"({"rules": [{"fault": "http_429", "retry_after": 121}]})", kFastRetries);
  const EndpointEnd end = fake.calls->Do(Ask("hello"));
  EXPECT_TRUE(absl::IsUnavailable(end.status));
  EXPECT_EQ(end.requests, 1);
  EXPECT_THAT(std::string(end.status.message()), HasSubstr("pause of 2m1s"));
}

TEST(FakeEndpointTest, ACancelledCallEndsOnceAsCancelled) {
  Fake fake(R"({"rules": [{"match": "slow", "latency_ms": 3600000}]})");
  const int slow = fake.calls->Start(Ask("slow"));
  fake.calls->Cancel(slow);
  EXPECT_TRUE(absl::IsCancelled(fake.calls->End(slow).status));
  const int quick = fake.calls->Start(Ask("quick"));
  EXPECT_TRUE(fake.calls->End(quick).status.ok());
  fake.calls->Cancel(quick);  // has ended: nothing happens
  EXPECT_TRUE(fake.calls->Do(Ask("another")).status.ok());
}

TEST(FakeEndpointTest, AStopEndsEveryCallAndThoseThatComeAfter) {
  StopToken stop;
  Fake fake(R"({"latency_ms": 3600000})", "", &stop);
  const int one = fake.calls->Start(Ask("one"));
  const int two = fake.calls->Start(Ask("two"));
  stop.Stop();
  EXPECT_TRUE(absl::IsCancelled(fake.calls->End(one).status));
  EXPECT_TRUE(absl::IsCancelled(fake.calls->End(two).status));
  EXPECT_TRUE(absl::IsCancelled(fake.calls->Do(Ask("three")).status));
}

TEST(FakeEndpointTest, AnEndpointThatIsClosedEndsWhatIsOpen) {
  Fake fake(R"({"latency_ms": 3600000})");
  std::atomic<int> cancelled{0};
  for (int i = 0; i < 5; ++i) {
    fake.endpoint().Start(Ask("x"), [&cancelled](EndpointEnd end) {
      if (absl::IsCancelled(end.status)) ++cancelled;
    });
  }
  fake.calls.reset();
  fake.endpoints.clear();
  EXPECT_EQ(cancelled, 5);
}

TEST(FakeScriptTest, RefusesWhatItDoesNotKnowWithThePlace) {
  const auto words = [](const std::string& text) {
    const auto script = FakeScript::Parse(text, "fake.json");
    return script.ok() ? "" : std::string(script.status().message());
  };
  EXPECT_THAT(
      words(R"({"rules": [{}, {"fault": "http_530"}]})"),
      HasSubstr(
          R"(fake.json: rules[1].fault: unknown value "http_530"; did you mean "http_503"?)"));
  EXPECT_THAT(words(R"({"rules": [{"replay": "x"}]})"),
              HasSubstr(R"(rules[0].replay: unknown key; did you mean "reply"?)"));
  EXPECT_THAT(words(R"({"rules": [{"match": "("}]})"), HasSubstr("is no RE2"));
  EXPECT_THAT(words(R"({"rules": [{"reply": "{{smaple}}"}]})"),
              HasSubstr(R"(did you mean "sample"?)"));
  EXPECT_THAT(words(R"({"rules": [{"reply": "{{sample"}]})"), HasSubstr("never closed"));
  EXPECT_THAT(words(R"({"rules": [{"score": {"digit": [0, 1]}}]})"), HasSubstr("rules[0].score"));
  EXPECT_THAT(words(R"({"rules": [{"times": 0}]})"), HasSubstr("rules[0].times: must be"));
  EXPECT_EQ(words("{}"), "");
}

}  // namespace
}  // namespace temper::agents
