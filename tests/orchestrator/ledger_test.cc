#include "orchestrator/ledger.h"

#include <sys/wait.h>
#include <unistd.h>

#include <csignal>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/orchestrator/recorded_run.h"
#include "tests/orchestrator/test_folder.h"

namespace temper::orchestrator {
namespace {

using ::testing::HasSubstr;
using ::testing::SizeIs;

std::unique_ptr<Ledger> OpenOrDie(const std::string& path) {
  auto ledger = Ledger::Open(path);
  EXPECT_TRUE(ledger.ok()) << ledger.status();
  return ledger.ok() ? *std::move(ledger) : nullptr;
}

TEST(LedgerTest, ANewLedgerHoldsNothing) {
  const auto ledger = OpenOrDie(":memory:");
  const RecoveredRun run = *ledger->Recover();
  EXPECT_EQ(run.version, 0);
  EXPECT_EQ(run.state, v1::RUN_STATE_UNSPECIFIED);
  EXPECT_TRUE(run.checkpoints.empty());
  EXPECT_TRUE(run.groups.empty());
  EXPECT_EQ(ledger->Identity()->spec_json, "");
}

TEST(LedgerTest, WhatWasCommittedIsThereAfterReopening) {
  TestFolder folder;
  const std::string path = folder.Path("ledger.db");
  {
    const auto ledger = OpenOrDie(path);
    ASSERT_TRUE(ledger->SetIdentity({"{}", {}, "d", "e", "w"}).ok());
    ASSERT_TRUE(ledger->Commit(WritesUpTo(SampleState::kScored), {NoteEvent(1, "hello")}).ok());
  }
  const auto ledger = OpenOrDie(path);
  EXPECT_EQ(ledger->Identity()->evaluation_digest, "e");
  const RecoveredRun run = *ledger->Recover();
  EXPECT_EQ(run.lease_epoch, 1);
  EXPECT_EQ(run.sequence, 1);
  ASSERT_THAT(run.groups, SizeIs(1));
  EXPECT_EQ(run.groups[0].group.answer(), "42");
  ASSERT_THAT(run.groups[0].samples, SizeIs(2));
  const RecoveredSample& sample = run.groups[0].samples[1];
  EXPECT_EQ(sample.state, SampleState::kScored);
  EXPECT_EQ(sample.score, 1);
  EXPECT_EQ(sample.tokens, 3);
  EXPECT_EQ(sample.text, "the text");
  const auto events = ledger->ReadEvents(0, 10);
  ASSERT_TRUE(events.ok()) << events.status();
  ASSERT_THAT(*events, SizeIs(1));
  EXPECT_EQ((*events)[0].note(), "hello");
  EXPECT_EQ((*events)[0].time_ms(), 1001);
}

TEST(LedgerTest, ATrainRequestComesBackBitForBit) {
  const auto ledger = OpenOrDie(":memory:");
  ASSERT_TRUE(ledger->Commit(WritesUpTo(SampleState::kTrained), {}).ok());
  const auto request = ledger->ReadTrainRequest(0);
  ASSERT_TRUE(request.ok()) << request.status();
  EXPECT_EQ(request->options().learning_rate(), 0.25);
  ASSERT_EQ(request->policy().episodes_size(), 2);
  EXPECT_EQ(request->policy().episodes(1).advantage(), 0.7);
  EXPECT_EQ(request->policy().episodes(1).episode().SerializeAsString(),
            SmallEpisode(1, 1)->SerializeAsString());
  EXPECT_EQ(ledger->ReadTrainRequest(1).status().code(), absl::StatusCode::kNotFound);
}

TEST(LedgerTest, ARecordedStepMarksItsSamplesAndRaisesTheVersion) {
  const auto ledger = OpenOrDie(":memory:");
  ASSERT_TRUE(ledger->Commit(WritesUpTo(SampleState::kTrained), {}).ok());
  RecordEvaluation evaluation;
  evaluation.result.set_version(1);
  evaluation.result.set_accuracy(0.5);
  ASSERT_TRUE(ledger->Commit({evaluation}, {}).ok());
  const RecoveredRun run = *ledger->Recover();
  EXPECT_EQ(run.version, 1);
  EXPECT_TRUE(run.groups.empty());  // nothing is open
  EXPECT_EQ(run.weights_digests.at(1), std::string("\0\1bytes", 7));
  EXPECT_EQ(run.last.reward_mean(), 0.1);
  const auto steps = ledger->ReadSteps();
  ASSERT_TRUE(steps.ok()) << steps.status();
  ASSERT_THAT(*steps, SizeIs(1));
  EXPECT_EQ((*steps)[0].eval_accuracy(), 0.5);
}

TEST(LedgerTest, ATransactionIsAllOrNothingAndAFailureIsTheEnd) {
  const auto ledger = OpenOrDie(":memory:");
  std::vector<LedgerWrite> writes = WritesUpTo(SampleState::kIssued);
  writes.push_back(RecordEpisode{7, SmallEpisode(1, 0)});  // an epoch that was never given
  EXPECT_FALSE(ledger->Commit(writes, {}).ok());
  EXPECT_EQ(*ledger->database().Count("SELECT count(*) FROM groups"), 0);
  EXPECT_EQ(ledger->Commit(WritesUpTo(SampleState::kIssued), {}).code(),
            absl::StatusCode::kFailedPrecondition);
}

TEST(LedgerTest, RefusesWhatTheCoreMustNeverAsk) {
  const auto refused = [](std::vector<LedgerWrite> writes, SampleState from) {
    const auto ledger = OpenOrDie(":memory:");
    EXPECT_TRUE(ledger->Commit(WritesUpTo(from), {}).ok());
    return ledger->Commit(writes, {}).code() == absl::StatusCode::kInternal;
  };
  // An epoch that goes back or stands still, a second result, a second score, a hole in the steps.
  EXPECT_TRUE(refused({LeaseSamples{1, {0}, 1, "rollout-1"}}, SampleState::kIssued));
  EXPECT_TRUE(refused({RecordEpisode{1, SmallEpisode(1, 0)}}, SampleState::kGenerated));
  EXPECT_TRUE(refused({RecordScore{1, 0, SmallScore(1)}}, SampleState::kScored));
  EXPECT_TRUE(refused({RecordStep{.step = 3}}, SampleState::kScored));
  EXPECT_TRUE(refused({FixBatch{.step = 1, .entries = {{1, 0, 0}}}}, SampleState::kTrained));
}

// A long run must not make turns or a restart slower: everything goes by an index but the steps and
// what is as few as they are.
TEST(LedgerTest, RecordingAndRecoveringDoNotLookAtAllSamples) {
  constexpr int kSteps = 10, kGroups = 50;
  const auto ledger = OpenOrDie(":memory:");
  int64_t id = 0;
  for (int64_t step = 0; step < kSteps; ++step) {
    FixBatch batch{.step = step};
    std::vector<LedgerWrite> writes;
    for (int i = 0; i < kGroups; ++i) {
      writes.insert(writes.end(), {SmallGroup(++id, step), LeaseSamples{id, {0, 1}, id, "r"}});
      for (const int k : {0, 1}) {
        writes.insert(writes.end(),
                      {RecordEpisode{id, SmallEpisode(id, k)}, RecordScore{id, k, SmallScore(k)}});
        batch.entries.push_back({id, k, 0});
      }
    }
    ASSERT_TRUE(ledger->Commit(writes, {NoteEvent(step + 1, "x")}).ok());
    if (step == kSteps - 1) break;
    ASSERT_TRUE(ledger->Commit({batch}, {}).ok());
    ASSERT_TRUE(ledger->ReadTrainRequest(step).ok());
    ASSERT_TRUE(ledger->Commit({RecordStep{.step = step}}, {}).ok());
  }
  const RecoveredRun run = *ledger->Recover();
  EXPECT_THAT(run.groups, SizeIs(kGroups));
  EXPECT_LT(ledger->database().FullScanSteps(), kSteps * kSteps);
}

TEST(LedgerTest, EventsHaveNoHoles) {
  const auto ledger = OpenOrDie(":memory:");
  ASSERT_TRUE(ledger->Commit({}, {NoteEvent(1, "a"), NoteEvent(2, "b")}).ok());
  EXPECT_EQ(ledger->Commit({}, {NoteEvent(4, "d")}).code(), absl::StatusCode::kInternal);
  EXPECT_THAT(*ledger->ReadEvents(2, 10), SizeIs(1));
}

TEST(LedgerTest, TwoProcessesCannotHoldOneLedger) {
  TestFolder folder;
  const auto ledger = OpenOrDie(folder.Path("ledger.db"));
  for (const absl::Status& status : {Ledger::Open(folder.Path("ledger.db")).status(),
                                     Ledger::OpenReadOnly(folder.Path("ledger.db")).status()}) {
    EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition) << status;
    EXPECT_THAT(std::string(status.message()), HasSubstr("ledger.db"));
  }
}

TEST(LedgerTest, ReadOnlyChangesNothingAndNeedsAFile) {
  TestFolder folder;
  EXPECT_EQ(Ledger::OpenReadOnly(folder.Path("ledger.db")).status().code(),
            absl::StatusCode::kNotFound);
  { OpenOrDie(folder.Path("ledger.db")); }
  const auto ledger = Ledger::OpenReadOnly(folder.Path("ledger.db"));
  ASSERT_TRUE(ledger.ok()) << ledger.status();
  EXPECT_FALSE((*ledger)->Commit(WritesUpTo(SampleState::kIssued), {}).ok());
}

TEST(LedgerTest, RefusesANewerSchemaAndForeignFiles) {
  TestFolder folder;
  const std::string path = folder.Path("ledger.db");
  { ASSERT_TRUE(OpenOrDie(path)->database().Script("PRAGMA user_version = 99;").ok()); }
  const absl::Status newer = Ledger::Open(path).status();
  EXPECT_EQ(newer.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(newer.message()), HasSubstr("schema 99"));
  folder.Write("other.db", std::string(4096, 'x'));
  EXPECT_EQ(Ledger::Open(folder.Path("other.db")).status().code(), absl::StatusCode::kDataLoss);
}

// Every episode after the limit: the disk is full for this process.
TEST(LedgerTest, AFullDiskIsSaidAndNothingThatWasPromisedIsLost) {
  TestFolder folder;
  const std::string path = folder.Path("ledger.db");
  {
    const auto ledger = OpenOrDie(path);
    ASSERT_TRUE(ledger->Commit(WritesUpTo(SampleState::kIssued), {}).ok());
    // SQLite asks the system for more pages than it may have: SQLITE_FULL, as on a full disk.
    ASSERT_TRUE(ledger->database().Count("PRAGMA max_page_count = 1").ok());
    auto large = SmallEpisode(1, 0);
    large->set_text(std::string(1 << 20, 'x'));
    const absl::Status status = ledger->Commit({RecordEpisode{1, large}}, {});
    EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted) << status;
    EXPECT_FALSE(ledger->Commit({RecordEpisode{1, SmallEpisode(1, 0)}}, {}).ok());
  }
  const auto ledger = OpenOrDie(path);
  EXPECT_EQ(ledger->Recover()->groups[0].samples[0].state, SampleState::kIssued);
  EXPECT_TRUE(ledger->Commit({RecordEpisode{1, SmallEpisode(1, 0)}}, {}).ok());
}

