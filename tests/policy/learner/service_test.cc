// The learner behind a real server on loopback, spoken to through its client.
#include "policy/learner/service.h"

#include <atomic>
#include <thread>

#include "base/digest.h"
#include "base/mutex.h"
#include "base/rpc.h"
#include "policy/learner/learner_client.h"
#include "tests/policy/learner/learner_fixture.h"

namespace temper::learner {
namespace {

constexpr absl::Duration kPatience = absl::Seconds(60);

class ServiceTest : public testing::Test {
 protected:
  void SetUp() override {
    MakeModelFolder(folder_ / "model");
    std::filesystem::create_directories(folder_ / "shared");
    sampler_ = std::make_unique<Sampler>(folder_ / "model");
    service_ = MakeLearnerService(runs_);
    auto listening = Listen("127.0.0.1:0", {service_.get()});
    ASSERT_TRUE(listening.ok()) << listening.status();
    listening_ = *std::move(listening);
    client_ = std::make_unique<LearnerClient>(listening_.address);
  }
  void TearDown() override {
    for (const std::string& run : runs_.names()) runs_.Close(run)->Stop();
    listening_.server->Shutdown(absl::ToChronoTime(absl::Now() + absl::Seconds(2)));
  }
  // Each run has its own run folder.
  void Start(const std::string& run = "", const std::string& model = "model") {
    auto trainer = Trainer::Open({.run = run,
                                  .run_dir = folder_ / absl::StrCat("run-", run),
                                  .model_dir = folder_ / model,
                                  .learner_address = "127.0.0.1:1",
                                  .shared_dir = folder_ / "shared",
                                  .threads = 1},
                                 progress_);
    ASSERT_TRUE(trainer.ok()) << trainer.status();
    runs_.Open(run, std::make_shared<TrainerLoop>(*std::move(trainer)));
  }
  // The weights that `run` holds, fetched over the wire.
  std::vector<std::byte> Weights(const std::string& run) {
    const auto status = client_->GetStatus(kPatience, run);
    EXPECT_TRUE(status.ok()) << status.status();
    if (!status.ok()) return {};
    EXPECT_EQ(status->manifest().run(), run);
    std::vector<std::byte> bytes(status->manifest().bytes());
    EXPECT_EQ(client_->FetchWeights(status->manifest().version(), bytes, kPatience, run),
              absl::OkStatus());
    return bytes;
  }
  absl::Status Train(const std::string& run, int64_t step) {
    v1::TrainRequest request = SupervisedRequest(step);
    request.set_run(run);
    return client_->Train(request, kPatience).status();
  }

