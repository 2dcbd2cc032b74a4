#include "orchestrator/replay/bundle.h"

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "orchestrator/replay/recorded_step.h"
#include "tests/orchestrator/recorded_run.h"
#include "tests/orchestrator/test_folder.h"

namespace temper::orchestrator {
namespace {

using ::testing::HasSubstr;

// One policy step, from version `version`, with group `version` + 1.
std::vector<LedgerWrite> StepWrites(int64_t version) {
  const int64_t group = version + 1;
  std::vector<LedgerWrite> writes = {
      SmallGroup(group, version),
      LeaseSamples{group, {0, 1}, group, "rollout-0"},
  };
  for (const int sample : {0, 1}) {
    const auto episode = SmallEpisode(group, sample);
    episode->set_versions(0, version);
    writes.push_back(RecordEpisode{group, episode});
  }
  for (const int sample : {0, 1}) {
    v1::Score score = SmallScore(sample);
    score.add_parts()->set_verifier("answer");
    writes.push_back(RecordScore{group, sample, score});
  }
  FixBatch batch{.step = version, .entries = {{group, 0, -0.7}, {group, 1, 0.7}}};
  batch.options.set_learning_rate(0.25);
  writes.push_back(std::move(batch));
  RecordStep step{.step = version, .weights_digest = "digest " + std::to_string(version + 1)};
  step.metrics.set_version(version + 1);
  writes.push_back(std::move(step));
  return writes;
}

class BundleTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ledger_ = *Ledger::Open(folder_.Path("ledger.db"));
    ASSERT_TRUE(ledger_->SetIdentity(identity_).ok());
    for (int64_t version = 0; version < 6; ++version) {
      ASSERT_TRUE(ledger_->Commit(StepWrites(version), {}).ok());
    }
    ASSERT_TRUE(ledger_->Commit({RecordCheckpoint{3, "x", "y"}, RecordAlteration{4, {}}}, {}).ok());
    folder_.Write("made", "");
    ASSERT_TRUE(MakeDirectories(folder_.Path("checkpoints/step-000003")).ok());
    folder_.Write("checkpoints/step-000003/manifest.json", "{}");
    ASSERT_TRUE(MakeDirectories(folder_.Path("reference/step-000000")).ok());
    folder_.Write("reference/step-000000/manifest.json", "{}");
  }

  BundleWriter::Wanted Wanted(int64_t step) const {
    return {.dir = folder_.Path(""), .folder = folder_.Path("bundle"), .step = step};
  }

  TestFolder folder_;
  LedgerIdentity identity_{.spec_json = "{}", .dataset_digest = "d"};
  std::unique_ptr<Ledger> ledger_;
};

TEST_F(BundleTest, HoldsTheStepsFromTheNewestCheckpointOnAndWhatTheyNeed) {
  const absl::Status written = WriteReplayBundle(*ledger_, Wanted(5));
  ASSERT_TRUE(written.ok()) << written;
  EXPECT_TRUE(Exists(folder_.Path("bundle/checkpoints/step-000003/manifest.json")));
  EXPECT_TRUE(Exists(folder_.Path("bundle/reference/step-000000/manifest.json")));
  const auto bundle = *Ledger::Open(folder_.Path("bundle/ledger.db"));
  EXPECT_EQ(bundle->Identity()->spec_json, "{}");
  const auto recovered = bundle->Recover();
  ASSERT_TRUE(recovered.ok()) << recovered.status();
  EXPECT_EQ(recovered->version, 5);
  EXPECT_EQ(recovered->weights_digests.at(3), "digest 3");
  EXPECT_EQ(recovered->weights_digests.at(5), "digest 5");
  EXPECT_EQ(recovered->alterations.size(), 1u);
  EXPECT_TRUE(absl::IsNotFound(bundle->ReadTrainRequest(2).status()));
  for (const int64_t step : {3, 4}) {
    const auto before = ledger_->ReadTrainRequest(step);
    const auto after = bundle->ReadTrainRequest(step);
    ASSERT_TRUE(after.ok()) << after.status();
    EXPECT_EQ(after->SerializeAsString(), before->SerializeAsString());
  }
  EXPECT_TRUE(absl::IsNotFound(bundle->ReadTrainRequest(5).status()));
}

