// LearnerService's promises about steps: idempotent, refused without a change, resumed bit for bit.
#include "policy/learner/trainer.h"

#include <bit>
#include <cmath>
#include <limits>

#include "gmock/gmock.h"
#include "tests/policy/learner/learner_fixture.h"

namespace temper::learner {
namespace {

using testing::HasSubstr;

class TrainerTest : public testing::Test {
 protected:
  void SetUp() override {
    MakeModelFolder(folder_ / "model");
    std::filesystem::create_directories(folder_ / "shared");
    sampler_ = std::make_unique<Sampler>(folder_ / "model");
  }

  std::unique_ptr<Learner> Open(const std::string& run = "run", int threads = 1) {
    return Learner::Open(folder_ / run, folder_ / "model", folder_ / "shared", threads);
  }
  v1::TrainRequest Next(const Learner& learner) {
    v1::WeightsManifest manifest = learner.manifest();
    manifest.set_shared_path(learner.path());
    return PolicyRequest(*sampler_, manifest);
  }
  // Steps 0 and 1 supervised, then policy steps; with a reference from step 3 on.
  v1::TrainRequest Mixed(const Learner& learner) {
    const int64_t step = learner.trainer->version();
    if (step < 2) return SupervisedRequest(step);
    v1::TrainRequest request = Next(learner);
    if (step >= 3) request.mutable_options()->set_kl(0.05);
    return request;
  }
  void Save(Learner& learner, int keep = 2) {
    v1::SaveCheckpointRequest request;
    request.set_version(learner.trainer->version());
    request.set_keep(keep);
    const auto saved = learner.trainer->SaveCheckpoint(request);
    ASSERT_TRUE(saved.ok()) << saved.status();
  }