  TemporaryFolder folder_;
  std::unique_ptr<Sampler> sampler_;
  std::atomic<int64_t> progress_{0};
  TrainerDirectory runs_;
  std::unique_ptr<grpc::Service> service_;
  ListeningServer listening_;
  std::unique_ptr<LearnerClient> client_;
};

TEST_F(ServiceTest, TrainsSavesAndSaysWhatItHolds) {
  Start();
  const auto before = client_->GetStatus(kPatience);
  ASSERT_TRUE(before.ok()) << before.status();
  EXPECT_EQ(before->manifest().version(), 0);
  const auto trained = client_->Train(PolicyRequest(*sampler_, before->manifest()), kPatience);
  ASSERT_TRUE(trained.ok()) << trained.status();
  EXPECT_EQ(trained->metrics().logprob_mismatch(), 0);
  EXPECT_EQ(client_->GetStatus(kPatience)->manifest().version(), 1);
  v1::SaveCheckpointRequest save;
  save.set_version(1);
  const auto saved = client_->SaveCheckpoint(save, kPatience);
  ASSERT_TRUE(saved.ok()) << saved.status();
  EXPECT_EQ(saved->sha256(), *Sha256HexOfFile(JoinPath(saved->path(), "model.safetensors")));
}

TEST_F(ServiceTest, RefusalsKeepTheirCodeAndWords) {
  Start();
  v1::TrainRequest request = SupervisedRequest(3);
  const auto refused = client_->Train(request, kPatience);
  EXPECT_EQ(refused.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_NE(std::string(refused.status().message()).find("holds version 0"), std::string::npos);
}

TEST_F(ServiceTest, FetchedWeightsAreThePublishedBytes) {
  Start();
  const auto status = client_->GetStatus(kPatience);
  ASSERT_TRUE(status.ok()) << status.status();
  const v1::WeightsManifest& manifest = status->manifest();
  std::vector<std::byte> bytes(manifest.bytes());
  ASSERT_EQ(client_->FetchWeights(0, bytes, kPatience), absl::OkStatus());
  for (const v1::TensorDigest& tensor : manifest.tensors()) {
    EXPECT_EQ(Xxh3Digest(std::span(bytes).subspan(tensor.offset(), tensor.bytes())),
              tensor.digest());
  }
  EXPECT_EQ(client_->FetchWeights(1, bytes, kPatience).code(), absl::StatusCode::kNotFound);
  bytes.pop_back();
  EXPECT_EQ(client_->FetchWeights(0, bytes, kPatience).code(), absl::StatusCode::kDataLoss);
}

TEST_F(ServiceTest, CallsThatComeWhileItLoadsAreRefusedAndComeAgain) {
  runs_.Expect({"first"});
  std::vector<std::byte> none;
  for (const std::string run : {"", "first"}) {
    EXPECT_EQ(client_->GetStatus(kPatience, run).status().code(), absl::StatusCode::kUnavailable);
    EXPECT_EQ(Train(run, 0).code(), absl::StatusCode::kUnavailable);
    EXPECT_EQ(client_->FetchWeights(0, none, kPatience, run).code(),
              absl::StatusCode::kUnavailable);
  }
  Start("first");
  const auto status = client_->GetStatus(kPatience, "first");
  ASSERT_TRUE(status.ok()) << status.status();
  EXPECT_EQ(status->manifest().learner_address(), "127.0.0.1:1");
}

TEST_F(ServiceTest, TheSameStepFromManyCallersIsTrainedOnce) {
  Start();
  const v1::TrainRequest request = SupervisedRequest(0);
  std::vector<std::string> answers(4);
  std::vector<std::thread> callers;
  for (std::string& answer : answers) {
    callers.emplace_back([&] {
      LearnerClient client(listening_.address);
      const auto response = client.Train(request, kPatience);
      if (response.ok()) answer = response->SerializeAsString();
    });
  }
  for (std::thread& caller : callers) caller.join();
  EXPECT_NE(answers[0], "");
  for (const std::string& answer : answers) EXPECT_EQ(answer, answers[0]);
  EXPECT_EQ(client_->GetStatus(kPatience)->manifest().version(), 1);
}

TEST_F(ServiceTest, TheBitsOfARunAreTheSameWhetherAnotherIsTrainedBesideItOrNot) {
  MakeModelFolder(folder_ / "another", /*seed=*/8);
  Start("alone");
  for (int64_t step = 0; step < 3; ++step) ASSERT_EQ(Train("alone", step), absl::OkStatus());
  const std::vector<std::byte> alone = Weights("alone");
  Start("first");
  Start("second", "another");
  std::thread other([&] {
    for (int64_t step = 0; step < 4; ++step) EXPECT_EQ(Train("second", step), absl::OkStatus());
  });
  for (int64_t step = 0; step < 3; ++step) EXPECT_EQ(Train("first", step), absl::OkStatus());
  other.join();
  EXPECT_EQ(Weights("first"), alone);
  EXPECT_NE(Weights("second"), alone);
  EXPECT_EQ(client_->GetStatus(kPatience, "second")->manifest().version(), 4);
}

TEST_F(ServiceTest, ACallFindsItsRunOrIsToldWhichThereAre) {
  Start("first");
  EXPECT_TRUE(client_->GetStatus(kPatience).ok()) << "the only run needs no name";
  Start("second");
  const absl::Status nameless = client_->GetStatus(kPatience).status();
  EXPECT_EQ(nameless.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_NE(std::string(nameless.message()).find("\"first\", \"second\""), std::string::npos)
      << nameless;
  EXPECT_EQ(Train("third", 0).code(), absl::StatusCode::kNotFound);
  std::vector<std::byte> none;
  EXPECT_EQ(client_->FetchWeights(0, none, kPatience, "third").code(), absl::StatusCode::kNotFound);
}

TEST_F(ServiceTest, ARepeatedStepIsKnownWhateverTheRunIsCalled) {
  Start("first");
  ASSERT_EQ(Train("", 0), absl::OkStatus());
  EXPECT_EQ(Train("first", 0), absl::OkStatus());
  EXPECT_EQ(client_->GetStatus(kPatience)->manifest().version(), 1);
}

TEST_F(ServiceTest, ClosingARunEndsItsCallsAndTakesItsVersionsAlong) {
  Start("first");
  Start("second");
  const std::string path = client_->GetStatus(kPatience, "first")->manifest().shared_path();
  const std::shared_ptr<TrainerLoop> loop = runs_.Close("first");
  // One piece of work holds the loop, so that a call waits behind it when the run is closed.
  Mutex mutex;
  bool closing = false;
  ASSERT_EQ(loop->Push([&](Trainer*) {
    MutexLock lock(mutex);
    EXPECT_TRUE(mutex.Await(Wait::OrFail("the closing", kPatience), [&] { return closing; }));
  }),
            absl::OkStatus());
  bool refused = false;
  ASSERT_EQ(loop->Push([&](Trainer* trainer) { refused = trainer == nullptr; }), absl::OkStatus());
  std::thread close([&] { loop->Stop(); });
  while (!absl::IsUnavailable(loop->Push([](Trainer*) {}))) absl::SleepFor(absl::Milliseconds(1));
  {
    MutexLock lock(mutex);
    closing = true;
    mutex.Changed();
  }
  close.join();
  EXPECT_TRUE(refused);
  EXPECT_FALSE(Exists(path));
  EXPECT_TRUE(absl::IsUnavailable(loop->Newest().status()));
  EXPECT_EQ(client_->GetStatus(kPatience, "first").status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(Train("second", 0), absl::OkStatus());
}

}  // namespace
}  // namespace temper::learner