TEST_F(BundleTest, TheRunsLedgerIsWrittenOnBetweenTwoSteps) {
  const auto writer = BundleWriter::Begin(*ledger_, Wanted(5));
  ASSERT_TRUE(writer.ok()) << writer.status();
  const auto more = (*writer)->Next();
  ASSERT_TRUE(more.ok()) << more.status();
  EXPECT_TRUE(*more);
  ASSERT_TRUE(ledger_->Commit(StepWrites(6), {NoteEvent(1, "meanwhile")}).ok());
  const auto last = (*writer)->Next();
  ASSERT_TRUE(last.ok()) << last.status();
  EXPECT_FALSE(*last);
  EXPECT_EQ(ledger_->Recover()->version, 7);
}

TEST_F(BundleTest, WithoutACheckpointBeforeItTheBeginningIsTaken) {
  ASSERT_TRUE(WriteReplayBundle(*ledger_, Wanted(2)).ok());
  EXPECT_FALSE(Exists(folder_.Path("bundle/checkpoints")));
  const auto bundle = *Ledger::Open(folder_.Path("bundle/ledger.db"));
  EXPECT_TRUE(bundle->ReadTrainRequest(0).ok());
  EXPECT_TRUE(bundle->ReadTrainRequest(1).ok());
}

TEST_F(BundleTest, AStepThatWasNotMadeIsOutOfRangeAndLeavesNothing) {
  for (const int64_t step : {-1, 0, 7}) {
    const absl::Status refused = WriteReplayBundle(*ledger_, Wanted(step));
    EXPECT_TRUE(absl::IsOutOfRange(refused)) << refused;
    EXPECT_THAT(std::string(refused.message()), HasSubstr("expected 1 to 6"));
    EXPECT_FALSE(Exists(folder_.Path("bundle")));
  }
}

TEST_F(BundleTest, AForkSendsOneToItsParentForTheStepsBefore) {
  TestFolder fork;
  const auto ledger = *Ledger::Open(fork.Path("ledger.db"));
  LedgerIdentity identity{.spec_json = "{}"};
  identity.origin = {.parent = "mother", .parent_step = 3, .version = 3, .weights_digest = "w"};
  ASSERT_TRUE(ledger->SetIdentity(identity).ok());
  for (int64_t version = 3; version < 5; ++version) {
    ASSERT_TRUE(ledger->Commit(StepWrites(version), {}).ok());
  }
  BundleWriter::Wanted wanted{.dir = fork.Path(""), .folder = fork.Path("bundle"), .step = 3};
  absl::Status refused = WriteReplayBundle(*ledger, wanted);
  EXPECT_TRUE(absl::IsOutOfRange(refused)) << refused;
  EXPECT_THAT(std::string(refused.message()), HasSubstr("begins with step 4"));
  EXPECT_THAT(std::string(refused.message()), HasSubstr("mother"));
  wanted.step = 4;
  refused = WriteReplayBundle(*ledger, wanted);  // its first checkpoint is gone
  EXPECT_TRUE(absl::IsNotFound(refused)) << refused;
}

TEST_F(BundleTest, ARecordedStepHasGroupsScoresAndAdvantagesInTheOrderOfTheBatch) {
  const auto step = ReadRecordedStep(*ledger_, 4);
  ASSERT_TRUE(step.ok()) << step.status();
  ASSERT_EQ((*step)->groups.size(), 1u);
  const RecordedGroup& group = (*step)->groups[0];
  EXPECT_EQ(group.group.id(), 5);
  EXPECT_EQ(group.group.answer(), "42");
  ASSERT_EQ(group.samples.size(), 2u);
  EXPECT_EQ(group.samples[1].score.value(), 1);
  EXPECT_EQ(group.samples[1].score.parts(0).verifier(), "answer");
  EXPECT_EQ(group.samples[1].entry->advantage(), 0.7);
  EXPECT_EQ(group.samples[1].entry->episode().sample(), 1);
}

TEST_F(BundleTest, ADamagedSampleIsDataLossInTheBundleToo) {
  ASSERT_TRUE(ledger_->database()
                  .Script("UPDATE episodes SET tokens = x'010000000200000003000000' WHERE id = "
                          "(SELECT episode FROM samples WHERE group_id = 5 AND number = 0)")
                  .ok());
  ASSERT_TRUE(WriteReplayBundle(*ledger_, Wanted(5)).ok());
  const auto bundle = *Ledger::Open(folder_.Path("bundle/ledger.db"));
  EXPECT_TRUE(absl::IsDataLoss(ReadRecordedStep(*bundle, 4).status()));
}

}  // namespace
}  // namespace temper::orchestrator
