// Draws follow their distribution, and are a function of their place alone.
#include "rollout/engine/sampler.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>
#include <set>
#include <vector>

#include "base/philox.h"

namespace temper::rollout {
namespace {

constexpr float kNever = -std::numeric_limits<float>::infinity();

std::vector<float> LogProbs(const std::vector<double>& weights) {
  const double total = std::accumulate(weights.begin(), weights.end(), 0.0);
  std::vector<float> row;
  for (const double weight : weights) row.push_back(static_cast<float>(std::log(weight / total)));
  return row;
}

std::vector<double> Weights(size_t vocab, uint64_t seed) {
  std::vector<double> weights(vocab);
  for (size_t i = 0; i < vocab; ++i) weights[i] = std::exp(NormalAt(seed, 0, i));
  return weights;
}

// Pearson's statistic of draws at positions 0 .. draws-1, scaled to a standard normal
// (Wilson and Hilferty), so that one bound serves every number of tokens.
double Surprise(const std::vector<double>& weights, double top_p, int draws) {
  const std::vector<float> row = LogProbs(weights);
  const double total = std::accumulate(weights.begin(), weights.end(), 0.0);
  Sampler sampler;
  std::vector<int> seen(weights.size());
  for (int i = 0; i < draws; ++i) {
    const double uniform = UniformOf({.seed = 3, .prompt_hash = 4, .sample = 1, .position = i});
    ++seen[sampler.Draw(row, top_p, uniform).value()];
  }
  double chi2 = 0.0;
  for (size_t i = 0; i < weights.size(); ++i) {
    const double expected = draws * weights[i] / total;
    chi2 += (seen[i] - expected) * (seen[i] - expected) / expected;
  }
  const double freedom = static_cast<double>(weights.size()) - 1.0;
  const double spread = 2.0 / (9.0 * freedom);
  return (std::cbrt(chi2 / freedom) - (1.0 - spread)) / std::sqrt(spread);
}

TEST(SamplerTest, DrawsTokensInProportionToTheirProbabilities) {
  EXPECT_LT(std::abs(Surprise({1, 2, 3, 4, 5, 6, 7, 8, 9, 10}, 0.0, 20000)), 3.0);
  EXPECT_LT(std::abs(Surprise(Weights(1000, 1), 0.0, 100000)), 3.0);
  EXPECT_LT(std::abs(Surprise(Weights(1000, 2), 1.0, 100000)), 3.0);
}

TEST(SamplerTest, AWrongDistributionWouldBeNoticed) {
  // The test above must be able to fail: draws of one distribution against another.
  const std::vector<float> row = LogProbs({1, 2, 3, 4});
  Sampler sampler;
  std::vector<int> seen(4);
  for (int i = 0; i < 4000; ++i) {
    ++seen[*sampler.Draw(row, 0.0, UniformOf({.seed = 3, .sample = 1, .position = i}))];
  }
  double chi2 = 0.0;
  for (const int count : seen) chi2 += (count - 1000.0) * (count - 1000.0) / 1000.0;
  EXPECT_GT(chi2, 100.0);
}

TEST(SamplerTest, TakesTheTokenThatAnExactSumWouldTake) {
  // Across block borders and with a tail that fills no vector.
  const std::vector<double> weights = Weights(1000 + 7, 5);
  const std::vector<float> row = LogProbs(weights);
  const double total = std::accumulate(weights.begin(), weights.end(), 0.0);
  Sampler sampler;
  for (int i = 0; i < 5000; ++i) {
    const double uniform = UniformAt(6, 0, i);
    double sum = 0.0;
    size_t expected = 0;
    while (sum + weights[expected] <= uniform * total) sum += weights[expected++];
    const double distance =
        std::min(uniform * total - sum, sum + weights[expected] - uniform * total) / total;
    if (distance < 1e-6) continue;  // a border: float32 may see it elsewhere
    ASSERT_EQ(sampler.Draw(row, 0.0, uniform), static_cast<int32_t>(expected)) << uniform;
  }
}

TEST(SamplerTest, NeverDrawsWhatCannotHappen) {
  std::vector<float> row(600, kNever);
  row[300] = std::log(0.5f);
  row[301] = std::log(0.5f);
  Sampler sampler;
  for (const double uniform : {1e-300, 0.1, 0.4999}) EXPECT_EQ(sampler.Draw(row, 0, uniform), 300);
  for (const double uniform : {0.5001, 0.9, 1.0 - 1e-16}) {
    EXPECT_EQ(sampler.Draw(row, 0, uniform), 301);
  }
}

TEST(SamplerTest, TopPDrawsOnlyFromTheSmallestSetThatHoldsIt) {
  const std::vector<float> row = LogProbs({1, 40, 2, 30, 7, 20});  // of 100
  Sampler sampler;
  const auto drawn = [&](double top_p) {
    std::set<int32_t> tokens;
    for (int i = 0; i < 2000; ++i) tokens.insert(*sampler.Draw(row, top_p, UniformAt(8, 0, i)));
    return tokens;
  };
  EXPECT_EQ(drawn(0.3), (std::set<int32_t>{1}));
  EXPECT_EQ(drawn(0.5), (std::set<int32_t>{1, 3}));
  EXPECT_EQ(drawn(0.89), (std::set<int32_t>{1, 3, 5}));
  EXPECT_EQ(drawn(0.95), (std::set<int32_t>{1, 3, 4, 5}));
  EXPECT_EQ(drawn(1.0).size(), 6u);
}

TEST(SamplerTest, TopPKeepsTheProportionsInsideItsSet) {
  const std::vector<float> row = LogProbs({1, 40, 2, 30, 7, 20});
  Sampler sampler;
  int first = 0;
  constexpr int kDraws = 20000;
  for (int i = 0; i < kDraws; ++i) first += sampler.Draw(row, 0.5, UniformAt(9, 0, i)) == 1;
  const double expected = kDraws * 4.0 / 7.0;
  EXPECT_NEAR(first, expected, 3.0 * std::sqrt(expected * 3.0 / 7.0));
}

TEST(SamplerTest, TopPPrefersTheLowerIdOnATie) {
  const std::vector<float> row(400, std::log(1.0f / 400.0f));
  Sampler sampler;
  for (int i = 0; i < 200; ++i) {
    EXPECT_LT(*sampler.Draw(row, 0.2475, UniformAt(10, 0, i)), 99);
  }
}

TEST(SamplerTest, GreedyTakesTheLowestIdOnATie) {
  EXPECT_EQ(Greediest(std::vector<float>{1.0f, 3.0f, 2.0f, 3.0f}), 1);
  EXPECT_EQ(Greediest(std::vector<float>{2.0f, 2.0f}), 0);
  EXPECT_EQ(Greediest(std::vector<float>{kNever, -5.0f}), 1);
}

TEST(SamplerTest, SaysSoWhenLogProbabilitiesAreNotFinite) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  Sampler sampler;
  EXPECT_EQ(sampler.Draw(std::vector<float>(300, nan), 0.0, 0.5), std::nullopt);
  EXPECT_EQ(sampler.Draw(std::vector<float>(300, nan), 0.5, 0.5), std::nullopt);
  EXPECT_EQ(sampler.Draw(std::vector<float>(300, kNever), 0.0, 0.5), std::nullopt);
}

TEST(SamplerTest, RandomnessDependsOnEveryPartOfThePlaceAndOnNothingElse) {
  const DrawPlace place{.seed = 1, .prompt_hash = 2, .sample = 3, .position = 4};
  const double uniform = UniformOf(place);
  EXPECT_EQ(UniformOf(place), uniform);
  DrawPlace other = place;
  other.seed = 2;
  EXPECT_NE(UniformOf(other), uniform);
  other = place;
  other.prompt_hash = 3;
  EXPECT_NE(UniformOf(other), uniform);
  other = place;
  other.sample = 4;
  EXPECT_NE(UniformOf(other), uniform);
  other = place;
  other.position = 3;
  EXPECT_NE(UniformOf(other), uniform);
  other = place;
  std::swap(other.seed, other.prompt_hash);
  EXPECT_NE(UniformOf(other), uniform);
}

TEST(SamplerTest, TheRuleIsTheDocumentedOne) {
  const uint64_t prompt = HashName("gsm8k-17");
  const auto bits = Philox(42, prompt, uint64_t{5} << 32 | 9);
  EXPECT_EQ(UniformOf({.seed = 42, .prompt_hash = prompt, .sample = 5, .position = 9}),
            UnitInterval(bits[0], bits[1]));
}

}  // namespace
}  // namespace temper::rollout
