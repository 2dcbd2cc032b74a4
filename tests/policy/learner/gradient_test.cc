// The whole path from batch to gradient: against differences of the loss, and by what it must not
// do.
#include <cmath>
#include <numeric>
#include <random>

#include "policy/learner/gradient_pass.h"
#include "tests/policy/learner/learner_fixture.h"

namespace temper::learner {
namespace {

class GradientTest : public testing::Test {
 protected:
  void SetUp() override {
    MakeModelFolder(folder_ / "model");
    sampler_ = std::make_unique<Sampler>(folder_ / "model");
    values_.resize(sampler_->layout().size());
    ASSERT_TRUE(model::ReadWeights(folder_ / "model", sampler_->layout(), values_).ok());
    std::mt19937 random(5);
    std::normal_distribution<float> noise(0, 0.3f);
    for (const model::ParameterSpec& spec : sampler_->layout().specs()) {
      if (!spec.decayed) continue;
      for (int64_t i = 0; i < spec.size; ++i) values_[spec.offset + i] += noise(random);
    }
    for (int i = 0; i < 5; ++i) {
      Sequence& sequence = sequences_.emplace_back();
      sequence.name = absl::StrCat("group 1 sample ", i);
      sequence.prompt_tokens = 2 + i;
      for (int t = 0; t < 5 + 2 * i; ++t) sequence.tokens.push_back(random() % kVocab);
      sequence.advantage = i % 2 == 0 ? 1.0 : -0.75;
      for (int64_t t = 0; t < sequence.loss_tokens(); ++t) {
        sequence.sampled_logprobs.push_back(-5.6f);
      }
    }
  }

  PassOptions Grpo() const {
    PassOptions options;
    options.objective = {.clip_low = 0.9, .clip_high = 5.0, .kl = 0};
    options.normaliser = {.aggregation = Aggregation::kSequenceMean, .sequences = 5, .tokens = 0};
    for (const Sequence& sequence : sequences_) options.normaliser.tokens += sequence.loss_tokens();
    options.temperature = 1.0f;
    options.tokens_per_micro_batch = 20;
    return options;
  }

  PassTotals Run(const PassOptions& options, std::vector<float>& gradients) {
    const model::Weights weights(sampler_->layout(), sampler_->device(), values_,
                                 {.backward = true});
    gradients.assign(values_.size(), 0.0f);
    GradientPass pass(sampler_->model(), weights, nullptr, progress_);
    const auto totals = pass.Run(sequences_, options, gradients);
    EXPECT_TRUE(totals.ok()) << totals.status();
    return totals.value_or(PassTotals());
  }

  TemporaryFolder folder_;
  std::unique_ptr<Sampler> sampler_;
  std::vector<float> values_;
  std::vector<Sequence> sequences_;
  std::atomic<int64_t> progress_{0};
};

TEST_F(GradientTest, IsTheSlopeOfTheLossAlongItself) {
  for (const Aggregation aggregation : {Aggregation::kSequenceMean, Aggregation::kTokenMean}) {
    for (const bool supervised : {false, true}) {
      PassOptions options = Grpo();
      options.normaliser.aggregation = aggregation;
      options.supervised = supervised;
      options.temperature = supervised ? 1.0f : 0.8f;
      std::vector<float> gradients, unused;
      Run(options, gradients);
      const double norm =
          std::sqrt(std::inner_product(gradients.begin(), gradients.end(), gradients.begin(), 0.0));
      ASSERT_GT(norm, 0);
      const std::vector<float> centre = values_;
      // Ratios are steep and kinked; the supervised loss is neither.
      const double step = supervised ? 1e-2 : 1e-3;
      const auto loss_at = [&](double distance) {
        for (size_t i = 0; i < values_.size(); ++i) {
          values_[i] = static_cast<float>(centre[i] + distance * gradients[i] / norm);
        }
        return Run(options, unused).loss;
      };
      const double slope = (loss_at(step) - loss_at(-step)) / (2 * step);
      values_ = centre;
      EXPECT_NEAR(slope, norm, 0.01 * norm);
    }
  }
}

TEST_F(GradientTest, AGroupWithoutAdvantageGivesExactlyNoGradient) {
  for (Sequence& sequence : sequences_) sequence.advantage = 0;
  std::vector<float> gradients;
  const PassTotals totals = Run(Grpo(), gradients);
  EXPECT_EQ(totals.loss, 0.0);
  EXPECT_GT(totals.entropy, 0.0);
  for (const float gradient : gradients) ASSERT_EQ(gradient, 0.0f);
}

TEST_F(GradientTest, SequencesThatTeachNothingDoNotChangeTheBits) {
  PassOptions options = Grpo();
  options.tokens_per_micro_batch = 1000;
  std::vector<float> with, without;
  Sequence silent = sequences_[1];
  silent.advantage = 0;
  sequences_.insert(sequences_.begin() + 1, silent);
  const PassTotals all = Run(options, with);
  sequences_.erase(sequences_.begin() + 1);
  const PassTotals taught = Run(options, without);
  EXPECT_EQ(std::memcmp(with.data(), without.data(), with.size() * sizeof(float)), 0);
  EXPECT_EQ(all.loss, taught.loss);
  EXPECT_EQ(all.loss_tokens, taught.loss_tokens + silent.loss_tokens());
}

TEST_F(GradientTest, TheNumberOfMicroBatchesHardlyMattersAndIsCounted) {
  PassOptions options = Grpo();
  std::vector<float> one, many;
  options.tokens_per_micro_batch = 1000;
  const PassTotals whole = Run(options, one);
  EXPECT_EQ(progress_.load(), 1);
  options.tokens_per_micro_batch = 1;
  const PassTotals cut = Run(options, many);
  EXPECT_EQ(progress_.load(), 1 + 5);
  EXPECT_EQ(whole.tokens, cut.tokens);
  EXPECT_EQ(whole.loss, cut.loss);  // forward bits do not depend on packing
  for (size_t i = 0; i < one.size(); ++i) {
    ASSERT_NEAR(one[i], many[i], 1e-5 + 1e-4 * std::abs(one[i]));
  }
}

}  // namespace
}  // namespace temper::learner
