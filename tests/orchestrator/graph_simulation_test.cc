// Runs with an environment, by seed: kill anything, and the same batches are trained.
// TEMPER_SIMULATION_SEEDS sets how many.
#include <algorithm>
#include <cstdlib>
#include <iostream>
#include <map>
#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "orchestrator/audit.h"
#include "orchestrator/environment_check.h"
#include "tests/orchestrator/simulated_world.h"

namespace temper::orchestrator {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

struct Undisturbed {
  std::map<int64_t, std::string> requests;
  std::string weights;
  std::vector<std::string> metrics;
  std::vector<std::string> evaluations;
};

// Without what depends on the clock.
std::vector<std::string> MetricsOf(Ledger& ledger) {
  std::vector<std::string> lines;
  const auto steps = ledger.ReadSteps();
  EXPECT_TRUE(steps.ok()) << steps.status();
  if (!steps.ok()) return lines;
  for (v1::StepMetrics step : *steps) {
    step.clear_seconds();
    step.clear_tokens_per_second();
    lines.push_back(step.ShortDebugString());
  }
  return lines;
}

std::vector<std::string> EvaluationsOf(Ledger& ledger) {
  std::vector<std::string> lines;
  const auto results = ledger.ReadEvaluations();
  EXPECT_TRUE(results.ok()) << results.status();
  if (!results.ok()) return lines;
  for (const v1::EvaluationResult& result : *results) lines.push_back(result.ShortDebugString());
  return lines;
}

void ExpectClean(SimulatedWorld& world) {
  EXPECT_THAT(world.failures(), IsEmpty());
  const absl::StatusOr<AuditReport> report = Audit(world.ledger());
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_THAT(report->violations, IsEmpty());
}

class GraphSimulationTest : public testing::TestWithParam<const char*> {
 protected:
  const Undisturbed& Reference() {
    static auto* const known = new std::map<std::string, Undisturbed>();
    const auto [place, fresh] = known->try_emplace(GetParam());
    if (fresh) {
      SimulatedWorld world(SimulatedSpec(GetParam()), {}, 1);
      world.Run(absl::Hours(1));
      EXPECT_EQ(world.result().state(), v1::RUN_STATE_DONE) << world.result().reason();
      ExpectClean(world);
      place->second = {world.train_requests(), world.final_weights(), MetricsOf(world.ledger()),
                       EvaluationsOf(world.ledger())};
    }
    return place->second;
  }

