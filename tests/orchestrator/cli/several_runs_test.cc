// One learner and one rollout worker that serve two runs, with real models and real weights on the
// wire.
#include <gmock/gmock.h>

#include <map>
#include <thread>

#include "absl/time/clock.h"
#include "base/rpc.h"
#include "orchestrator/cli/learner_runs.h"
#include "orchestrator/cli/rollout_runs.h"
#include "policy/learner/learner_client.h"
#include "rollout/rollout_client.h"
#include "tests/policy/learner/learner_fixture.h"

namespace temper::cli {
namespace {

using ::testing::HasSubstr;

constexpr absl::Duration kLong = absl::Seconds(60);

// A learner and a rollout worker with their servers.
class Workers {
 public:
  Workers() {
    learner_service_ = learner::MakeLearnerService(learner_runs.directory());
    rollout_service_ = rollout::MakeRolloutService(rollout_runs.directory());
    auto listening = Listen("127.0.0.1:0", {learner_service_.get(), rollout_service_.get()});
    EXPECT_TRUE(listening.ok()) << listening.status();
    listening_ = *std::move(listening);
    learner_runs.set_address(listening_.address);
    learner = std::make_unique<learner::LearnerClient>(listening_.address);
    rollout = std::make_unique<rollout::RolloutClient>(listening_.address);
  }
  ~Workers() {
    for (const std::string& run : learner_runs.directory().names()) learner_runs.Close(run);
    for (const std::string& run : rollout_runs.directory().names()) rollout_runs.Close(run);
    listening_.server->Shutdown(absl::ToChronoTime(absl::Now() + absl::Seconds(2)));
  }
  void Open(const v1::Assignment& assignment) {
    ASSERT_EQ(learner_runs.Open(assignment), absl::OkStatus());
    ASSERT_EQ(rollout_runs.Open(assignment), absl::OkStatus());
  }

  LearnerRuns learner_runs;
  RolloutRuns rollout_runs{2};
  std::unique_ptr<learner::LearnerClient> learner;
  std::unique_ptr<rollout::RolloutClient> rollout;

 private:
  std::unique_ptr<grpc::Service> learner_service_, rollout_service_;
  ListeningServer listening_;
};

class SeveralRunsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    learner::MakeModelFolder(folder_ / "model-1", 1);
    learner::MakeModelFolder(folder_ / "model-2", 2);
  }
  // Workers never share a run folder.
  v1::Assignment Assigned(const std::string& name, const std::string& model,
                          const std::string& workers = "together") {
    v1::Assignment assignment;
    assignment.set_run(name);
    assignment.set_run_dir(folder_ / absl::StrCat(workers, "-", name));
    assignment.set_model_dir(folder_ / model);
    assignment.mutable_fleet()->set_rollout_threads(1);
    assignment.mutable_fleet()->set_learner_threads(1);
    assignment.set_dtype("float32");
    return assignment;
  }
  static v1::GenerateRequest Request(const std::string& run, int64_t version, int max_tokens) {
    v1::GenerateRequest request;
    request.set_run(run);
    request.mutable_prompt()->set_text("What is 2+2?");
    for (int i = 0; i < 3; ++i) request.add_samples(i);
    request.mutable_sampling()->set_temperature(1.0);
    request.mutable_sampling()->set_max_tokens(max_tokens);
    request.set_version(version);
    return request;
  }
  // What the newest weights of `run` say, as bytes by sample.
  static std::map<int, std::string> Follow(Workers& workers, const std::string& run) {
    std::map<int, std::string> episodes;
    const auto status = workers.learner->GetStatus(kLong, run);
    EXPECT_TRUE(status.ok()) << status.status();
    if (!status.ok()) return {};
    const auto updated = workers.rollout->UpdateWeights(status->manifest(), kLong);
    EXPECT_TRUE(updated.ok()) << updated.status();
    const absl::Status generated = workers.rollout->Generate(
        Request(run, status->manifest().version(), 24), kLong,
        [&](v1::Episode episode) { episodes[episode.sample()] = episode.SerializeAsString(); });
    EXPECT_TRUE(generated.ok()) << generated;
    return episodes;
  }
  // Two versions of a run, and one training step between them.
  static std::vector<std::map<int, std::string>> Live(Workers& workers, const std::string& run) {
    std::vector<std::map<int, std::string>> versions = {Follow(workers, run)};
    v1::TrainRequest request = learner::SupervisedRequest(0);
    request.set_run(run);
    const auto trained = workers.learner->Train(request, kLong);
    EXPECT_TRUE(trained.ok()) << trained.status();
    versions.push_back(Follow(workers, run));
    return versions;
  }

