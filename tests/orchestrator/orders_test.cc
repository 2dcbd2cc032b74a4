// What operators ask a run for, and what becomes of it.
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/orchestrator/core_fixture.h"

namespace temper::orchestrator {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class OrdersTest : public CoreTest {
 protected:
  using CoreTest::CoreTest;

  template <class What>
  void Give(What what) {
    Tell({Order{.ticket = 7, .who = "ann", .reason = "because", .what = std::move(what)}});
  }
  orchestrator::Answer OnlyAnswer() {
    const auto answers = Did<orchestrator::Answer>();
    EXPECT_THAT(answers, SizeIs(1));
    return answers.empty() ? orchestrator::Answer() : answers[0];
  }
  static AlterRun Temperature(double value) {
    AlterRun alter;
    alter.alteration.set_temperature(value);
    return alter;
  }
  std::vector<v1::RunEvent> Events() { return *ledger_->ReadEvents(1, 1000); }
};

TEST_F(OrdersTest, APauseGivesBackEveryLeaseAndResumeAsksForTheSameSamples) {
  const std::vector<Generate> leases = Begin();
  Tell({Arrived(leases[0], 0)});
  Give(PauseRun{});
  EXPECT_EQ(OnlyAnswer().ticket, 7);
  EXPECT_EQ(OnlyAnswer().state, v1::RUN_STATE_PAUSED);
  EXPECT_THAT(Did<CancelGenerate>(), SizeIs(3));
  EXPECT_THAT(Did<Generate>(), IsEmpty());
  now_ += absl::Hours(3);  // nobody is missed meanwhile
  Tell({Tick{}});
  EXPECT_FALSE(core_->ended());
  Give(ResumeRun{});
  EXPECT_EQ(OnlyAnswer().state, v1::RUN_STATE_RUNNING);
  const std::vector<Generate> again = Did<Generate>();
  ASSERT_THAT(again, SizeIs(3));
  EXPECT_THAT(again[0].request->samples(), SizeIs(1));  // one had come back
  EXPECT_EQ(again[1].request->sampling().seed(), leases[1].request->sampling().seed());
  EXPECT_GT(again[0].request->lease_epoch(), leases[2].request->lease_epoch());
}

TEST_F(OrdersTest, APausedRunIsPausedAfterARestart) {
  Begin();
  Give(PauseRun{});
  Restart();
  EXPECT_EQ(View().state(), v1::RUN_STATE_PAUSED);
  Join(v1::ROLE_REWARD, "reward");
  Join(v1::ROLE_ROLLOUT, "rollout-0");
  Join(v1::ROLE_LEARNER, "learner");
  EXPECT_THAT(Did<AskStatus>(), IsEmpty());
  EXPECT_THAT(Did<Generate>(), IsEmpty());
  Give(ResumeRun{});
  EXPECT_THAT(Did<AskStatus>(), SizeIs(1));
}

TEST_F(OrdersTest, AStateChangeSaysWhoAndWhy) {
  Begin();
  Give(PauseRun{});
  const v1::RunEvent last = Events().back();
  EXPECT_EQ(last.who(), "ann");
  EXPECT_EQ(last.state_change().before(), v1::RUN_STATE_RUNNING);
  EXPECT_EQ(last.state_change().after(), v1::RUN_STATE_PAUSED);
  EXPECT_EQ(last.state_change().reason(), "because");
}

TEST_F(OrdersTest, AnAlterationWaitsForTheStepUnderWay) {
  Begin();
  Give(Temperature(0.5));
  EXPECT_EQ(OnlyAnswer().status.code(), absl::StatusCode::kFailedPrecondition);  // its only step
  EXPECT_THAT(std::string(OnlyAnswer().status.message()), HasSubstr("no policy step is left"));
}

class TwoStepOrdersTest : public OrdersTest {
 protected:
  TwoStepOrdersTest() : OrdersTest(2) {}
};

TEST_F(TwoStepOrdersTest, AnAlterationIsInForceFromTheNextStepOnAlsoAfterARestart) {
  Gather();
  const Train train = Did<Train>().at(0);
  Give(Temperature(0.5));
  EXPECT_EQ(OnlyAnswer().altered.from_step(), 2);
  EXPECT_EQ(OnlyAnswer().altered.changes(0).before(), "1");
  EXPECT_EQ(OnlyAnswer().altered.changes(0).after(), "0.5");
  EXPECT_EQ(Events().back().who(), "ann");
  EXPECT_EQ(View().spec().temperature(), 1);  // of the step that is being made
  auto trained = std::make_shared<v1::TrainResponse>();
  trained->set_version(1);
  *trained->mutable_manifest() = Manifest(1);
  Tell({Trained{train.call, trained}});
  EXPECT_EQ(View().spec().temperature(), 0.5);
  Restart();
  EXPECT_EQ(View().spec().temperature(), 0.5);
  EXPECT_EQ(Count("SELECT from_version FROM alterations"), 1);
}

TEST_F(OrdersTest, OutOfRangeIsRefusedWithTheFieldAndNothingIsRecorded) {
  Begin();
  const size_t events = Events().size();
  Give(Temperature(-1));
  EXPECT_EQ(OnlyAnswer().status.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(OnlyAnswer().status.message()), HasSubstr("temperature: found -1"));
  EXPECT_EQ(Events().size(), events);
  EXPECT_EQ(Count("SELECT count(*) FROM alterations"), 0);
}

TEST_F(OrdersTest, AQuarantinedPromptIsDroppedAndTheOthersGoOn) {
  const std::vector<Generate> leases = Begin();
  const std::string prompt = leases[1].request->prompt().id();
  Give(QuarantinePrompt{prompt});
  EXPECT_TRUE(OnlyAnswer().status.ok());
  ASSERT_THAT(Did<CancelGenerate>(), SizeIs(1));
  EXPECT_EQ(Did<CancelGenerate>()[0].epoch, leases[1].request->lease_epoch());
  EXPECT_EQ(View().quarantined_size(), 1);
  EXPECT_EQ(Count("SELECT count(*) FROM samples WHERE state = 4"), 2);
  Restart();
  EXPECT_EQ(View().quarantined(0), prompt);
}

TEST_F(OrdersTest, ACheckpointIsAnsweredWhenItIsKept) {
  Begin();
  Give(KeepCheckpoint{});
  EXPECT_THAT(Did<orchestrator::Answer>(), IsEmpty());
  ASSERT_THAT(Did<SaveCheckpoint>(), SizeIs(1));
  const SaveCheckpoint save = Did<SaveCheckpoint>()[0];
  EXPECT_THAT(save.request.pinned(), testing::ElementsAre(0));
  v1::SaveCheckpointResponse saved;
  saved.set_path("the/folder");
  saved.set_sha256("abc");
  Tell({CheckpointSaved{save.call, saved}});
  EXPECT_EQ(OnlyAnswer().checkpoint.path(), "the/folder");
  EXPECT_EQ(Count("SELECT pinned FROM checkpoints WHERE version = 0"), 1);
}

// The controller died before it heard what the learner had done, and was paused.
TEST_F(OrdersTest, ACheckpointOfAPausedRunFirstRecordsTheStepThatItsLearnerMade) {
  Gather();
  ASSERT_THAT(Did<Train>(), SizeIs(1));
  Give(PauseRun{});
  Restart();
  Join(v1::ROLE_LEARNER, "learner");
  Give(KeepCheckpoint{});
  ASSERT_THAT(Did<AskStatus>(), SizeIs(1));
  Tell({LearnerStatus{Did<AskStatus>()[0].call,
                      std::make_shared<v1::WeightsManifest>(Manifest(1))}});
  EXPECT_FALSE(core_->ended()) << View().reason();
  ASSERT_THAT(Did<Train>(), SizeIs(1));  // the same step: the learner tells what it did
  EXPECT_EQ(Did<Train>()[0].step, 0);
  EXPECT_EQ(View().state(), v1::RUN_STATE_PAUSED);
}

TEST_F(OrdersTest, ADrainDuringAnEvaluationEndsTheRunWithIt) {
  ResolvedSpec spec = Spec();
  spec.spec.mutable_evaluate()->set_path("held_out.jsonl");
  spec.spec.mutable_evaluate()->set_every(1);
  ledger_ = *Ledger::Open(":memory:");
  core_ =
      std::make_unique<RunCore>(spec, RunRows{&rows_, &rows_, nullptr}, *ledger_->Recover(), now_);
  Tell({});
  const std::vector<Generate> leases = Begin();
  ASSERT_THAT(leases, SizeIs(3));
  Give(DrainRun{});
  EXPECT_EQ(OnlyAnswer().state, v1::RUN_STATE_DRAINING);
  Tell({Arrived(leases[0], 0), Arrived(leases[1], 0), Arrived(leases[2], 0)});
  const ScoreEpisodes score = Did<ScoreEpisodes>().at(0);
  Tell({ScoresArrived{score.call, Scored(score)}});
  // At once: no other event would come.
  ASSERT_THAT(Did<SaveCheckpoint>(), SizeIs(1));
  EXPECT_THAT(Did<Generate>(), IsEmpty());
  Tell({CheckpointSaved{Did<SaveCheckpoint>()[0].call, {}}});
  EXPECT_EQ(View().state(), v1::RUN_STATE_STOPPED);
  EXPECT_EQ(View().reason(), "drained: because");
}

TEST_F(OrdersTest, AnEndedRunRefusesOrders) {
  Begin();
  Give(StopRun{});
  EXPECT_EQ(OnlyAnswer().state, v1::RUN_STATE_STOPPED);
  Give(PauseRun{});
  EXPECT_EQ(OnlyAnswer().status.code(), absl::StatusCode::kFailedPrecondition);
}

TEST_F(OrdersTest, AWaitThatLastsIsToldOnceAsAStall) {
  Begin();
  now_ += absl::Seconds(70);
  Tell({Tick{}});
  Tell({Tick{}});
  int stalls = 0;
  for (const v1::RunEvent& event : Events()) {
    if (!event.has_stall()) continue;
    ++stalls;
    EXPECT_THAT(event.stall().name(), HasSubstr("waits for group"));
    EXPECT_GT(event.stall().deadline_seconds(), event.stall().age_seconds());
  }
  EXPECT_EQ(stalls, 3);  // one for each lease
}

}  // namespace
}  // namespace temper::orchestrator
