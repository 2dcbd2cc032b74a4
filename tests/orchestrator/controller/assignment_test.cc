#include "orchestrator/controller/assignment.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace temper::orchestrator {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(AssignRunsTest, EveryRunHasOneLearnerTheEmptiestFirst) {
  const auto assigned = AssignRuns({{"a", v1::ROLE_LEARNER, 2, {}}, {"b", v1::ROLE_LEARNER, 1, {}}},
                                   {"r1", "r2", "r3", "r4"});
  EXPECT_THAT(assigned.at("a"), ElementsAre("r1", "r3"));
  EXPECT_THAT(assigned.at("b"), ElementsAre("r2"));  // r4 waits
}

TEST(AssignRunsTest, ARunKeepsItsLearner) {
  const auto assigned = AssignRuns(
      {{"a", v1::ROLE_LEARNER, 4, {}}, {"b", v1::ROLE_LEARNER, 4, {"r1"}}}, {"r1", "r2"});
  EXPECT_THAT(assigned.at("a"), ElementsAre("r2"));
  EXPECT_THAT(assigned.at("b"), ElementsAre("r1"));
}

TEST(AssignRunsTest, TwoLearnersThatHoldOneRunAreOneTooMany) {
  const auto assigned =
      AssignRuns({{"a", v1::ROLE_LEARNER, 4, {"r"}}, {"b", v1::ROLE_LEARNER, 4, {"r"}}}, {"r"});
  EXPECT_THAT(assigned.at("a"), ElementsAre("r"));
  EXPECT_THAT(assigned.at("b"), IsEmpty());
}

TEST(AssignRunsTest, RewardWorkersServeEveryRun) {
  const auto assigned = AssignRuns({{"v", v1::ROLE_REWARD, 1, {}}}, {"r1", "r2", "r3"});
  EXPECT_THAT(assigned.at("v"), ElementsAre("r1", "r2", "r3"));
}

TEST(AssignRunsTest, RolloutWorkersAreSpreadEvenly) {
  const auto assigned = AssignRuns({{"w1", v1::ROLE_ROLLOUT, 1, {}},
                                    {"w2", v1::ROLE_ROLLOUT, 1, {}},
                                    {"w3", v1::ROLE_ROLLOUT, 2, {}}},
                                   {"r1", "r2"});
  EXPECT_THAT(assigned.at("w1"), ElementsAre("r1"));
  EXPECT_THAT(assigned.at("w2"), ElementsAre("r2"));
  EXPECT_THAT(assigned.at("w3"), ElementsAre("r1", "r2"));
}

TEST(AssignRunsTest, AWorkerKeepsWhatItHasOpenWhereThatIsAsGood) {
  const auto assigned = AssignRuns({{"w", v1::ROLE_ROLLOUT, 1, {"r2"}}}, {"r1", "r2"});
  EXPECT_THAT(assigned.at("w"), ElementsAre("r2"));
}

}  // namespace
}  // namespace temper::orchestrator