  void ExpectSameRun(SimulatedWorld& world) {
    ASSERT_THAT(world.failures(), IsEmpty());
    ASSERT_EQ(world.result().state(), v1::RUN_STATE_DONE)
        << world.result().reason() << " at " << world.now();
    EXPECT_TRUE(world.train_requests() == Reference().requests) << "other batches were trained";
    EXPECT_EQ(world.final_weights(), Reference().weights);
    EXPECT_EQ(MetricsOf(world.ledger()), Reference().metrics);
    EXPECT_EQ(EvaluationsOf(world.ledger()), Reference().evaluations);
    ExpectClean(world);
  }
};

INSTANTIATE_TEST_SUITE_P(Graphs, GraphSimulationTest,
                         testing::Values("draft_edit.json", "refine.json"), [](const auto& info) {
                           const std::string name = info.param;
                           return std::string(name == "refine.json" ? "Loop" : "DraftEdit");
                         });

TEST_P(GraphSimulationTest, AnUndisturbedRunTrainsEveryStepOnce) {
  const Undisturbed& run = Reference();
  EXPECT_EQ(run.requests.size(), 7u);  // 3 of the warm start, 4 of the policy
  EXPECT_EQ(run.evaluations.size(), 3u);
  for (const auto& [step, bytes] : run.requests) {
    v1::TrainRequest request;
    ASSERT_TRUE(request.ParseFromString(bytes));
    if (step < 3) continue;
    std::pair<int64_t, int> last(-1, 0);
    bool moves = false;
    for (const v1::TrainEpisode& entry : request.policy().episodes()) {
      const std::pair<int64_t, int> own(entry.episode().group_id(), entry.episode().sample());
      EXPECT_LT(last, own) << "the order of the batch is not the canonical one";
      last = own;
      moves = moves || entry.advantage() != 0;
    }
    EXPECT_TRUE(moves);
  }
  EXPECT_THAT(run.metrics.back(), HasSubstr("role: \"editor\""));
  EXPECT_THAT(run.evaluations.front(), HasSubstr("role: \"drafter\""));
}

TEST_P(GraphSimulationTest, MoreRolloutWorkersChangeNothing) {
  for (const int workers : {2, 4}) {
    SimulatedWorld world(SimulatedSpec(GetParam()), {.seed = 1}, workers);
    world.Run(absl::Hours(1));
    ExpectSameRun(world);
  }
}

TEST_P(GraphSimulationTest, CrashesDelaysLossesAndRepetitionsChangeNothing) {
  const char* wished = std::getenv("TEMPER_SIMULATION_SEEDS");
  const int seeds = wished == nullptr ? 40 : std::atoi(wished);
  int64_t turns = 0, crashes = 0;
  for (int seed = 1; seed <= seeds; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    const Disturbance disturbance = {.seed = static_cast<uint64_t>(seed),
                                     .crash_per_second = 0.02 * (seed % 10),
                                     .lost = seed % 3 == 0 ? 0.01 : 0.0,
                                     .repeated = 0.1,
                                     .late = seed % 2 == 0 ? 0.05 : 0.0,
                                     .score_error = seed % 5 == 0 ? 0.3 : 0.0,
                                     .crash_in_turn = seed % 7 == 0 ? 0.02 : 0.0,
                                     .orders_per_second = seed % 4 == 0 ? 1.0 : 0.0};
    SimulatedWorld world(SimulatedSpec(GetParam()), disturbance, 1 + seed % 3);
    world.Run(absl::Hours(100));
    turns += world.turns();
    crashes += world.crashes();
    ExpectSameRun(world);
    if (testing::Test::HasFailure()) return;
  }
  EXPECT_GT(crashes, seeds);
  std::cout << seeds << " seeds, " << turns << " turns, " << crashes << " crashes\n";
}

// The prompts of one row crash whoever draws its drafts: the row's execution fails, the others go
// on.
TEST(GraphSimulationPoisonTest, ARowThatCrashesWorkersIsDroppedAndTheOthersGoOn) {
  for (int seed = 1; seed <= 5; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    SimulatedWorld world(SimulatedSpec("draft_edit.json"),
                         {.seed = static_cast<uint64_t>(seed),
                          .crash_per_second = seed % 2 == 0 ? 0.05 : 0.0,
                          .poison = "train2/draft[]"},
                         2);
    world.Run(absl::Hours(10));
    ASSERT_EQ(world.result().state(), v1::RUN_STATE_DONE) << world.result().reason();
    ExpectClean(world);
  }
}

// A feedback that nobody can draw: its edits do not come, the rest of the row is trained on.
TEST(GraphSimulationPoisonTest, ANodeThatCrashesWorkersCostsOnlyWhatReadsIt) {
  for (int seed = 1; seed <= 5; ++seed) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    SimulatedWorld world(SimulatedSpec("refine.json"),
                         {.seed = static_cast<uint64_t>(seed),
                          .poison = "train2/refine/advice[draft=0 refine.round#0]"},
                         2);
    world.Run(absl::Hours(10));
    ASSERT_EQ(world.result().state(), v1::RUN_STATE_DONE) << world.result().reason();
    ExpectClean(world);
    EXPECT_GE(*world.ledger().database().Count(
                  "SELECT count(*) FROM groups WHERE dropped_reason LIKE 'failed %'"),
              2);
  }
}

// By the id that its line of the data file has; the row's other nodes are never asked.
TEST(GraphOrdersTest, QuarantiningARowDropsItsGroupsAndNoOthers) {
  ResolvedSpec spec = SimulatedSpec("draft_edit.json");
  spec.spec.clear_warm_start();
  spec.spec.clear_evaluate();
  const FakeRows rows({{.id = "a", .prompt = "?"}, {.id = "a/b", .prompt = "?"}, {.id = "c"}});
  const auto ledger = *Ledger::Open(":memory:");
  RunCore core(spec, {.dataset = &rows, .graph = *OpenEnvironment(spec.spec)}, *ledger->Recover(),
               absl::Seconds(10));
  const auto tell = [&](const std::vector<Event>& events) {
    const Turn turn = core.Handle(events, absl::Seconds(10));
    ASSERT_TRUE(ledger->Commit(turn.writes, turn.events).ok());
  };
  tell({});
  tell({Order{.who = "ann", .reason = "wrong", .what = QuarantinePrompt{"a"}}});
  EXPECT_EQ(*ledger->database().Count("SELECT count(*) FROM groups"), 3);
  EXPECT_EQ(*ledger->database().Count(
                "SELECT count(*) FROM groups WHERE dropped_reason = 'quarantined: wrong' AND "
                "prompt_id = 'a/draft[]'"),
            1);
  EXPECT_EQ(
      *ledger->database().Count("SELECT count(*) FROM groups WHERE dropped_reason IS NOT NULL"), 1);
}

}  // namespace
}  // namespace temper::orchestrator
