// The promise "kill anything, lose nothing", tried by seed: TEMPER_SIMULATION_SEEDS sets how many,
// TEMPER_SIMULATION_FIRST_SEED where they begin.
#include <cstdlib>
#include <iostream>
#include <map>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "orchestrator/audit.h"
#include "tests/orchestrator/simulated_world.h"

namespace temper::orchestrator {
namespace {

using ::testing::IsEmpty;

int FromEnvironment(const char* name, int otherwise) {
  const char* value = std::getenv(name);
  return value == nullptr ? otherwise : std::atoi(value);
}

// What every end must look like.
void ExpectClean(SimulatedWorld& world) {
  EXPECT_THAT(world.failures(), IsEmpty());
  const absl::StatusOr<AuditReport> report = Audit(world.ledger());
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_THAT(report->violations, IsEmpty());
}

struct Undisturbed {
  std::map<int64_t, std::string> requests;
  std::string weights;
  std::vector<double> rewards;
};

std::vector<double> RewardsOf(Ledger& ledger) {
  std::vector<double> rewards;
  const auto steps = ledger.ReadSteps();
  EXPECT_TRUE(steps.ok()) << steps.status();
  if (!steps.ok()) return rewards;
  for (const v1::StepMetrics& step : *steps) rewards.push_back(step.reward_mean());
  return rewards;
}

const Undisturbed& Reference() {
  static const Undisturbed* const reference = [] {
    SimulatedWorld world(SimulatedSpec(), {}, 1);
    world.Run(absl::Hours(1));
    EXPECT_EQ(world.result().state(), v1::RUN_STATE_DONE) << world.result().reason();
    ExpectClean(world);
    return new Undisturbed{world.train_requests(), world.final_weights(),
                           RewardsOf(world.ledger())};
  }();
  return *reference;
}

void ExpectSameRun(SimulatedWorld& world) {
  ASSERT_THAT(world.failures(), IsEmpty());
  ASSERT_EQ(world.result().state(), v1::RUN_STATE_DONE)
      << world.result().reason() << " at " << world.now();
  EXPECT_TRUE(world.train_requests() == Reference().requests) << "other batches were trained";
  EXPECT_EQ(world.final_weights(), Reference().weights);
  EXPECT_EQ(RewardsOf(world.ledger()), Reference().rewards);
  ExpectClean(world);
}

TEST(SimulationTest, AnUndisturbedRunTrainsEveryStepOnce) {
  const Undisturbed& run = Reference();
  EXPECT_EQ(run.requests.size(), 7u);  // 3 of the warm start, 4 of the policy
  EXPECT_FALSE(run.weights.empty());
}

TEST(SimulationTest, MoreRolloutWorkersChangeNothing) {
  for (const int workers : {2, 3, 5}) {
    SimulatedWorld world(SimulatedSpec(), {.seed = 1}, workers);
    world.Run(absl::Hours(1));
    ExpectSameRun(world);
  }
}

TEST(SimulationTest, PausingResumingAndKeepingCheckpointsChangesNothing) {
  int64_t pauses = 0;
  for (uint64_t seed = 1; seed <= 50; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    SimulatedWorld world(SimulatedSpec(),
                         {.seed = seed,
                          .crash_per_second = seed % 2 == 0 ? 0.05 : 0.0,
                          .lost = seed % 3 == 0 ? 0.01 : 0.0,
                          .orders_per_second = 2},
                         2);
    world.Run(absl::Hours(10));
    ExpectSameRun(world);
    pauses += world.pauses();
  }
  EXPECT_GT(pauses, 100);
}

// An order may find the learner a step ahead: its answer was lost with the controller.
TEST(SimulationTest, OrdersAmongCrashesAndDelaysChangeNothing) {
  for (uint64_t seed = 1; seed <= 100; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    SimulatedWorld world(SimulatedSpec(),
                         {.seed = seed,
                          .crash_per_second = 0.02 * static_cast<double>(seed % 8),
                          .lost = 0.01,
                          .late = 0.05,
                          .orders_per_second = 1},
                         2);
    world.Run(absl::Hours(100));
    ExpectSameRun(world);
    if (testing::Test::HasFailure()) return;
  }
}

TEST(SimulationTest, CrashesDelaysLossesAndRepetitionsChangeNothing) {
  const int seeds = FromEnvironment("TEMPER_SIMULATION_SEEDS", 200);
  const int first = FromEnvironment("TEMPER_SIMULATION_FIRST_SEED", 1);
  int64_t turns = 0, crashes = 0;
  for (int seed = first; seed < first + seeds; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    const Disturbance disturbance = {.seed = static_cast<uint64_t>(seed),
                                     .crash_per_second = 0.02 * (seed % 10),
                                     .lost = seed % 3 == 0 ? 0.01 : 0.0,
                                     .repeated = 0.1,
                                     .late = seed % 2 == 0 ? 0.05 : 0.0,
                                     .score_error = seed % 5 == 0 ? 0.3 : 0.0,
                                     .crash_in_turn = seed % 7 == 0 ? 0.02 : 0.0};
    SimulatedWorld world(SimulatedSpec(), disturbance, 1 + seed % 3);
    world.Run(absl::Hours(100));
    turns += world.turns();
    crashes += world.crashes();
    ExpectSameRun(world);
    if (testing::Test::HasFailure()) return;
  }
  std::cout << seeds << " seeds, " << turns << " turns, " << crashes << " crashes\n";
}

TEST(SimulationTest, APromptThatCrashesWorkersIsDroppedAndTheOthersGoOn) {
  for (int seed = 1; seed <= 10; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    SimulatedWorld world(SimulatedSpec(), {.seed = static_cast<uint64_t>(seed), .poison = "train2"},
                         2);
    world.Run(absl::Hours(10));
    ASSERT_EQ(world.result().state(), v1::RUN_STATE_DONE) << world.result().reason();
    ExpectClean(world);
    const absl::StatusOr<AuditReport> report = Audit(world.ledger());
    // 12 groups are drawn from 5 prompts: each comes two or three times.
    EXPECT_GE(report->groups_dropped, 2);
    EXPECT_LE(report->groups_dropped, 3);
    EXPECT_EQ(report->samples.at("dropped"), 2 * report->groups_dropped);
    EXPECT_EQ(report->samples.at("trained"), 24 - 2 * report->groups_dropped);
    EXPECT_LE(world.crashes(), 3 * report->groups_dropped);
  }
}

TEST(SimulationTest, WorkersThatCrashByThemselvesOnceCostNoGroup) {
  // Every loss looks like the worker's own fault, but no prompt is at fault three times alone.
  SimulatedWorld world(SimulatedSpec(),
                       {.seed = 3, .crash_per_second = 0.05, .crash_is_own_fault = true}, 2);
  world.Run(absl::Hours(10));
  ExpectSameRun(world);
}

}  // namespace
}  // namespace temper::orchestrator