// A child commits one event after another and is killed at an arbitrary moment.
TEST(LedgerTest, AnAcknowledgedCommitSurvivesAKill) {
  for (int trial = 0; trial < 5; ++trial) {
    TestFolder folder;
    const std::string path = folder.Path("ledger.db");
    int told[2];
    ASSERT_EQ(pipe(told), 0);
    const pid_t child = fork();
    ASSERT_GE(child, 0);
    if (child == 0) {
      auto ledger = Ledger::Open(path);
      for (int64_t i = 1; ledger.ok(); ++i) {
        if (!(*ledger)->Commit({RecordLate{1}}, {NoteEvent(i, "x")}).ok()) break;
        if (write(told[1], &i, sizeof(i)) != sizeof(i)) break;
      }
      _exit(1);
    }
    close(told[1]);
    int64_t acknowledged = 0;
    while (acknowledged < 20 + 7 * trial) {
      ASSERT_EQ(read(told[0], &acknowledged, sizeof(acknowledged)),
                static_cast<ssize_t>(sizeof(acknowledged)));
    }
    kill(child, SIGKILL);
    waitpid(child, nullptr, 0);
    for (int64_t more = 0; read(told[0], &more, sizeof(more)) == sizeof(more);) {
      acknowledged = more;
    }
    close(told[0]);
    const auto ledger = OpenOrDie(path);
    const int64_t kept = ledger->Recover()->sequence;
    EXPECT_GE(kept, acknowledged);
    EXPECT_LE(kept, acknowledged + 1);
    EXPECT_EQ(*ledger->database().Count("SELECT value FROM meta WHERE key = 'late'"), kept);
  }
}

}  // namespace
}  // namespace temper::orchestrator
