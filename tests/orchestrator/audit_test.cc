#include "orchestrator/audit.h"

#include "absl/strings/str_join.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/orchestrator/recorded_run.h"

namespace temper::orchestrator {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::unique_ptr<Ledger> Recorded(SampleState state) {
  auto ledger = *Ledger::Open(":memory:");
  EXPECT_TRUE(ledger->Commit(WritesUpTo(state), {NoteEvent(1, "a"), NoteEvent(2, "b")}).ok());
  return ledger;
}

TEST(AuditTest, EveryStateOnTheWayIsClean) {
  for (const SampleState state : {SampleState::kIssued, SampleState::kGenerated,
                                  SampleState::kScored, SampleState::kTrained}) {
    const auto ledger = Recorded(state);
    const auto report = Audit(*ledger);
    ASSERT_TRUE(report.ok()) << report.status();
    EXPECT_THAT(report->violations, IsEmpty());
    EXPECT_EQ(report->samples.at(std::string(SampleStateName(state))), 2);
    EXPECT_EQ(report->groups, 1);
  }
}

TEST(AuditTest, CountsWhatWasDroppedAndWhatIsHeldOut) {
  const auto ledger = Recorded(SampleState::kTrained);
  ASSERT_TRUE(ledger
                  ->Commit({SmallGroup(2, 1), DropGroup{2, "poison"},
                            SmallGroup(1 << 20, 1, /*evaluation=*/true), RecordLate{3}},
                           {})
                  .ok());
  const auto report = Audit(*ledger);
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_THAT(report->violations, IsEmpty());
  EXPECT_EQ(report->samples.at("dropped"), 2);
  EXPECT_EQ(report->samples.at("trained"), 2);
  EXPECT_EQ(report->evaluation_samples.at("issued"), 1);
  EXPECT_EQ(report->late, 3);
}

TEST(AuditTest, AForkBeginsWithTheVersionOfItsParent) {
  auto ledger = *Ledger::Open(":memory:");
  LedgerIdentity identity{.spec_json = "{}"};
  identity.origin = {.parent = "mother", .parent_step = 2, .version = 5, .weights_digest = "w"};
  ASSERT_TRUE(ledger->SetIdentity(identity).ok());
  RecordStep step{.step = 5, .weights_digest = "digest"};
  ASSERT_TRUE(ledger->Commit({RecordCheckpoint{5, "x", "y", true}, step}, {}).ok());
  auto report = Audit(*ledger);
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_THAT(report->violations, IsEmpty());
  ASSERT_TRUE(ledger->database()
                  .Script("UPDATE steps SET step = 4; INSERT INTO checkpoints VALUES (7, 'x', 'y', "
                          "0), (4, 'x', 'y', 0)")
                  .ok());
  report = Audit(*ledger);
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_THAT(absl::StrJoin(report->violations, "\n"),
              testing::AllOf(HasSubstr("step 4 was made before version 5"),
                             HasSubstr("checkpoint 7 is of a version that was never made"),
                             HasSubstr("checkpoint 4 is of a version that was never made")));
}

struct Damage {
  const char* name;
  const char* sql;
  const char* said;
};

class BrokenLedgerTest : public testing::TestWithParam<Damage> {};

TEST_P(BrokenLedgerTest, IsFound) {
  const auto ledger = Recorded(SampleState::kTrained);
  ASSERT_TRUE(ledger->database().Script("PRAGMA foreign_keys = OFF;").ok());
  const absl::Status status = ledger->database().Script(GetParam().sql);
  ASSERT_TRUE(status.ok()) << status;
  const auto report = Audit(*ledger);
  ASSERT_TRUE(report.ok()) << report.status();
  EXPECT_THAT(absl::StrJoin(report->violations, "\n"), HasSubstr(GetParam().said));
}

constexpr Damage kDamages[] = {
    {"ASampleIsMissing", "DELETE FROM samples WHERE number = 1", "has 1 samples, expected 2"},
    {"AStateIsUnknown", "UPDATE samples SET state = 9 WHERE number = 1", "state 9"},
    {"ATrainedSampleGoesBack", "UPDATE samples SET state = 2 WHERE number = 1", "not trained"},
    {"ATrainedSampleHasNoBatch", "DELETE FROM batch_entries WHERE number = 1", "in no batch"},
    {"TokensChanged", "UPDATE episodes SET tokens = x'010000000200000003000000' WHERE number = 0",
     "differ from their checksum"},
    {"AnEpisodeIsNobodys", "UPDATE episodes SET number = 7 WHERE number = 0",
     "episode 1 belongs to no sample"},
    {"ASampleLostItsEpisode", "UPDATE samples SET episode = NULL WHERE number = 0",
     "holds no tokens"},
    {"ALogprobIsGone", "UPDATE episodes SET logprobs = x'00000000' WHERE number = 0",
     "other counts of tokens"},
    {"AScoreIsOutOfRange", "UPDATE samples SET score = 2 WHERE number = 0", "without a score"},
    {"AnAdvantageChanged", "UPDATE batch_entries SET advantage = 9 WHERE number = 0",
     "differs from its digest"},
    {"AnEpochWasNeverLeased", "UPDATE samples SET epoch = 5 WHERE number = 0",
     "under epoch 5, which leased it to nobody"},
    {"AnotherWorkerAnswered", "UPDATE samples SET worker = 'x' WHERE number = 0",
     "leased it to nobody"},
    {"AStepIsMissing", "UPDATE steps SET step = 4", "hole"},
    {"AnEventIsMissing", "DELETE FROM events WHERE sequence = 1", "events have a hole"},
    {"ACheckpointIsOfTheFuture", "INSERT INTO checkpoints VALUES (9, 'x', 'y', 0)", "never made"},
    {"AnEvaluationIsTrainedOn", "UPDATE groups SET evaluation = 1", "is trained"},
    {"AGroupIsDroppedWithoutItsSamples", "UPDATE groups SET dropped_reason = 'x'",
     "dropped without"},
    {"AnotherVersionMadeIt", "UPDATE groups SET step = 3", "other weights than version 3"},
};

INSTANTIATE_TEST_SUITE_P(AuditTest, BrokenLedgerTest, testing::ValuesIn(kDamages),
                         [](const auto& info) { return info.param.name; });

}  // namespace
}  // namespace temper::orchestrator