  learner::TemporaryFolder folder_;
};

TEST_F(SeveralRunsTest, ARunLivesTheSameWhetherAnotherLivesBesideItOrNot) {
  std::vector<std::map<int, std::string>> alone, first, second;
  {
    Workers workers;
    workers.Open(Assigned("first", "model-1", "alone"));
    alone = Live(workers, "first");
  }
  Workers workers;
  workers.Open(Assigned("first", "model-1"));
  workers.Open(Assigned("second", "model-2"));
  std::thread other([&] { second = Live(workers, "second"); });
  first = Live(workers, "first");
  other.join();
  ASSERT_EQ(alone.size(), 2u);
  EXPECT_EQ(alone[0].size(), 3u);
  EXPECT_NE(alone[0], alone[1]);
  EXPECT_EQ(first, alone);
  EXPECT_NE(second, alone);
}

TEST_F(SeveralRunsTest, AClosedRunIsGoneItsFilesWithItAndItCanComeAgain) {
  Workers workers;
  workers.Open(Assigned("first", "model-1"));
  workers.Open(Assigned("second", "model-2"));
  const auto first = Follow(workers, "first");
  const auto second = Follow(workers, "second");
  const std::string path = workers.learner->GetStatus(kLong, "first")->manifest().shared_path();
  EXPECT_TRUE(Exists(path));
  const int64_t tokens = workers.rollout_runs.progress();
  const int64_t units = workers.learner_runs.progress();
  EXPECT_GT(tokens, 0);

  workers.learner_runs.Close("first");
  workers.rollout_runs.Close("first");
  EXPECT_FALSE(Exists(path));
  EXPECT_GE(workers.rollout_runs.progress(), tokens);
  EXPECT_GE(workers.learner_runs.progress(), units);
  EXPECT_TRUE(absl::IsNotFound(workers.learner->GetStatus(kLong, "first").status()));
  EXPECT_TRUE(absl::IsNotFound(
      workers.rollout->Generate(Request("first", 0, 1), kLong, [](v1::Episode) {})));
  EXPECT_EQ(Follow(workers, "second"), second);

  workers.Open(Assigned("first", "model-1"));
  EXPECT_EQ(Follow(workers, "first"), first);
  EXPECT_GT(workers.rollout_runs.progress(), tokens);
}

TEST_F(SeveralRunsTest, ARunThatCannotBeOpenedLeavesNothingBehind) {
  Workers workers;
  const absl::Status learner = workers.learner_runs.Open(Assigned("first", "nowhere"));
  EXPECT_THAT(std::string(learner.message()), HasSubstr("nowhere"));
  const absl::Status rollout = workers.rollout_runs.Open(Assigned("first", "nowhere"));
  EXPECT_THAT(std::string(rollout.message()), HasSubstr("nowhere"));
  EXPECT_TRUE(workers.learner_runs.directory().names().empty());
  EXPECT_TRUE(workers.rollout_runs.directory().names().empty());
  v1::Assignment unknown = Assigned("first", "model-1");
  unknown.set_dtype("int8");
  EXPECT_EQ(workers.rollout_runs.Open(unknown).code(), absl::StatusCode::kInvalidArgument);
  workers.Open(Assigned("first", "model-1"));
  EXPECT_EQ(Follow(workers, "first").size(), 3u);
}

}  // namespace
}  // namespace temper::cli
