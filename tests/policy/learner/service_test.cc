// The learner behind a real server on loopback, spoken to through its client.
#include "policy/learner/service.h"

#include <thread>

#include "base/digest.h"
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
    auto listening = Listen("127.0.0.1:0", {&service_.wire()});
    ASSERT_TRUE(listening.ok()) << listening.status();
    listening_ = *std::move(listening);
    client_ = std::make_unique<LearnerClient>(listening_.address);
  }
  void TearDown() override {
    stop_.Stop();
    if (loop_.joinable()) loop_.join();
    service_.Close();
    listening_.server->Shutdown(absl::ToChronoTime(absl::Now() + absl::Seconds(2)));
  }
  void Start() {
    learner_ = Learner::Open(folder_ / "run", folder_ / "model", folder_ / "shared");
    ASSERT_NE(learner_, nullptr);
    loop_ = std::thread([this] { service_.Run(*learner_->trainer, stop_); });
  }

  TemporaryFolder folder_;
  std::unique_ptr<Sampler> sampler_;
  Service service_;
  std::unique_ptr<Learner> learner_;
  ListeningServer listening_;
  std::unique_ptr<LearnerClient> client_;
  StopToken stop_;
  std::thread loop_;
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

TEST_F(ServiceTest, CallsThatComeWhileItLoadsAreAnsweredOnceItHas) {
  absl::StatusOr<v1::GetStatusResponse> status;
  std::thread early([&] { status = client_->GetStatus(kPatience); });
  std::vector<std::byte> none;
  EXPECT_EQ(client_->FetchWeights(0, none, kPatience).code(), absl::StatusCode::kUnavailable);
  Start();
  early.join();
  ASSERT_TRUE(status.ok()) << status.status();
  EXPECT_EQ(status->manifest().learner_address(), "127.0.0.1:1");
}

TEST_F(ServiceTest, CallsThatWaitWhenLoadingFailsAreRefused) {
  absl::StatusOr<v1::TrainResponse> trained;
  std::thread early([&] { trained = client_->Train(SupervisedRequest(0), kPatience); });
  absl::SleepFor(absl::Milliseconds(100));
  service_.Close();
  early.join();
  EXPECT_EQ(trained.status().code(), absl::StatusCode::kUnavailable);
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

}  // namespace
}  // namespace temper::learner
