#include "orchestrator/core.h"

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "orchestrator/gathering.h"
#include "tests/orchestrator/core_fixture.h"

namespace temper::orchestrator {
namespace {

using ::testing::HasSubstr;
using ::testing::SizeIs;

TEST_F(CoreTest, LeasesEveryGroupOnceUnderGrowingEpochs) {
  const std::vector<Generate> leases = Begin();
  ASSERT_THAT(leases, SizeIs(3));
  int64_t epoch = 0;
  for (const Generate& lease : leases) {
    EXPECT_GT(lease.request->lease_epoch(), epoch);
    epoch = lease.request->lease_epoch();
    EXPECT_EQ(lease.request->samples_size(), 2);
    EXPECT_EQ(lease.worker, "rollout-0");
  }
}

TEST_F(CoreTest, SpreadsGroupsOverTheWorkers) {
  Join(v1::ROLE_ROLLOUT, "rollout-1");
  const std::vector<Generate> first = Begin();
  // rollout-1 took the version later: everything was out by then, until rollout-0 is lost.
  EXPECT_THAT(first, SizeIs(3));
  Tell({WorkerLost{"rollout-0", "1", "killed", false}});
  EXPECT_THAT(Did<CancelGenerate>(), SizeIs(3));
}

TEST_F(CoreTest, AsksAgainOnlyForTheSamplesThatAreMissing) {
  const Generate lease = Begin().at(0);
  Tell({Arrived(lease, 1)});
  Tell({WorkerLost{"rollout-0", "1", "killed", false}});
  Tell({WorkerJoined{v1::ROLE_ROLLOUT, "rollout-0", "2", ""}});
  const std::vector<Generate> again = Update("rollout-0");
  ASSERT_THAT(again, SizeIs(3));
  EXPECT_EQ(again[0].request->group_id(), lease.request->group_id());
  ASSERT_EQ(again[0].request->samples_size(), 1);
  EXPECT_EQ(again[0].request->samples(0), 0);
}

TEST_F(CoreTest, CountsLateEpisodesAndIgnoresThem) {
  const Generate lease = Begin().at(0);
  Tell({WorkerLost{"rollout-0", "1", "silent", false}});
  Tell({Arrived(lease, 0), Arrived(lease, 1)});
  EXPECT_EQ(Count("SELECT value FROM meta WHERE key = 'late'"), 2);
  EXPECT_EQ(Count("SELECT count(*) FROM samples WHERE state != 0"), 0);
}

TEST_F(CoreTest, RefusesAnEpisodeOfAnotherVersion) {
  const Generate lease = Begin().at(0);
  EpisodeArrived wrong = Arrived(lease, 0);
  auto episode = std::make_shared<v1::Episode>(*wrong.episode);
  episode->set_versions(0, 5);
  wrong.episode = episode;
  Tell({wrong});
  EXPECT_EQ(Count("SELECT count(*) FROM samples WHERE state != 0"), 0);
  EXPECT_THAT(Did<CancelGenerate>(), SizeIs(1));
}

TEST_F(CoreTest, OurFailureToScoreIsNeverAScore) {
  const Generate lease = Begin().at(0);
  Tell({Arrived(lease, 0)});
  const ScoreEpisodes call = Did<ScoreEpisodes>().at(0);
  auto response = std::make_shared<v1::ScoreResponse>();
  v1::ScoreResult& result = *response->add_results();
  result.set_group_id(lease.request->group_id());
  result.set_internal_error("broken");
  Tell({ScoresArrived{call.call, response}});
  EXPECT_EQ(Count("SELECT count(*) FROM samples WHERE state = 2"), 0);
  EXPECT_TRUE(Did<ScoreEpisodes>().empty());
  ASSERT_LT(core_->NextTick(), now_ + absl::Seconds(1));
  now_ = core_->NextTick();
  Tell({Tick{}});
  EXPECT_THAT(Did<ScoreEpisodes>(), SizeIs(1));
}

TEST_F(CoreTest, FixesTheBatchInSampleOrderBeforeItTrains) {
  Gather();
  ASSERT_THAT(Did<Train>(), SizeIs(1));
  EXPECT_EQ(Did<Train>()[0].request, nullptr);
  const v1::TrainRequest request = *ledger_->ReadTrainRequest(0);
  ASSERT_EQ(request.policy().episodes_size(), 6);
  for (int i = 0; i < 6; ++i) {
    EXPECT_EQ(request.policy().episodes(i).episode().group_id(), 1 + i / 2);
    EXPECT_EQ(request.policy().episodes(i).episode().sample(), i % 2);
    EXPECT_EQ(request.policy().episodes(i).advantage() > 0, i % 2 == 1);
  }
}

TEST_F(CoreTest, ARestartedControllerAsksForTheSameBatchWithItsFigures) {
  Gather();
  const std::string before = ledger_->ReadTrainRequest(0)->SerializeAsString();
  Restart();
  Join(v1::ROLE_LEARNER, "learner");
  // The learner has trained meanwhile: its answer was lost with the old controller.
  Tell({LearnerStatus{Did<AskStatus>().at(0).call,
                      std::make_shared<v1::WeightsManifest>(Manifest(1))}});
  ASSERT_THAT(Did<Train>(), SizeIs(1));
  EXPECT_EQ(ledger_->ReadTrainRequest(0)->SerializeAsString(), before);
  auto response = std::make_shared<v1::TrainResponse>();
  response->set_version(1);
  *response->mutable_manifest() = Manifest(1);
  Tell({Trained{Did<Train>()[0].call, response}});
  EXPECT_EQ(ledger_->ReadSteps()->at(0).reward_mean(), 0.5);
  EXPECT_THAT(Did<SaveCheckpoint>(), SizeIs(1));
}

TEST_F(CoreTest, EndsWithTheCheckpointOfTheLastVersion) {
  Gather();
  auto response = std::make_shared<v1::TrainResponse>();
  response->set_version(1);
  *response->mutable_manifest() = Manifest(1);
  Tell({Trained{Did<Train>().at(0).call, response}});
  v1::SaveCheckpointResponse saved;
  saved.set_path("the/folder");
  saved.set_sha256("abc");
  Tell({CheckpointSaved{Did<SaveCheckpoint>().at(0).call, saved}});
  ASSERT_THAT(Did<EndRun>(), SizeIs(1));
  EXPECT_EQ(Did<EndRun>()[0].ended.state(), v1::RUN_STATE_DONE);
  EXPECT_EQ(Did<EndRun>()[0].ended.model_dir(), "the/folder");
  EXPECT_TRUE(core_->ended());
  Restart();  // a finished run says so again and does nothing
  ASSERT_THAT(Did<EndRun>(), SizeIs(1));
  EXPECT_EQ(Did<EndRun>()[0].ended.model_dir(), "the/folder");
}

TEST_F(CoreTest, AMismatchFailsTheRunWithTheLearnersWords) {
  Gather();
  Tell({CallFailed{Did<Train>().at(0).call, absl::DataLossError("token 7 differs")}});
  ASSERT_THAT(Did<EndRun>(), SizeIs(1));
  EXPECT_EQ(Did<EndRun>()[0].ended.state(), v1::RUN_STATE_FAILED);
  EXPECT_THAT(Did<EndRun>()[0].ended.reason(), HasSubstr("token 7 differs"));
  EXPECT_EQ(ledger_->Recover()->state, v1::RUN_STATE_FAILED);
}

TEST_F(CoreTest, WeightsThatCannotBeMadeAgainFailTheRun) {
  Gather();
  auto response = std::make_shared<v1::TrainResponse>();
  response->set_version(1);
  *response->mutable_manifest() = Manifest(1);
  Tell({Trained{Did<Train>().at(0).call, response}});
  Tell({WorkerLost{"learner", "1", "killed", false}});
  Tell({WorkerJoined{v1::ROLE_LEARNER, "learner", "2", ""}});
  Tell({LearnerStatus{Did<AskStatus>().at(0).call,
                      std::make_shared<v1::WeightsManifest>(Manifest(0))}});
  ASSERT_THAT(Did<Train>(), SizeIs(1));  // step 0 again
  response = std::make_shared<v1::TrainResponse>(*response);
  response->mutable_manifest()->mutable_tensors(0)->set_digest("other bits");
  Tell({Trained{Did<Train>()[0].call, response}});
  ASSERT_THAT(Did<EndRun>(), SizeIs(1));
  EXPECT_THAT(Did<EndRun>()[0].ended.reason(), HasSubstr("other weights"));
}

// As after a fork from a GPU to a CPU: the checkpoint vouches for the version.
TEST_F(CoreTest, FingerprintsOfAnotherKindOfDeviceSayNothingOfAVersionThatIsHeld) {
  Gather();
  auto response = std::make_shared<v1::TrainResponse>();
  response->set_version(1);
  *response->mutable_manifest() = Manifest(1);
  Tell({Trained{Did<Train>().at(0).call, response}});
  const auto learner_comes_back_with = [&](const std::string& incarnation,
                                           const v1::WeightsManifest& manifest) {
    Tell({WorkerJoined{v1::ROLE_LEARNER, "learner", incarnation, ""}});
    Tell({LearnerStatus{Did<AskStatus>().at(0).call,
                        std::make_shared<v1::WeightsManifest>(manifest)}});
  };
  v1::WeightsManifest manifest = Manifest(1);
  manifest.mutable_tensors(0)->set_kind(v1::DIGEST_KIND_DEVICE_64);
  manifest.mutable_tensors(0)->set_digest("12345678");
  learner_comes_back_with("2", manifest);
  EXPECT_THAT(Did<EndRun>(), SizeIs(0));
  manifest = Manifest(1);
  manifest.mutable_tensors(0)->set_digest("other bits");
  learner_comes_back_with("3", manifest);
  ASSERT_THAT(Did<EndRun>(), SizeIs(1));
  EXPECT_THAT(Did<EndRun>()[0].ended.reason(), HasSubstr("other weights"));
}

TEST_F(CoreTest, AStepMadeAgainOnAnotherKindOfDeviceFailsTheRun) {
  Gather();
  auto response = std::make_shared<v1::TrainResponse>();
  response->set_version(1);
  *response->mutable_manifest() = Manifest(1);
  Tell({Trained{Did<Train>().at(0).call, response}});
  Tell({WorkerLost{"learner", "1", "killed", false}});
  Tell({WorkerJoined{v1::ROLE_LEARNER, "learner", "2", ""}});
  Tell({LearnerStatus{Did<AskStatus>().at(0).call,
                      std::make_shared<v1::WeightsManifest>(Manifest(0))}});
  response = std::make_shared<v1::TrainResponse>(*response);
  response->mutable_manifest()->mutable_tensors(0)->set_kind(v1::DIGEST_KIND_DEVICE_64);
  Tell({Trained{Did<Train>().at(0).call, response}});
  EXPECT_THAT(Did<EndRun>(), SizeIs(1));
}

TEST_F(CoreTest, StopsAtOnceAndResumes) {
  Begin();
  Tell({Order{.reason = "enough", .what = StopRun{}}});
  EXPECT_THAT(Did<CancelGenerate>(), SizeIs(3));
  ASSERT_THAT(Did<EndRun>(), SizeIs(1));
  EXPECT_EQ(Did<EndRun>()[0].ended.state(), v1::RUN_STATE_STOPPED);
  Restart();
  EXPECT_FALSE(core_->ended());
  EXPECT_THAT(Begin(), SizeIs(3));
}

TEST_F(CoreTest, EveryWaitHasANameAnAgeAndADeadline) {
  v1::GetResponse run = View();
  ASSERT_EQ(run.waits_size(), 3);  // nobody is there
  EXPECT_THAT(run.waits(0).name(), HasSubstr("step 1 waits for a rollout worker"));
  Begin();
  now_ += absl::Seconds(7);
  run = View();
  ASSERT_EQ(run.waits_size(), 3);
  EXPECT_EQ(run.waits(0).name(), "step 1 waits for group 1 on rollout-0");
  EXPECT_DOUBLE_EQ(run.waits(0).age_seconds(), 7);
  EXPECT_GT(run.waits(0).deadline_seconds(), 60);
  EXPECT_LT(core_->NextTick(), absl::InfiniteDuration());
}

TEST_F(CoreTest, AnAbsenceThatLastsEndsTheRunWithItsName) {
  Join(v1::ROLE_REWARD, "reward");
  now_ += absl::Minutes(11);
  Tell({Tick{}});
  ASSERT_THAT(Did<EndRun>(), SizeIs(1));
  EXPECT_THAT(Did<EndRun>()[0].ended.reason(), HasSubstr("none joined"));
}

TEST_F(CoreTest, ALeaseThatRunsOutTakesTheWorkerOut) {
  const Generate lease = Begin().at(0);
  now_ += lease.timeout + absl::Seconds(6);
  Tell({Tick{}});
  ASSERT_THAT(Did<FenceWorker>(), SizeIs(1));
  EXPECT_EQ(Did<FenceWorker>()[0].worker, "rollout-0");
  EXPECT_EQ(Did<FenceWorker>()[0].incarnation, "1");
  EXPECT_FALSE(View().workers(2).connected());
}

TEST_F(CoreTest, AnswersToOldCallsAreIgnored) {
  Begin();
  Tell({Trained{99, std::make_shared<v1::TrainResponse>()}, CheckpointSaved{98, {}},
        CallFailed{97, absl::DataLossError("old")}, GenerateEnded{96, absl::OkStatus()},
        ScoresArrived{95, std::make_shared<v1::ScoreResponse>()}});
  EXPECT_FALSE(core_->ended());
  EXPECT_EQ(View().state(), v1::RUN_STATE_RUNNING);
}

}  // namespace
}  // namespace temper::orchestrator
