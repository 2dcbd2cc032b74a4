// A learner and a worker on one GPU: versions are packed where they were trained, nothing torn or
// gone by is ever served, and who cannot open them gets a file.
#include <gmock/gmock.h>

#include <filesystem>
#include <vector>

#include "absl/time/clock.h"
#include "base/rpc.h"
#include "base/weights_fingerprint.h"
#include "policy/learner/service.h"
#include "policy/model/shared_values.h"
#include "rollout/engine/engine.h"
#include "rollout/engine_loop.h"
#include "rollout/weight_follower.h"
#include "tests/policy/learner/learner_fixture.h"

namespace temper::rollout {
namespace {

using learner::Learner;
using learner::SupervisedRequest;
using ::testing::HasSubstr;

class SharedWeightsTest : public ::testing::Test {
 protected:
  SharedWeightsTest() {
    learner::MakeModelFolder(folder_ / "model");
    std::filesystem::create_directories(folder_ / "shared");
    model_.emplace(*model::OpenModelFolder(folder_ / "model"));
    layout_.emplace(model_->config);
    device_ = kernels::OpenTestDevice(1);
    follower_.emplace(*layout_, HostId(), *device_);
    learner_ = Learner::Open(folder_ / "run", folder_ / "model", folder_ / "shared");
  }

  v1::WeightsManifest Train() {
    const auto response = learner_->trainer->Train(SupervisedRequest(learner_->trainer->version()));
    EXPECT_TRUE(response.ok()) << response.status();
    return response.ok() ? response->manifest() : v1::WeightsManifest();
  }
  int Files() const {
    const std::filesystem::directory_iterator files(folder_ / "shared");
    return static_cast<int>(std::distance(begin(files), end(files)));
  }
  // The values of the version held, once more through a file of the test's own.
  std::vector<float> HeldValues() {
    const std::string bytes = learner_->weights();
    std::vector<float> values(bytes.size() / sizeof(float));
    std::memcpy(values.data(), bytes.data(), bytes.size());
    return values;
  }
  absl::StatusOr<std::optional<SharedWeights>> Open(const v1::WeightsManifest& manifest) {
    return follower_->Open(manifest);
  }

