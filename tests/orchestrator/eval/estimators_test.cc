// pass@k, maj@k and the bootstrap against enumeration and closed forms.
#include "orchestrator/eval/estimators.h"

#include <bit>
#include <cmath>
#include <vector>

#include "base/philox.h"
#include "gtest/gtest.h"

namespace temper::eval {
namespace {

bool Same(const std::string& a, const std::string& b) { return a == b; }

// Over every choice of k of n samples, of which the first c are right.
double PassByEnumeration(int n, int c, int k) {
  int all = 0, pass = 0;
  for (uint32_t chosen = 0; chosen < 1u << n; ++chosen) {
    if (std::popcount(chosen) != k) continue;
    ++all;
    pass += (chosen & ((1u << c) - 1)) != 0 ? 1 : 0;
  }
  return static_cast<double>(pass) / all;
}

TEST(PassAtKTest, IsTheShareOfChoicesThatHoldARightSample) {
  for (int n = 1; n <= 12; ++n) {
    for (int c = 0; c <= n; ++c) {
      for (int k = 1; k <= n; ++k) {
        EXPECT_NEAR(PassAtK(n, c, k), PassByEnumeration(n, c, k), 1e-12)
            << n << " " << c << " " << k;
      }
    }
  }
}

TEST(PassAtKTest, HoldsWhereBinomialsOverflow) {
  EXPECT_EQ(PassAtK(100000, 0, 50000), 0);
  EXPECT_EQ(PassAtK(100000, 50001, 50000), 1);
  // One right sample among n is among k of them with chance k / n.
  EXPECT_NEAR(PassAtK(100000, 1, 777), 777.0 / 100000, 1e-12);
  // log C(n-c, k) / C(n, k) by the gamma function.
  const double n = 2000, c = 20, k = 100;
  const double miss = std::exp(std::lgamma(n - c + 1) - std::lgamma(n - c - k + 1) -
                               std::lgamma(n + 1) + std::lgamma(n - k + 1));
  EXPECT_NEAR(PassAtK(2000, 20, 100), 1 - miss, 1e-9);
}

TEST(PassAtKTest, IsExactForOne) {
  for (int c = 0; c <= 7; ++c) EXPECT_EQ(PassAtK(7, c, 1), c / 7.0);
}

std::vector<Vote> Votes(const std::vector<std::string>& answers, const std::string& gold) {
  std::vector<Vote> votes;
  for (const std::string& answer : answers) {
    votes.push_back({answer == "" ? std::nullopt : std::make_optional(answer), answer == gold});
  }
  return votes;
}

TEST(MajorityAtKTest, TakesTheAnswerThatMostGive) {
  EXPECT_EQ(MajorityAtK(Votes({"3", "4", "4"}, "4"), 3, Same), 1);
  EXPECT_EQ(MajorityAtK(Votes({"3", "4", "3"}, "4"), 3, Same), 0);
  EXPECT_EQ(MajorityAtK(Votes({"4"}, "4"), 1, Same), 1);
}

TEST(MajorityAtKTest, DoesNotCountThoseWithoutAnAnswer) {
  EXPECT_EQ(MajorityAtK(Votes({"", "", "", "4"}, "4"), 4, Same), 1);
  EXPECT_EQ(MajorityAtK(Votes({"", "", ""}, "4"), 3, Same), 0);
}

TEST(MajorityAtKTest, SharesThePointAmongThoseWhoTie) {
  EXPECT_EQ(MajorityAtK(Votes({"3", "4"}, "4"), 2, Same), 0.5);
  EXPECT_EQ(MajorityAtK(Votes({"3", "4", "5"}, "4"), 3, Same), 1.0 / 3);
  EXPECT_EQ(MajorityAtK(Votes({"3", "4", "5", "5"}, "4"), 4, Same), 0);
}

TEST(MajorityAtKTest, AveragesOverWholeBlocksInOrder) {
  // {4, 4, 3} is right, {3, 3, 4} is wrong, the seventh takes no part.
  EXPECT_EQ(MajorityAtK(Votes({"4", "4", "3", "3", "3", "4", "4"}, "4"), 3, Same), 0.5);
  // Blocks of one: as pass@1.
  EXPECT_EQ(MajorityAtK(Votes({"4", "3", "4", "3"}, "4"), 1, Same), 0.5);
}

TEST(MajorityAtKTest, PutsEqualAnswersTogether) {
  const auto numbers = [](const std::string& a, const std::string& b) {
    return std::stod(a) == std::stod(b);
  };
  EXPECT_EQ(MajorityAtK(Votes({"4.0", "3", "3", "4", "4"}, "4"), 5, numbers), 2.0 / 3)
      << "two of the three in the largest party are told to be right";
}

// Against an oracle that draws one of the tied answers, over all sequences of three answers.
TEST(MajorityAtKTest, IsTheExpectationOfBreakingTiesByLot) {
  const std::vector<std::string> answers = {"a", "b", ""};
  for (int code = 0; code < 3 * 3 * 3 * 3; ++code) {
    std::vector<std::string> block;
    int counts[2] = {0, 0};
    for (int i = 0, rest = code; i < 4; ++i, rest /= 3) {
      block.push_back(answers[static_cast<size_t>(rest % 3)]);
      if (rest % 3 < 2) ++counts[rest % 3];
    }
    const double expected = counts[0] == 0 && counts[1] == 0 ? 0
                            : counts[0] == counts[1]         ? 0.5
                                                             : counts[0] > counts[1];
    EXPECT_EQ(MajorityAtK(Votes(block, "a"), 4, Same), expected) << code;
  }
}

TEST(BootstrapTest, GivesTheMetricItself) {
  const std::vector<Ratio> problems = {{1, 1}, {0, 1}, {0.5, 1}, {1, 1}};
  EXPECT_EQ(Bootstrap(problems, {}).value, 0.625);
  const std::vector<Ratio> instructions = {{3, 3}, {0, 1}};
  EXPECT_EQ(Bootstrap(instructions, {}).value, 0.75);
}

TEST(BootstrapTest, IsAFunctionOfItsSeed) {
  std::vector<Ratio> problems;
  for (int i = 0; i < 50; ++i) problems.push_back({i % 3 == 0 ? 1.0 : 0.0, 1});
  const Estimate a = Bootstrap(problems, {.seed = 7}), b = Bootstrap(problems, {.seed = 7});
  EXPECT_EQ(a.low, b.low);
  EXPECT_EQ(a.high, b.high);
  const Estimate wide = Bootstrap(problems, {.level = 0.99, .seed = 7});
  EXPECT_LT(wide.low, a.low);
  EXPECT_GT(wide.high, a.high);
}

TEST(BootstrapTest, HasNoWidthWhereProblemsDoNotDiffer) {
  const std::vector<Ratio> problems(20, Ratio{1, 1});
  const Estimate estimate = Bootstrap(problems, {});
  EXPECT_EQ(estimate.low, 1);
  EXPECT_EQ(estimate.high, 1);
}

// The standard error of a resampled mean of n zeros and ones is sqrt(p (1 - p) / n).
TEST(BootstrapTest, HasTheWidthOfTheBinomial) {
  constexpr int kProblems = 400;
  std::vector<Ratio> problems;
  for (int i = 0; i < kProblems; ++i) problems.push_back({i < 100 ? 1.0 : 0.0, 1});
  const Estimate estimate = Bootstrap(problems, {});
  const double error = std::sqrt(0.25 * 0.75 / kProblems);
  EXPECT_NEAR(estimate.low, 0.25 - 1.96 * error, 0.15 * error);
  EXPECT_NEAR(estimate.high, 0.25 + 1.96 * error, 0.15 * error);
}

// 300 data sets of 100 problems, each solved with its own chance that averages 0.4: an interval at
// 90 % should hold the truth about 270 times. By seed: the count is always the same.
TEST(BootstrapTest, HoldsTheTruthAboutAsOftenAsItSays) {
  int held = 0;
  for (uint64_t set = 0; set < 300; ++set) {
    std::vector<Ratio> problems;
    for (uint64_t i = 0; i < 100; ++i) {
      const double chance = 0.8 * UniformAt(11, 2 * set, i);
      problems.push_back({UniformAt(11, 2 * set + 1, i) < chance ? 1.0 : 0.0, 1});
    }
    const Estimate estimate = Bootstrap(problems, {.level = 0.9, .resamples = 500, .seed = set});
    held += estimate.low <= 0.4 && 0.4 <= estimate.high ? 1 : 0;
  }
  EXPECT_GE(held, 255);
  EXPECT_LE(held, 285);
}

}  // namespace
}  // namespace temper::eval
