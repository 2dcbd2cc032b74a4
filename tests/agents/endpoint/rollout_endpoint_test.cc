// A small real model behind a real rollout service, as an endpoint.
#include "agents/endpoint/rollout_endpoint.h"

#include <set>

#include "absl/time/clock.h"
#include "agents/endpoint/open_endpoints.h"
#include "base/rpc.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rollout/service.h"
#include "rollout/weight_follower.h"
#include "tests/agents/endpoint/calls.h"
#include "tests/rollout/rollout_fixture.h"
#include "tests/rollout/weights_fixture.h"

namespace temper::agents {
namespace {

using ::testing::HasSubstr;

const SystemClock kClock;

// A worker with version 1 of a tiny model.
class RolloutEndpointTest : public ::testing::Test {
 protected:
  void SetUp() override {
    rollout::Engine::Options options;
    engine_ = std::make_unique<rollout::Engine>(
        rollout::Engine::Parts{config_, layout_, tokenizer_.get(), *device_}, options);
    engine_->SetWeights(1, rollout::Share(rollout::LivelyValues(config_, layout_, 1)));
    loop_ = std::make_shared<rollout::EngineLoop>(64);
    runs_.Open("", loop_);
    service_ = MakeRolloutService(runs_);
    auto listening = Listen("127.0.0.1:0", {service_.get()});
    ASSERT_TRUE(listening.ok()) << listening.status();
    listening_ = *std::move(listening);
    loop_->Start(*engine_, &follower_);
    Open("");
  }
  void Open(const std::string& keys) {
    calls_.reset();
    const auto specs = ParseEndpoints(
        absl::StrCat(R"({"endpoints": {"policy": {"kind": "rollout", "address": ")",
                     listening_.address, R"(", "retry": {"first_pause": 0.001})", keys, "}}}"),
        "e.json");
    ASSERT_TRUE(specs.ok()) << specs.status();
    auto opened = OpenEndpoints(*specs, {.clock = &kClock});
    ASSERT_TRUE(opened.ok()) << opened.status();
    endpoints_ = *std::move(opened);
    calls_ = std::make_unique<Calls>(*endpoints_.at("policy"));
  }
  void TearDown() override {
    calls_.reset();
    endpoints_.clear();
    loop_->Stop();
    listening_.server->Shutdown(absl::ToChronoTime(absl::Now() + absl::Seconds(2)));
  }

  static model::ModelConfig Talkative() {
    model::ModelConfig config = rollout::TinyConfig();
    config.eos_token_ids.clear();
    return config;
  }
  static EndpointCall Short(std::vector<int64_t> samples) {
    EndpointCall call = Ask("What is 2+2?", std::move(samples));
    call.max_tokens = 12;
    call.seed = 9;
    return call;
  }

  const model::ModelConfig config_ = Talkative();
  const model::ParameterLayout layout_{config_};
  const std::unique_ptr<model::Tokenizer> tokenizer_ = rollout::ByteTokenizer();
  const std::unique_ptr<kernels::Device> device_ = kernels::OpenCpuDevice(1);
  const rollout::WeightFollower follower_{layout_, rollout::kThisHost, *device_};
  std::unique_ptr<rollout::Engine> engine_;
  std::shared_ptr<rollout::EngineLoop> loop_;
  rollout::EngineDirectory runs_;
  std::unique_ptr<grpc::Service> service_;
  ListeningServer listening_;
  Endpoints endpoints_;
  std::unique_ptr<Calls> calls_;
};

TEST_F(RolloutEndpointTest, TellsTokensLogprobsAndVersion) {
  const EndpointEnd end = calls_->Do(Short({0, 3}));
  ASSERT_TRUE(end.status.ok()) << end.status;
  const EndpointAnswer& answer = end.answer;
  ASSERT_EQ(answer.texts.size(), 2);
  EXPECT_EQ(answer.version, 1);
  EXPECT_EQ(answer.prompt_tokens.size(), 12);
  EXPECT_EQ(answer.tokens_in, 12);
  EXPECT_EQ(answer.tokens_out, 24);
  for (const EndpointText& text : answer.texts) {
    EXPECT_EQ(text.tokens.size(), 12);
    EXPECT_EQ(text.logprobs.size(), 12);
    EXPECT_EQ(text.finish_reason, "length");
  }
}