  learner::TemporaryFolder folder_;
  std::optional<model::ModelFolder> model_;
  std::optional<model::ParameterLayout> layout_;
  std::unique_ptr<kernels::Device> device_;  // the worker's
  std::optional<WeightFollower> follower_;
  std::unique_ptr<Learner> learner_;
};

TEST_F(SharedWeightsTest, AVersionIsOpenedWhereItWasTrainedAndNoFileIsMade) {
  for (int step = 0; step < 3; ++step) {
    const v1::WeightsManifest manifest = step == 0 ? learner_->manifest() : Train();
    EXPECT_EQ(manifest.version(), step);
    EXPECT_EQ(manifest.shared_path(), "");
    const auto opened = Open(manifest);
    ASSERT_TRUE(opened.ok()) << opened.status();
    ASSERT_TRUE(opened->has_value());
    const auto confirmed = follower_->Confirm(manifest, **opened);
    ASSERT_TRUE(confirmed.ok()) << confirmed.status();
    EXPECT_EQ(*confirmed, WeightsFingerprint(manifest));
    EXPECT_EQ(Files(), 0);
  }
  // The digests are those of the bytes, which the host can check.
  const v1::WeightsManifest manifest = learner_->manifest();
  const std::vector<float> values = HeldValues();
  for (const v1::TensorDigest& tensor : manifest.tensors()) {
    EXPECT_EQ(tensor.kind(), v1::DIGEST_KIND_DEVICE_64);
    EXPECT_EQ(tensor.digest(), BigEndian(kernels::DigestOfHostBytes(
                                   values.data() + tensor.offset() / 4, tensor.bytes())))
        << tensor.name();
  }
}

TEST_F(SharedWeightsTest, AVersionThatWentByIsSaidBeforeAndAfterThePacking) {
  const v1::WeightsManifest manifest = learner_->manifest();
  const auto opened = Open(manifest);
  ASSERT_TRUE(opened.ok() && opened->has_value()) << opened.status();
  Train();  // while the worker packs
  const absl::Status torn = follower_->Confirm(manifest, **opened).status();
  EXPECT_EQ(torn.code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(torn.message()), HasSubstr("version 0 has gone by"));
  EXPECT_EQ(Open(manifest).status().code(), absl::StatusCode::kNotFound);
}

// The mark stands before the first value changes, so the digests are not even asked.
TEST_F(SharedWeightsTest, AStepThatChangesNothingStillEndsTheVersion) {
  const v1::WeightsManifest manifest = learner_->manifest();
  const auto opened = Open(manifest);
  ASSERT_TRUE(opened.ok() && opened->has_value()) << opened.status();
  v1::TrainRequest still = SupervisedRequest(0);
  still.mutable_options()->set_learning_rate(0);
  const auto trained = learner_->trainer->Train(still);
  ASSERT_TRUE(trained.ok()) << trained.status();
  EXPECT_EQ(trained->manifest().tensors(0).digest(), manifest.tensors(0).digest());
  EXPECT_EQ(follower_->Confirm(manifest, **opened).status().code(), absl::StatusCode::kNotFound);
}

TEST_F(SharedWeightsTest, BitsThatAreNotTheManifestsAreFoundTensorByTensor) {
  const v1::WeightsManifest good = learner_->manifest();
  for (int i = 0; i < good.tensors_size(); ++i) {
    v1::WeightsManifest manifest = good;
    manifest.mutable_tensors(i)->mutable_digest()->at(7) ^= 1;
    const auto opened = Open(manifest);
    ASSERT_TRUE(opened.ok() && opened->has_value()) << opened.status();
    const absl::Status status = follower_->Confirm(manifest, **opened).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
    EXPECT_THAT(std::string(status.message()), HasSubstr(good.tensors(i).name()));
  }
}

// Then Load() brings them through the host, and checks them as any other.
TEST_F(SharedWeightsTest, WhatCannotBeOpenedIsLeftToTheHost) {
  const v1::WeightsManifest good = learner_->manifest();
  const auto left_to_host = [&](auto change) {
    v1::WeightsManifest manifest = good;
    change(manifest);
    const auto opened = Open(manifest);
    EXPECT_TRUE(opened.ok()) << opened.status();
    EXPECT_FALSE(opened.ok() && opened->has_value());
  };
  left_to_host([](auto& m) { m.clear_device_handle(); });
  left_to_host([](auto& m) { m.set_device_handle("garbage"); });
  left_to_host([](auto& m) { m.set_host_id("another host"); });
  // Of other memory, which is smaller.
  const auto theirs = kernels::OpenTestDevice(1);
  const kernels::Memory small = theirs->AllocateShared(model::SharedBytes(*layout_) - 8);
  left_to_host([&](auto& m) { m.set_device_handle(*theirs->Share(small)); });
  const std::unique_ptr<kernels::Device> cpu = kernels::OpenCpuDevice(1);
  const auto on_cpu = WeightFollower(*layout_, HostId(), *cpu).Open(good);
  EXPECT_TRUE(on_cpu.ok() && !on_cpu->has_value());
  // Of memory as large, in which something else stands.
  const kernels::Memory other = theirs->AllocateShared(model::SharedBytes(*layout_));
  theirs->Zero(other.as<char>(), other.bytes());
  theirs->Finish();
  v1::WeightsManifest manifest = Train();
  manifest.set_device_handle(*theirs->Share(other));
  EXPECT_EQ(Open(manifest).status().code(), absl::StatusCode::kDataLoss);
}

TEST_F(SharedWeightsTest, DigestsOfAnUnknownKindOrOfSeveralAreRefused) {
  v1::WeightsManifest manifest = learner_->manifest();
  manifest.mutable_tensors(1)->set_kind(kXxh3Digests);
  EXPECT_EQ(Open(manifest).status().code(), absl::StatusCode::kFailedPrecondition);
  for (v1::TensorDigest& tensor : *manifest.mutable_tensors()) {
    tensor.set_kind(static_cast<v1::DigestKind>(7));
  }
  EXPECT_THAT(std::string(Open(manifest).status().message()), HasSubstr("kind 7"));
}

TEST_F(SharedWeightsTest, ACheckpointSaysHowItsVersionWasPublished) {
  Train();
  v1::SaveCheckpointRequest request;
  request.set_version(1);
  ASSERT_TRUE(learner_->trainer->SaveCheckpoint(request).ok());
  const std::string text =
      learner::ContentOf(folder_ / "run/checkpoints/step-000001/manifest.json");
  const auto manifest = learner::DecodeManifest(text, "manifest");
  ASSERT_TRUE(manifest.ok()) << manifest.status();
  EXPECT_EQ(manifest->record.published, WeightsFingerprint(learner_->manifest()));
  // A learner that begins there publishes the same bits, in memory of its own.
  const v1::WeightsManifest before = learner_->manifest();
  learner_.reset();
  EXPECT_FALSE(*Open(before)) << "its memory went with it";
  learner_ = Learner::Open(folder_ / "run", folder_ / "model", folder_ / "shared");
  EXPECT_EQ(WeightsFingerprint(learner_->manifest()), WeightsFingerprint(before));
  EXPECT_NE(learner_->manifest().device_handle(), before.device_handle());
}

// ---- on the wire, and in the engine's loop

class SharedWeightsLoopTest : public SharedWeightsTest {
 protected:
  // Hands the learner to its loop and serves it; starts an engine on the worker's device.
  void Serve() {
    runs_.Open("", std::make_shared<learner::TrainerLoop>(std::move(learner_->trainer)));
    service_ = learner::MakeLearnerService(runs_);
    auto listening = Listen("127.0.0.1:0", {service_.get()});
    ASSERT_TRUE(listening.ok()) << listening.status();
    listening_ = *std::move(listening);
  }
  void TearDown() override {
    if (service_ == nullptr) return;
    for (const std::string& run : runs_.names()) runs_.Close(run)->Stop();
    listening_.server->Shutdown(absl::ToChronoTime(absl::Now() + absl::Seconds(2)));
  }
  v1::WeightsManifest Newest() {
    v1::WeightsManifest manifest = **(*runs_.Find(""))->Newest();
    manifest.set_learner_address(listening_.address);
    return manifest;
  }
  // On the loop's thread.
  void TrainOnLoop() {
    BoundedQueue<absl::Status> done(1);
    ASSERT_TRUE((*runs_.Find(""))
                    ->Push([&](learner::Trainer* trainer) {
                      (void)done.TryPush(
                          trainer->Train(SupervisedRequest(trainer->version())).status());
                    })
                    .ok());
    const std::optional<absl::Status> status = done.Pop(Wait::OrFail("a step", absl::Minutes(2)));
    ASSERT_TRUE(status.has_value() && status->ok());
  }
  absl::StatusOr<LoadedWeights> Load(const v1::WeightsManifest& manifest, kernels::Device& device,
                                     const std::string& host) {
    return WeightFollower(*layout_, host, device)
        .Load(manifest, absl::Now() + absl::Seconds(60), [] { return false; });
  }

