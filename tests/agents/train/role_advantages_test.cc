#include "agents/train/role_advantages.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

namespace temper::agents {
namespace {

using ::testing::DoubleNear;
using ::testing::Each;
using ::testing::ElementsAre;
using Outcome = GroupAdvantages::Outcome;

Graph WithRules(const std::vector<std::string>& advantages, int roles) {
  Graph graph;
  graph.roles.resize(static_cast<size_t>(roles));
  for (size_t i = 0; i < advantages.size(); ++i) {
    graph.train.push_back({.role = static_cast<int>(i), .advantage = advantages[i]});
  }
  return graph;
}

TEST(RoleAdvantagesTest, EachRoleIsNormalisedByItsOwnSpread) {
  const Graph graph = WithRules({"dr_grpo", "dr_grpo"}, 2);
  const auto result = RoleAdvantages(
      graph, {{0, {100, 0}}, {1, {0.01, 0}}, {0, {50, 50}}, {0, {0, 100}}, {1, {0, 0.01}}});
  // Role 0: 50, -50, -50, 50: mean 0, std sqrt(10000 / 3). Role 1: the same, ten thousand times
  // smaller: but for the epsilon both learn alike.
  const double a = 50 / (std::sqrt(10000.0 / 3) + 1e-6);
  const double b = 0.005 / (std::sqrt(0.0001 / 3) + 1e-6);
  EXPECT_THAT(result[0].advantages, ElementsAre(DoubleNear(a, 1e-12), DoubleNear(-a, 1e-12)));
  EXPECT_THAT(result[1].advantages, ElementsAre(DoubleNear(b, 1e-12), DoubleNear(-b, 1e-12)));
  EXPECT_EQ(result[2].outcome, Outcome::kNoVariance);
  EXPECT_THAT(result[2].advantages, Each(0.0));
  EXPECT_NEAR(a, b, 1e-3);
}

TEST(RoleAdvantagesTest, GroupsWithoutARuleAVarianceOrASiblingAreLeftOut) {
  const auto result = RoleAdvantages(WithRules({"rloo"}, 2),
                                     {{1, {1, 0}}, {0, {1}}, {0, {std::nullopt, 1}}, {0, {1, 0}}});
  EXPECT_EQ(result[0].outcome, Outcome::kNoRule);
  EXPECT_EQ(result[1].outcome, Outcome::kAlone);
  EXPECT_EQ(result[2].outcome, Outcome::kAlone);
  EXPECT_EQ(result[3].outcome, Outcome::kLearns);
  // 1 and -1: std sqrt(2).
  const double expected = 1 / (std::sqrt(2.0) + 1e-6);
  EXPECT_THAT(result[3].advantages,
              ElementsAre(DoubleNear(expected, 1e-12), DoubleNear(-expected, 1e-12)));
}

TEST(RoleAdvantagesTest, ASampleWithoutARewardTakesNoPartInItsGroup) {
  const auto result = RoleAdvantages(WithRules({"dr_grpo"}, 1), {{0, {1, std::nullopt, 0}}});
  EXPECT_EQ(result[0].outcome, Outcome::kLearns);
  EXPECT_EQ(result[0].advantages[1], 0);
  EXPECT_EQ(result[0].advantages[0], -result[0].advantages[2]);
  EXPECT_GT(result[0].advantages[0], 0);
}

TEST(RoleAdvantagesTest, NoneTakesRewardsAsTheyAreAndCentresThemOverTheStep) {
  const auto result = RoleAdvantages(WithRules({"none"}, 1), {{0, {1}}, {0, {0}}});
  EXPECT_EQ(result[0].outcome, Outcome::kLearns);
  const double expected = 0.5 / (std::sqrt(0.5) + 1e-6);
  EXPECT_THAT(result[0].advantages, ElementsAre(DoubleNear(expected, 1e-12)));
  EXPECT_THAT(result[1].advantages, ElementsAre(DoubleNear(-expected, 1e-12)));
}

}  // namespace
}  // namespace temper::agents
