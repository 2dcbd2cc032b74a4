// Every objective against formulas written anew in float64, and slopes against differences.
#include "policy/learner/objective.h"

#include <cmath>
#include <limits>
#include <random>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace temper::learner {
namespace {

// The surrogate as the paper prints it, with min and clip spelled out.
double Expected(const PolicyObjective& o, double advantage, double logprob, double sampled,
                double reference) {
  const double ratio = std::exp(logprob) / std::exp(sampled);
  double bounded = ratio;
  if (bounded < 1 - o.clip_low) bounded = 1 - o.clip_low;
  if (bounded > 1 + o.clip_high) bounded = 1 + o.clip_high;
  const double surrogate = std::fmin(ratio * advantage, bounded * advantage);
  const double odds = std::exp(reference) / std::exp(logprob);
  return -surrogate + o.kl * (odds - std::log(odds) - 1);
}

struct Token {
  double advantage, logprob, sampled, reference;
};

std::vector<Token> RandomTokens() {
  std::mt19937_64 random(20);
  std::uniform_real_distribution<double> logprob(-6, -0.01), shift(-0.6, 0.6), advantage(-2, 2);
  std::vector<Token> tokens;
  for (int i = 0; i < 2000; ++i) {
    const double now = logprob(random);
    tokens.push_back({advantage(random), now, now + shift(random), now + shift(random)});
  }
  return tokens;
}

class PolicyTermTest : public testing::TestWithParam<PolicyObjective> {};

TEST_P(PolicyTermTest, ValueIsTheFormula) {
  for (const Token& t : RandomTokens()) {
    const TokenTerm term = PolicyTerm(GetParam(), t.advantage, t.logprob, t.sampled, t.reference);
    EXPECT_NEAR(term.value, Expected(GetParam(), t.advantage, t.logprob, t.sampled, t.reference),
                1e-12);
  }
}

TEST_P(PolicyTermTest, SlopeIsTheFiniteDifference) {
  const double step = 1e-6;
  for (const Token& t : RandomTokens()) {
    const double ratio = std::exp(t.logprob - t.sampled);
    const bool at_kink = std::abs(ratio - 1 + GetParam().clip_low) < 1e-4 ||
                         std::abs(ratio - 1 - GetParam().clip_high) < 1e-4;
    if (at_kink) continue;
    const TokenTerm term = PolicyTerm(GetParam(), t.advantage, t.logprob, t.sampled, t.reference);
    const double difference =
        (Expected(GetParam(), t.advantage, t.logprob + step, t.sampled, t.reference) -
         Expected(GetParam(), t.advantage, t.logprob - step, t.sampled, t.reference)) /
        (2 * step);
    EXPECT_NEAR(term.slope, difference, 1e-6 * (1 + std::abs(difference)));
  }
}

INSTANTIATE_TEST_SUITE_P(
    Presets, PolicyTermTest,
    testing::Values(PolicyObjective{.clip_low = 0.2, .clip_high = 0.2, .kl = 0},     // grpo
                    PolicyObjective{.clip_low = 0.2, .clip_high = 0.28, .kl = 0},    // dapo
                    PolicyObjective{.clip_low = 0.2, .clip_high = 0.2, .kl = 0.05},  // with k3
                    PolicyObjective{.clip_low = 0, .clip_high = 0, .kl = 1}));

TEST(PolicyTermTest, OnThePolicyTheRatioIsOneAndTheKlZero) {
  const TokenTerm term = PolicyTerm({.kl = 0.1}, 0.75, -1.25, -1.25, -1.25);
  EXPECT_EQ(term.value, -0.75);
  EXPECT_EQ(term.slope, -0.75);
  EXPECT_EQ(term.k3, 0.0);
  EXPECT_FALSE(term.clipped);
}

TEST(PolicyTermTest, ClipsOnlyWhereTheMinimumIsTheClippedTerm) {
  const double far = std::log(2.0);
  EXPECT_TRUE(PolicyTerm({}, 1.0, far, 0.0, 0).clipped);    // good and already likelier
  EXPECT_FALSE(PolicyTerm({}, 1.0, -far, 0.0, 0).clipped);  // good but less likely: pull it back
  EXPECT_TRUE(PolicyTerm({}, -1.0, -far, 0.0, 0).clipped);
  EXPECT_FALSE(PolicyTerm({}, -1.0, far, 0.0, 0).clipped);
  EXPECT_EQ(PolicyTerm({}, 1.0, far, 0.0, 0).slope, 0.0);
  EXPECT_NEAR(PolicyTerm({}, -1.0, far, 0.0, 0).slope, 2.0, 1e-12);
}

TEST(PolicyTermTest, AnAdvantageOfZeroGivesExactlyZero) {
  const double infinity = std::numeric_limits<double>::infinity();
  for (const double logprob : {-1.0, 800.0, -infinity}) {
    const TokenTerm term = PolicyTerm({}, 0.0, logprob, -2.0, 0);
    EXPECT_EQ(term.value, 0.0);
    EXPECT_EQ(term.slope, 0.0);
    EXPECT_FALSE(term.clipped);
  }
}

TEST(PolicyTermTest, ANanAdvantageShowsInTheLoss) {
  const TokenTerm term = PolicyTerm({}, std::nan(""), -1, -1, 0);
  EXPECT_TRUE(std::isnan(term.value));
  EXPECT_TRUE(std::isnan(term.slope));
}

TEST(PolicyTermTest, TheKlEstimateIsNeverNegative) {
  for (const Token& t : RandomTokens()) {
    EXPECT_GE(PolicyTerm({.kl = 1}, 0, t.logprob, t.sampled, t.reference).k3, 0.0);
  }
}

TEST(NormaliserTest, TheWeightsAddUpAsEachAggregationSays) {
  const std::vector<int64_t> lengths = {1, 5, 10};
  const auto sum = [&](Aggregation aggregation) {
    const Normaliser normaliser{
        .aggregation = aggregation, .sequences = 3, .tokens = 16, .tokens_max = 20};
    double total = 0;
    for (const int64_t length : lengths) total += length * normaliser.Weight(length);
    return total;
  };
  EXPECT_NEAR(sum(Aggregation::kSequenceMean), 1.0, 1e-15);
  EXPECT_NEAR(sum(Aggregation::kTokenMean), 1.0, 1e-15);
  EXPECT_NEAR(sum(Aggregation::kTokenSumConstant), 16.0 / 60.0, 1e-15);
  // In a mean of means every sequence counts the same; in a token mean every token does.
  const Normaliser means{.aggregation = Aggregation::kSequenceMean, .sequences = 3, .tokens = 16};
  EXPECT_DOUBLE_EQ(1 * means.Weight(1), 10 * means.Weight(10));
  const Normaliser tokens{.aggregation = Aggregation::kTokenMean, .sequences = 3, .tokens = 16};
  EXPECT_EQ(tokens.Weight(1), tokens.Weight(10));
}

TEST(AggregationTest, AnUnknownNameIsRefusedWithTheKnownOnes) {
  EXPECT_EQ(*ParseAggregation("token_mean"), Aggregation::kTokenMean);
  const absl::Status refused = ParseAggregation("tokens").status();
  EXPECT_EQ(refused.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(refused.message()), testing::HasSubstr("found \"tokens\""));
}

}  // namespace
}  // namespace temper::learner