  TemporaryFolder folder_;
  std::unique_ptr<Sampler> sampler_;
};

TEST_F(TrainerTest, StartsWithTheModelFolderAsVersionZero) {
  const auto learner = Open();
  EXPECT_EQ(learner->trainer->version(), 0);
  std::vector<float> values(sampler_->layout().size());
  ASSERT_TRUE(model::ReadWeights(folder_ / "model", sampler_->layout(), values).ok());
  const std::string published = learner->weights();
  ASSERT_EQ(published.size(), values.size() * sizeof(float));
  EXPECT_EQ(std::memcmp(published.data(), values.data(), published.size()), 0);
}

TEST_F(TrainerTest, AStepMakesTheNextVersionAndSaysWhatItDid) {
  const auto learner = Open();
  const std::string before = learner->weights();
  const v1::TrainRequest request = Next(*learner);
  const auto response = learner->trainer->Train(request);
  ASSERT_TRUE(response.ok()) << response.status();
  EXPECT_EQ(response->version(), 1);
  EXPECT_EQ(response->manifest().version(), 1);
  EXPECT_NE(learner->weights(), before);
  const v1::TrainMetrics& metrics = response->metrics();
  EXPECT_EQ(metrics.logprob_mismatch(), 0);
  EXPECT_EQ(metrics.loss_tokens(), 3 + 4 + 5 + 6 + 7 + 8);
  EXPECT_EQ(metrics.tokens(), metrics.loss_tokens() + 3 * 4 + 3 * 5 - 6);
  EXPECT_NEAR(metrics.entropy(), std::log(kVocab), 0.5);
  EXPECT_EQ(metrics.clip_fraction(), 0);
  EXPECT_EQ(metrics.kl(), 0);
  EXPECT_NEAR(metrics.loss(), 0, 1e-12) << "advantages add up to 0 and every ratio is 1";
  EXPECT_GT(metrics.grad_norm(), 0);
  EXPECT_GT(metrics.peak_memory(), 1 << 20);
  EXPECT_FALSE(metrics.skipped());
}

TEST_F(TrainerTest, SupervisedStepsLowerTheLossOfTheirExamples) {
  const auto learner = Open();
  double first = 0, last = 0;
  for (int step = 0; step < 20; ++step) {
    v1::TrainRequest request = SupervisedRequest(0);
    request.set_step(step);
    const auto response = learner->trainer->Train(request);
    ASSERT_TRUE(response.ok()) << response.status();
    last = response->metrics().loss();
    if (step == 0) first = last;
    // One digit and the end token for each of the four examples.
    EXPECT_EQ(response->metrics().loss_tokens(), 4 * 2);
  }
  EXPECT_NEAR(first, std::log(kVocab), 0.5);
  EXPECT_LT(last, 0.5 * first);
}

TEST_F(TrainerTest, TheSameStepAgainIsAnsweredFromTheRecord) {
  const auto learner = Open();
  const v1::TrainRequest request = Next(*learner);
  const auto first = learner->trainer->Train(request);
  ASSERT_TRUE(first.ok());
  const std::string weights = learner->weights();
  const auto again = learner->trainer->Train(request);
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(again->SerializeAsString(), first->SerializeAsString());
  EXPECT_EQ(learner->weights(), weights);
}

TEST_F(TrainerTest, AnotherBatchForATrainedStepIsRefused) {
  const auto learner = Open();
  v1::TrainRequest request = Next(*learner);
  ASSERT_TRUE(learner->trainer->Train(request).ok());
  request.mutable_policy()->mutable_episodes(0)->set_advantage(0.9);
  EXPECT_EQ(learner->trainer->Train(request).status().code(), absl::StatusCode::kAlreadyExists);
}

TEST_F(TrainerTest, AStepAheadIsRefusedAndSaysWhereTheLearnerIs) {
  const auto learner = Open();
  v1::TrainRequest request = Next(*learner);
  request.set_step(4);
  const absl::Status refused = learner->trainer->Train(request).status();
  EXPECT_EQ(refused.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(refused.message()), HasSubstr("holds version 0"));
}

TEST_F(TrainerTest, OneFlippedBitOfALogProbabilityStopsTheStepAndChangesNothing) {
  const auto learner = Open();
  const v1::TrainRequest good = Next(*learner);
  v1::TrainRequest bad = good;
  v1::Episode& episode = *bad.mutable_policy()->mutable_episodes(4)->mutable_episode();
  episode.set_logprobs(2, std::bit_cast<float>(std::bit_cast<uint32_t>(episode.logprobs(2)) ^ 1u));
  const std::string weights = learner->weights();
  const absl::Status refused = learner->trainer->Train(bad).status();
  EXPECT_EQ(refused.code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(std::string(refused.message()), HasSubstr("group 101 sample 1 token 2"));
  EXPECT_EQ(learner->trainer->version(), 0);
  EXPECT_EQ(learner->weights(), weights);

  // Nothing changed: the good batch gives what it gives to a learner that saw no bad one.
  const auto after = learner->trainer->Train(good);
  ASSERT_TRUE(after.ok());
  const auto other = Open("other");
  ASSERT_TRUE(other->trainer->Train(good).ok());
  EXPECT_EQ(learner->weights(), other->weights());
}

TEST_F(TrainerTest, AMismatchIsOnlyCountedWhenTheOptionsSaySo) {
  const auto learner = Open();
  v1::TrainRequest request = Next(*learner);
  v1::Episode& episode = *request.mutable_policy()->mutable_episodes(4)->mutable_episode();
  episode.set_logprobs(2, std::bit_cast<float>(std::bit_cast<uint32_t>(episode.logprobs(2)) ^ 1u));
  episode.set_logprobs(0, episode.logprobs(0) - 1);
  request.mutable_options()->set_stop_on_mismatch(false);
  const auto response = learner->trainer->Train(request);
  ASSERT_TRUE(response.ok()) << response.status();
  EXPECT_EQ(response->metrics().logprob_mismatch(), 2);
}

TEST_F(TrainerTest, ANotFiniteLossNeverReachesTheWeights) {
  const auto learner = Open();
  ASSERT_TRUE(learner->trainer->Train(Next(*learner)).ok());
  const std::string weights = learner->weights();
  v1::TrainRequest request = Next(*learner);
  request.mutable_policy()->mutable_episodes(1)->set_advantage(std::nan(""));
  const auto skipped = learner->trainer->Train(request);
  ASSERT_TRUE(skipped.ok()) << skipped.status();
  EXPECT_TRUE(skipped->metrics().skipped());
  EXPECT_EQ(skipped->version(), 2);
  EXPECT_EQ(learner->weights(), weights);
  request = Next(*learner);
  request.mutable_policy()->mutable_episodes(1)->set_advantage(1e30);
  request.mutable_options()->set_clip_norm(0);
  EXPECT_TRUE(learner->trainer->Train(request)->metrics().skipped());
  EXPECT_EQ(learner->weights(), weights);
  // And the learner is none the worse.
  const auto next = learner->trainer->Train(Next(*learner));
  ASSERT_TRUE(next.ok());
  EXPECT_FALSE(next->metrics().skipped());
  EXPECT_NE(learner->weights(), weights);
}

TEST_F(TrainerTest, SixStepsEqualThreeAndThreeAfterARestartBitForBit) {
  const auto whole = Open("whole");
  std::vector<v1::TrainResponse> answers;
  for (int step = 0; step < 6; ++step) {
    const auto response = whole->trainer->Train(Mixed(*whole));
    ASSERT_TRUE(response.ok()) << response.status();
    answers.push_back(*response);
  }
  EXPECT_EQ(answers[3].metrics().logprob_mismatch(), 0);
  EXPECT_GT(answers[5].metrics().kl(), 0);

  v1::TrainRequest third;
  {
    const auto first = Open("halves", /*threads=*/2);
    for (int step = 0; step < 3; ++step) {
      third = Mixed(*first);
      ASSERT_TRUE(first->trainer->Train(third).ok());
    }
    Save(*first);
    ASSERT_TRUE(first->trainer->Train(Mixed(*first)).ok());  // this one is lost
  }
  const auto second = Open("halves");
  EXPECT_EQ(second->trainer->version(), 3);
  const auto recorded = second->trainer->Train(third);  // the record survives, too
  ASSERT_TRUE(recorded.ok()) << recorded.status();
  EXPECT_EQ(recorded->metrics().loss(), answers[2].metrics().loss());
  for (int step = 3; step < 6; ++step) {
    const auto response = second->trainer->Train(Mixed(*second));
    ASSERT_TRUE(response.ok()) << response.status();
    EXPECT_EQ(response->metrics().loss(), answers[step].metrics().loss());
    EXPECT_EQ(response->metrics().kl(), answers[step].metrics().kl());
    EXPECT_EQ(response->metrics().grad_norm(), answers[step].metrics().grad_norm());
  }
  EXPECT_EQ(second->weights(), whole->weights());
  Save(*whole);
  Save(*second);
  for (const char* file : {"model.safetensors", "optimizer.safetensors"}) {
    EXPECT_EQ(ContentOf(folder_ / (std::string("whole/checkpoints/step-000006/") + file)),
              ContentOf(folder_ / (std::string("halves/checkpoints/step-000006/") + file)));
  }
}

TEST_F(TrainerTest, TheReferenceIsTheFirstPolicyBatchsWeightsAndADamagedOneIsSaid) {
  {
    const auto learner = Open();
    for (int step = 0; step < 4; ++step) {
      ASSERT_TRUE(learner->trainer->Train(Mixed(*learner)).ok());
    }
    Save(*learner);
  }
  ASSERT_TRUE(Exists(folder_ / "run/reference/step-000002/model.safetensors"));
  FlipBit(folder_ / "run/reference/step-000002/model.safetensors", 5000, 3);
  const auto learner = Open();
  const absl::Status refused = learner->trainer->Train(Mixed(*learner)).status();
  EXPECT_EQ(refused.code(), absl::StatusCode::kDataLoss);
  EXPECT_THAT(std::string(refused.message()), HasSubstr("reference/step-000002"));
}

TEST_F(TrainerTest, OptionsOutOfBoundsAreRefusedByName) {
  const auto learner = Open();
  const auto refusal = [&](auto change) {
    v1::TrainRequest request = Next(*learner);
    change(*request.mutable_options());
    const absl::Status refused = learner->trainer->Train(request).status();
    EXPECT_EQ(refused.code(), absl::StatusCode::kInvalidArgument);
    return std::string(refused.message());
  };
  const double nan = std::nan("");
  EXPECT_THAT(refusal([&](auto& o) { o.set_learning_rate(nan); }), HasSubstr("learning_rate"));
  EXPECT_THAT(refusal([](auto& o) { o.set_beta1(1); }), HasSubstr("beta1: found 1"));
  EXPECT_THAT(refusal([](auto& o) { o.set_epsilon(0); }), HasSubstr("epsilon"));
  EXPECT_THAT(refusal([](auto& o) { o.set_temperature(0); }), HasSubstr("temperature"));
  EXPECT_THAT(refusal([](auto& o) { o.set_kl(-1); }), HasSubstr("kl: found -1"));
  EXPECT_THAT(refusal([](auto& o) { o.set_clip_low(-0.1); }), HasSubstr("clip_low"));
  EXPECT_THAT(refusal([](auto& o) { o.set_aggregation("mean"); }), HasSubstr("\"mean\""));
  EXPECT_THAT(refusal([](auto& o) { o.set_tokens_per_micro_batch(0); }),
              HasSubstr("tokens_per_micro_batch"));
  EXPECT_EQ(learner->trainer->version(), 0);
}

TEST_F(TrainerTest, ACheckpointIsAModelFolderAndRepeatingItIsHarmless) {
  const auto learner = Open();
  ASSERT_TRUE(learner->trainer->Train(Next(*learner)).ok());
  v1::SaveCheckpointRequest request;
  request.set_version(1);
  const auto saved = learner->trainer->SaveCheckpoint(request);
  ASSERT_TRUE(saved.ok()) << saved.status();
  const auto folder = model::OpenModelFolder(saved->path());
  ASSERT_TRUE(folder.ok()) << folder.status();
  EXPECT_NE(folder->tokenizer, nullptr);
  std::vector<float> values(sampler_->layout().size());
  ASSERT_TRUE(model::ReadWeights(saved->path(), sampler_->layout(), values).ok());
  EXPECT_EQ(std::memcmp(values.data(), learner->weights().data(), values.size() * sizeof(float)),
            0);
  const auto time = std::filesystem::last_write_time(saved->path());
  EXPECT_EQ(learner->trainer->SaveCheckpoint(request)->sha256(), saved->sha256());
  EXPECT_EQ(std::filesystem::last_write_time(saved->path()), time);
  request.set_version(2);
  EXPECT_EQ(learner->trainer->SaveCheckpoint(request).status().code(),
            absl::StatusCode::kFailedPrecondition);
}

}  // namespace
}  // namespace temper::learner