  learner::TrainerDirectory runs_;
  std::unique_ptr<grpc::Service> service_;
  ListeningServer listening_;
};

TEST_F(SharedWeightsLoopTest, AWorkerThatMustGoThroughTheHostGetsAFileWhenItAsks) {
  Serve();
  const std::unique_ptr<kernels::Device> cpu = kernels::OpenCpuDevice(2);
  const v1::WeightsManifest first = Newest();
  EXPECT_EQ(Files(), 0);
  for (kernels::Device* device : {cpu.get(), device_.get()}) {
    const auto mapped = Load(first, *device, HostId());
    ASSERT_TRUE(mapped.ok()) << mapped.status();
    EXPECT_EQ(mapped->way, v1::WEIGHTS_WAY_FILE);
    EXPECT_TRUE(mapped->values->writable().empty()) << "was copied";
    EXPECT_EQ(mapped->digest, WeightsFingerprint(first));
    const auto fetched = Load(first, *device, "another host");
    ASSERT_TRUE(fetched.ok()) << fetched.status();
    EXPECT_EQ(fetched->way, v1::WEIGHTS_WAY_STREAM);
    EXPECT_EQ(fetched->digest, WeightsFingerprint(first));
  }
  EXPECT_EQ(Files(), 1);
  v1::WeightsManifest damaged = first;
  damaged.mutable_tensors(2)->mutable_digest()->at(0) ^= 1;
  EXPECT_EQ(Load(damaged, *cpu, HostId()).status().code(), absl::StatusCode::kDataLoss);

  // Somebody asked: the next version has a file at once, and the one before keeps its own.
  TrainOnLoop();
  EXPECT_EQ(Files(), 2);
  EXPECT_TRUE(Load(first, *cpu, HostId()).ok());
  // Nobody asked for that one: there is none of the next.
  TrainOnLoop();
  EXPECT_EQ(Files(), 1);
  EXPECT_EQ(Load(first, *cpu, HostId()).status().code(), absl::StatusCode::kNotFound);
  const auto newest = Load(Newest(), *cpu, HostId());
  ASSERT_TRUE(newest.ok()) << newest.status();
  EXPECT_EQ(newest->digest, WeightsFingerprint(Newest()));
}

TEST_F(SharedWeightsLoopTest, AVersionWithoutAFileCannotBeHadOnceTheNextIsMade) {
  Serve();
  const v1::WeightsManifest first = Newest();
  TrainOnLoop();
  const absl::Status late = Load(first, *device_, HostId()).status();
  EXPECT_EQ(late.code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(late.message()), HasSubstr("gone by"));
}

class Outcome : public UpdateSink {
 public:
  void Done(const absl::StatusOr<WeightsUpdate>& update) override { (void)done_.TryPush(update); }
  bool cancelled() const override { return false; }
  absl::StatusOr<WeightsUpdate> Await() {
    auto update = done_.Pop(Wait::OrFail("an update", absl::Minutes(2)));
    return update.has_value() ? *update : absl::DeadlineExceededError("no update");
  }

