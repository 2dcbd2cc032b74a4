// Reward servers of every kind, over real HTTP.
#include "agents/endpoint/http/reward_endpoint.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/agents/endpoint/served.h"

namespace temper::agents {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

constexpr char kGood[] = R"({"rules": [{"match": "good", "score": 0.75}, {"score": 0.25}]})";

TEST(RewardEndpointTest, EveryKindScoresTheLastTurn) {
  for (const char* kind : {"reward_nim", "reward_pooling", "reward_score", "reward_classify"}) {
    Served served({.script = Script(kGood), .keeps_requests = true}, kQuickRetries, kind);
    EXPECT_TRUE(served.endpoint().traits().reward);
    EndpointCall good = Rate("a good one"), bad = Rate("another");
    if (std::string(kind) == "reward_classify") good.attribute = bad.attribute = "1";
    const EndpointEnd end = served.calls->Do(good);
    ASSERT_TRUE(end.status.ok()) << kind << ": " << end.status;
    EXPECT_EQ(end.answer.score, 0.75) << kind;
    EXPECT_EQ(served.calls->Do(bad).answer.score, 0.25) << kind;
    EXPECT_GT(end.answer.tokens_in, 0) << kind;
    EXPECT_FALSE(end.answer.estimated) << kind;
    EXPECT_EQ(served.server.stats().scored, 2) << kind;
  }
}

TEST(RewardEndpointTest, SendsWhatEachKindExpects) {
  const auto sent = [](const char* kind) {
    Served served({.script = Script(kGood), .keeps_requests = true}, kQuickRetries, kind);
    EndpointCall call = Rate("good");
    call.max_tokens = 16;
    call.attribute = std::string(kind) == "reward_classify" ? "1" : "";
    EXPECT_TRUE(served.calls->Do(call).status.ok());
    const auto request = served.server.requests().at(0);
    return std::make_pair(request.path, request.body);
  };
  const json messages = {{{"role", "user"}, {"content", "How are you?"}},
                         {{"role", "assistant"}, {"content", "good"}}};
  EXPECT_EQ(sent("reward_nim").first, "/v1/chat/completions");
  EXPECT_EQ(sent("reward_nim").second,
            (json{{"model", "m"}, {"messages", messages}, {"max_tokens", 16}}));
  EXPECT_EQ(sent("reward_pooling").first, "/pooling");
  EXPECT_EQ(sent("reward_pooling").second, (json{{"model", "m"}, {"messages", messages}}));
  EXPECT_EQ(sent("reward_classify").first, "/classify");
  EXPECT_EQ(sent("reward_score").first, "/score");
  EXPECT_EQ(sent("reward_score").second,
            (json{{"model", "m"}, {"text_1", "How are you?"}, {"text_2", "good"}}));
}

TEST(RewardEndpointTest, PicksTheAttributeOfSeveral) {
  Served served({.script = Script(kGood)}, kQuickRetries, "reward_nim");
  EndpointCall call = Rate("good");
  call.model = "attributes";
  call.attribute = "helpfulness";
  EXPECT_EQ(served.calls->Do(call).answer.score, 0.75);
  call.attribute = "correctness";
  EXPECT_EQ(served.calls->Do(call).answer.score, 1.0);
  call.attribute = "";
  const EndpointEnd none = served.calls->Do(call);
  EXPECT_TRUE(absl::IsInvalidArgument(none.status));
  EXPECT_THAT(std::string(none.status.message()), HasSubstr("helpfulness, correctness"));
}

TEST(RewardEndpointTest, FaultsAreTriedAgainAndNeverBecomeAScore) {
  for (const char* fault : {"http_503", "truncate", "error_in_stream"}) {
    Served served({.script = Script(absl::StrCat(R"({"rules": [{"fault": ")", fault,
                                                 R"(", "times": 1}, {"score": 2}]})"))},
                  kQuickRetries, "reward_pooling");
    const EndpointEnd end = served.calls->Do(Rate("x"));
    EXPECT_TRUE(end.status.ok()) << fault << end.status;
    EXPECT_EQ(end.answer.score, 2.0) << fault;
    EXPECT_EQ(end.requests, 2) << fault;
  }
}

TEST(RewardEndpointTest, AChatCallToARewardServerIsRefusedUnsent) {
  Served served({}, kQuickRetries, "reward_nim");
  EXPECT_TRUE(absl::IsInvalidArgument(served.calls->Do(Ask("x")).status));
  EXPECT_EQ(served.server.stats().requests, 0);
}

}  // namespace
}  // namespace temper::agents