TEST_F(RolloutEndpointTest, TheSameCallGivesTheSameTokensAndAnotherSampleOthers) {
  const EndpointEnd first = calls_->Do(Short({0, 1, 2}));
  const EndpointEnd again = calls_->Do(Short({2}));
  ASSERT_TRUE(first.status.ok() && again.status.ok()) << first.status << again.status;
  EXPECT_EQ(first.answer.texts[2].tokens, again.answer.texts[0].tokens);
  EXPECT_EQ(first.answer.texts[2].logprobs, again.answer.texts[0].logprobs);
  EXPECT_NE(first.answer.texts[0].tokens, first.answer.texts[1].tokens);
  EndpointCall other = Short({2});
  other.key = "another";
  EXPECT_NE(calls_->Do(other).answer.texts[0].tokens, again.answer.texts[0].tokens);
}

TEST_F(RolloutEndpointTest, MeasuresTheTwoWordsOfAJudge) {
  EndpointCall call = Short({0});
  call.top_logprobs = 2;
  const EndpointEnd end = calls_->Do(call);
  ASSERT_TRUE(end.status.ok()) << end.status;
  std::set<std::string> words;
  for (const auto& [word, logprob] : end.answer.texts[0].first_token) {
    words.insert(word);
    EXPECT_LT(logprob, 0);
  }
  EXPECT_EQ(words, (std::set<std::string>{"Yes", "No"}));
}

TEST_F(RolloutEndpointTest, FollowsTheCurrentVersionAndRefusesAnotherThanTheWanted) {
  ASSERT_TRUE(calls_->Do(Short({0})).status.ok());
  rollout::RolloutClient client(listening_.address);
  const auto updated =
      client.UpdateWeights(rollout::Publish(layout_, rollout::LivelyValues(config_, layout_, 2), 2,
                                            rollout::TemporaryPath("endpoint_v2")),
                           absl::Seconds(60));
  ASSERT_TRUE(updated.ok()) << updated.status();
  const EndpointEnd end = calls_->Do(Short({0}));
  ASSERT_TRUE(end.status.ok()) << end.status;
  EXPECT_EQ(end.answer.version, 2);
  EXPECT_EQ(end.requests, 2);  // the first was refused, and told of the change
  Open(R"(, "version": 1)");
  const EndpointEnd old = calls_->Do(Short({0}));
  EXPECT_TRUE(absl::IsFailedPrecondition(old.status)) << old.status;
  EXPECT_EQ(old.requests, 1);
  EXPECT_THAT(endpoints_.at("policy")->traits().revision, HasSubstr("@1"));
}

TEST_F(RolloutEndpointTest, ACancelledCallFreesTheWorker) {
  EndpointCall endless = Short({0});
  endless.max_tokens = 1 << 20;
  const int call = calls_->Start(endless);
  while (loop_->progress().load() == 0) Sleep(Wait::ForWork("the engine", absl::Milliseconds(1)));
  calls_->Cancel(call);
  EXPECT_TRUE(absl::IsCancelled(calls_->End(call).status));
  EXPECT_TRUE(calls_->Do(Short({0})).status.ok());
}

TEST_F(RolloutEndpointTest, AModelWithoutARewardHeadScoresNothing) {
  Open(R"(, "reward": true)");
  const EndpointEnd end = calls_->Do(Rate("fine"));
  EXPECT_FALSE(end.status.ok());
  EXPECT_FALSE(end.answer.score.has_value());
}

}  // namespace
}  // namespace temper::agents