 private:
  BoundedQueue<absl::StatusOr<WeightsUpdate>> done_{1};
};

class Measured : public MeasureSink {
 public:
  void Done(const absl::StatusOr<Measurement>& measurement) override {
    (void)done_.TryPush(measurement);
  }
  bool cancelled() const override { return false; }
  absl::StatusOr<Measurement> Await() {
    auto measurement = done_.Pop(Wait::OrFail("a measurement", absl::Minutes(2)));
    return measurement.has_value() ? *measurement : absl::DeadlineExceededError("none");
  }

 private:
  BoundedQueue<absl::StatusOr<Measurement>> done_{1};
};

class SharedWeightsEngineTest : public SharedWeightsLoopTest {
 protected:
  SharedWeightsEngineTest()
      : engine_({model_->config, *layout_, model_->tokenizer.get(), *device_}, {}) {
    loop_.Start(engine_, &*follower_);
  }
  ~SharedWeightsEngineTest() override { loop_.Stop(); }

  absl::StatusOr<WeightsUpdate> Update(const v1::WeightsManifest& manifest) {
    const auto outcome = std::make_shared<Outcome>();
    EXPECT_TRUE(loop_.Update({manifest, absl::Now() + absl::Minutes(1), outcome}).ok());
    return outcome->Await();
  }
  // The log-probabilities of some tokens under whatever is current.
  absl::StatusOr<std::vector<float>> Ask() {
    MeasureRequest request{.prompt_text = "What?", .continuations = {"ab"}};
    const auto sink = std::make_shared<Measured>();
    request.sink = sink;
    EXPECT_TRUE(loop_.Measure(std::move(request)).ok());
    const absl::StatusOr<Measurement> measurement = sink->Await();
    if (!measurement.ok()) return measurement.status();
    return measurement->continuations.at(0).logprobs;
  }

  Engine engine_;
  EngineLoop loop_{8};
};

TEST_F(SharedWeightsEngineTest, WhatWasRefusedIsNotServedAndNeitherIsWhatItWasPackedOver) {
  const v1::WeightsManifest good = learner_->manifest();
  const auto first = Update(good);
  ASSERT_TRUE(first.ok()) << first.status();
  EXPECT_EQ(first->way, v1::WEIGHTS_WAY_DEVICE);
  const auto before = Ask();
  ASSERT_TRUE(before.ok()) << before.status();

  const v1::WeightsManifest next = Train();
  v1::WeightsManifest damaged = next;
  damaged.mutable_tensors(0)->mutable_digest()->at(0) ^= 1;
  EXPECT_EQ(Update(damaged).status().code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(Ask().status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(Ask().status().message()), HasSubstr("no weights are here"));
  // The old manifest is no way back: it has gone by, and nothing is made current by it.
  EXPECT_EQ(Update(good).status().code(), absl::StatusCode::kNotFound);
  EXPECT_FALSE(Ask().ok());

  const auto second = Update(next);
  ASSERT_TRUE(second.ok()) << second.status();
  EXPECT_EQ(second->way, v1::WEIGHTS_WAY_DEVICE);
  EXPECT_EQ(second->digest, WeightsFingerprint(next));
  const auto after = Ask();
  ASSERT_TRUE(after.ok()) << after.status();
  EXPECT_NE(*after, *before);
  const auto again = Update(next);
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(again->way, v1::WEIGHTS_WAY_UNSPECIFIED) << "it was here already";
}

TEST_F(SharedWeightsEngineTest, AVersionThatWentByBeforeThePackingLeavesTheCurrentOne) {
  const v1::WeightsManifest first = learner_->manifest();
  ASSERT_TRUE(Update(first).ok());
  const v1::WeightsManifest second = Train();
  ASSERT_TRUE(Update(second).ok());
  const auto before = Ask();
  ASSERT_TRUE(before.ok()) << before.status();
  EXPECT_EQ(Update(first).status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(*Ask(), *before);
}

// Once it has answered, the weights are the worker's own.
TEST_F(SharedWeightsEngineTest, TheLearnersEndDoesAWorkerNoHarm) {
  ASSERT_TRUE(Update(Train()).ok());
  const auto before = Ask();
  ASSERT_TRUE(before.ok()) << before.status();
  learner_.reset();
  EXPECT_EQ(*Ask(), *before);
}

}  // namespace
}  // namespace temper::rollout
