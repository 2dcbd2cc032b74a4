// The rollout service and its client over real loopback gRPC, with a small real model.
#include "rollout/service.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <thread>

#include "absl/time/clock.h"
#include "base/rpc.h"
#include "rollout/rollout_client.h"
#include "rollout/weight_follower.h"
#include "tests/rollout/rollout_fixture.h"
#include "tests/rollout/weights_fixture.h"

namespace temper::rollout {
namespace {

using ::testing::HasSubstr;

constexpr absl::Duration kLong = absl::Seconds(60);

class ServiceTest : public ::testing::Test {
 protected:
  void Open(const Engine::Options& options = {}, size_t line_max = 64, bool start = true) {
    engine_ = std::make_unique<Engine>(Engine::Parts{config_, layout_, tokenizer_.get(), *device_},
                                       options);
    loop_ = std::make_shared<EngineLoop>(line_max);
    runs_.Open("", loop_);
    service_ = MakeRolloutService(runs_);
    auto listening = Listen("127.0.0.1:0", {service_.get()});
    ASSERT_TRUE(listening.ok()) << listening.status();
    listening_ = *std::move(listening);
    client_ = std::make_unique<RolloutClient>(listening_.address);
    if (start) loop_->Start(*engine_, &follower_);
  }
  void TearDown() override {
    loop_->Stop();
    listening_.server->Shutdown(absl::ToChronoTime(absl::Now() + absl::Seconds(2)));
  }

  v1::WeightsManifest Version(int64_t version) {
    return Publish(layout_, LivelyValues(config_, layout_, version), version,
                   TemporaryPath(absl::StrCat("v", version)));
  }
  void Update(int64_t version) {
    const auto updated = client_->UpdateWeights(Version(version), kLong);
    ASSERT_TRUE(updated.ok()) << updated.status();
  }
  static v1::GenerateRequest Request(int samples, int max_tokens, int64_t version) {
    v1::GenerateRequest request;
    request.set_lease_epoch(31);
    request.set_group_id(17);
    request.mutable_prompt()->set_id("p");
    request.mutable_prompt()->set_text("What is 2+2?");
    for (int i = 0; i < samples; ++i) request.add_samples(i);
    request.mutable_sampling()->set_temperature(1.0);
    request.mutable_sampling()->set_max_tokens(max_tokens);
    request.mutable_sampling()->set_seed(9);
    request.set_version(version);
    return request;
  }
  // A request that keeps the engine busy until it is cancelled.
  static v1::GenerateRequest Endless(int64_t version) { return Request(1, 1 << 20, version); }

  // All episodes as bytes, by sample.
  absl::StatusOr<std::map<int, std::string>> Generate(const v1::GenerateRequest& request) {
    std::map<int, std::string> episodes;
    const absl::Status status = client_->Generate(request, kLong, [&](v1::Episode episode) {
      episodes[episode.sample()] = episode.SerializeAsString();
    });
    if (!status.ok()) return status;
    return episodes;
  }

  // Without an end token: a response is as long as it was asked to be.
  static model::ModelConfig Talkative() {
    model::ModelConfig config = TinyConfig();
    config.eos_token_ids.clear();
    return config;
  }

  const model::ModelConfig config_ = Talkative();
  const model::ParameterLayout layout_{config_};
  const std::unique_ptr<model::Tokenizer> tokenizer_ = ByteTokenizer();
  const std::unique_ptr<kernels::Device> device_ = kernels::OpenCpuDevice(1);
  const WeightFollower follower_{layout_, kThisHost, *device_};
  std::unique_ptr<Engine> engine_;
  std::shared_ptr<EngineLoop> loop_;
  EngineDirectory runs_;
  std::unique_ptr<grpc::Service> service_;
  ListeningServer listening_;
  std::unique_ptr<RolloutClient> client_;
};

TEST_F(ServiceTest, GeneratesUnderTheVersionItWasGiven) {
  Open();
  const v1::WeightsManifest manifest = Version(1);
  const auto updated = client_->UpdateWeights(manifest, kLong);
  ASSERT_TRUE(updated.ok()) << updated.status();
  EXPECT_EQ(updated->version(), 1);
  EXPECT_EQ(updated->digest(), WeightsFingerprint(manifest));

  int episodes = 0;
  const absl::Status status = client_->Generate(Request(5, 12, 1), kLong, [&](v1::Episode episode) {
    ++episodes;
    EXPECT_EQ(episode.group_id(), 17);
    EXPECT_EQ(episode.prompt_tokens_size(), 12);
    EXPECT_EQ(episode.tokens_size(), episode.logprobs_size());
    ASSERT_EQ(episode.versions_size(), 1);
    EXPECT_EQ(episode.versions(0), 1);
    EXPECT_NE(episode.finish_reason(), v1::FINISH_REASON_UNSPECIFIED);
    EXPECT_GT(episode.entropy_sum(), 0.0);
  });
  EXPECT_TRUE(status.ok()) << status;
  EXPECT_EQ(episodes, 5);
  EXPECT_GT(loop_->progress().load(), 0);
}

TEST_F(ServiceTest, TheSameRequestUnderTheSameVersionGivesTheSameBits) {
  Open();
  Update(1);
  const auto first = Generate(Request(4, 20, 1));
  ASSERT_TRUE(first.ok()) << first.status();
  v1::GenerateRequest lost = Request(0, 20, 1);
  lost.add_samples(2);
  const auto again = Generate(lost);
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(again->at(2), first->at(2));
}

TEST_F(ServiceTest, ServesManyCallersAtOnce) {
  Open({.sequences_max = 6});
  Update(1);
  std::vector<std::map<int, std::string>> results(6);
  std::vector<std::thread> callers;
  for (auto& result : results) {
    callers.emplace_back([&] {
      auto episodes = Generate(Request(4, 16, 1));
      ASSERT_TRUE(episodes.ok()) << episodes.status();
      result = *std::move(episodes);
    });
  }
  for (std::thread& caller : callers) caller.join();
  for (const auto& result : results) {
    EXPECT_EQ(result.size(), 4u);
    EXPECT_EQ(result, results[0]);
  }
}

TEST_F(ServiceTest, RefusesAVersionThatIsNotCurrent) {
  Open();
  EXPECT_EQ(Generate(Request(1, 4, 0)).status().code(), absl::StatusCode::kFailedPrecondition);
  Update(1);
  const auto refused = Generate(Request(1, 4, 2));
  EXPECT_EQ(refused.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(refused.status().message()),
              HasSubstr("version 2 is wanted, version 1 is current"));
}

TEST_F(ServiceTest, KeepsTheOldVersionWhenTheNewOneIsDamaged) {
  Open();
  Update(1);
  const auto before = Generate(Request(2, 10, 1));
  v1::WeightsManifest damaged = Version(2);
  damaged.mutable_tensors(0)->mutable_digest()->at(3) ^= 1;
  EXPECT_EQ(client_->UpdateWeights(damaged, kLong).status().code(), absl::StatusCode::kDataLoss);
  EXPECT_EQ(Generate(Request(1, 4, 2)).status().code(), absl::StatusCode::kFailedPrecondition);
  const auto after = Generate(Request(2, 10, 1));
  ASSERT_TRUE(before.ok() && after.ok()) << after.status();
  EXPECT_EQ(*after, *before);
  Update(2);
  EXPECT_TRUE(Generate(Request(1, 4, 2)).ok());
}

TEST_F(ServiceTest, RepeatingAnUpdateIsHarmlessEvenWhenTheFileHasGone) {
  Open();
  const v1::WeightsManifest manifest = Version(1);
  const auto first = client_->UpdateWeights(manifest, kLong);
  ASSERT_TRUE(first.ok()) << first.status();
  ASSERT_TRUE(RemoveAll(manifest.shared_path()).ok());
  const auto again = client_->UpdateWeights(manifest, kLong);
  ASSERT_TRUE(again.ok()) << again.status();
  EXPECT_EQ(again->digest(), first->digest());
}

TEST_F(ServiceTest, AnUpdateWaitsForWhatRunsAndRefusesWhatComesMeanwhile) {
  Open();
  Update(1);
  CallCancel cancel;
  std::thread busy([&] {
    EXPECT_EQ(client_
                  ->Generate(
                      Endless(1), kLong, [](v1::Episode) {}, &cancel)
                  .code(),
              absl::StatusCode::kCancelled);
  });
  const int64_t before = loop_->progress().load();
  while (loop_->progress().load() == before) absl::SleepFor(absl::Milliseconds(1));

  EXPECT_EQ(client_->UpdateWeights(Version(2), absl::Milliseconds(200)).status().code(),
            absl::StatusCode::kDeadlineExceeded);
  std::atomic<bool> updated{false};
  std::thread update([&] {
    Update(2);
    updated.store(true);
  });
  // Until the order has reached the engine, a request of version 1 may still be taken in.
  absl::Status refused;
  while (refused.ok()) refused = Generate(Request(1, 1, 1)).status();
  EXPECT_EQ(refused.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(refused.message()), HasSubstr("making room for version 2"));
  EXPECT_FALSE(updated.load());
  cancel.Cancel();
  update.join();
  busy.join();
  EXPECT_TRUE(Generate(Request(1, 1, 2)).ok());
}

TEST_F(ServiceTest, RefusesWorkWhenTheLineIsFullAndTakesItAgainLater) {
  Open({.sequences_max = 1, .waiting_max = 1});
  Update(1);
  // None of them ends by itself: one runs, one waits, the others are refused.
  constexpr int kCallers = 5;
  CallCancel cancel[kCallers];
  std::atomic<int> refused{0}, cancelled{0};
  std::vector<std::thread> callers;
  for (CallCancel& mine : cancel) {
    callers.emplace_back([&] {
      const absl::Status status = client_->Generate(
          Endless(1), kLong, [](v1::Episode) {}, &mine);
      refused += absl::IsResourceExhausted(status);
      cancelled += absl::IsCancelled(status);
    });
  }
  const absl::Time deadline = absl::Now() + kLong;
  while (refused.load() < kCallers - 2 && absl::Now() < deadline) {
    absl::SleepFor(absl::Milliseconds(1));
  }
  for (CallCancel& one : cancel) one.Cancel();
  for (std::thread& caller : callers) caller.join();
  EXPECT_EQ(refused.load(), kCallers - 2);
  EXPECT_EQ(cancelled.load(), 2);
  // The callers are back before the worker has seen that they went.
  absl::Status later = absl::ResourceExhaustedError("");
  while (absl::IsResourceExhausted(later) && absl::Now() < deadline) {
    later = Generate(Request(1, 1, 1)).status();
  }
  EXPECT_TRUE(later.ok()) << later;
}

TEST_F(ServiceTest, RefusesWhatTheEnginesLineCannotHoldBeforeItStarts) {
  Open({}, /*line_max=*/1, /*start=*/false);
  CallCancel cancel;
  std::thread first([&] {
    client_
        ->Generate(
            Request(1, 1, 1), kLong, [](v1::Episode) {}, &cancel)
        .IgnoreError();
  });
  absl::Status refused = absl::DeadlineExceededError("");
  while (absl::IsDeadlineExceeded(refused)) {
    refused = client_->Generate(Request(1, 1, 1), absl::Milliseconds(50), [](v1::Episode) {});
  }
  EXPECT_EQ(refused.code(), absl::StatusCode::kResourceExhausted) << refused;
  cancel.Cancel();
  first.join();
}

TEST_F(ServiceTest, AnUpdateThatComesBeforeTheEngineIsReadyIsCarriedOutThen) {
  Open({}, 64, /*start=*/false);
  std::thread update([&] { Update(1); });
  absl::SleepFor(absl::Milliseconds(20));
  loop_->Start(*engine_, &follower_);
  update.join();
  EXPECT_TRUE(Generate(Request(1, 1, 1)).ok());
}

TEST_F(ServiceTest, StoppingEndsEveryOpenCallWithWords) {
  Open({.sequences_max = 1});
  Update(1);
  std::vector<std::thread> callers;
  std::atomic<int> unavailable{0};
  for (int i = 0; i < 3; ++i) {
    callers.emplace_back([&] {
      const absl::Status status = client_->Generate(Endless(1), kLong, [](v1::Episode) {});
      if (absl::IsUnavailable(status)) ++unavailable;
    });
  }
  const int64_t before = loop_->progress().load();
  while (loop_->progress().load() == before) absl::SleepFor(absl::Milliseconds(1));
  loop_->Stop();
  for (std::thread& caller : callers) caller.join();
  EXPECT_EQ(unavailable.load(), 3);
}

TEST_F(ServiceTest, RefusesARequestThatCannotBeMeant) {
  Open();
  Update(1);
  v1::GenerateRequest request = Request(1, 4, 1);
  request.mutable_prompt()->clear_text();
  EXPECT_EQ(Generate(request).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(Generate(Request(0, 4, 1)).status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(Generate(Request(1, 0, 1)).status().code(), absl::StatusCode::kInvalidArgument);
}

v1::MeasureRequest MeasureOf(const std::string& prompt, const std::vector<std::string>& words) {
  v1::MeasureRequest request;
  request.mutable_prompt()->set_id("m");
  request.mutable_prompt()->set_text(prompt);
  for (const std::string& word : words) request.add_continuations(word);
  return request;
}

TEST_F(ServiceTest, MeasuresWithTheBitsOfScoringWhileAnotherIsDecoded) {
  Open({.prefill_chunk = 16});
  Update(1);
  CallCancel cancel;
  std::thread busy([&] {
    EXPECT_TRUE(absl::IsCancelled(client_->Generate(
        Endless(1), kLong, [](v1::Episode) {}, &cancel)));
  });
  const int64_t before = loop_->progress().load();
  while (loop_->progress().load() == before) absl::SleepFor(absl::Milliseconds(1));
  const auto measured = client_->Measure(
      MeasureOf("Is 2+2=4 right? Say yes or no: ", {"yes", "no", "by no means"}), kLong);
  cancel.Cancel();
  busy.join();
  ASSERT_TRUE(measured.ok()) << measured.status();
  EXPECT_EQ(measured->version(), 1);
  EXPECT_FALSE(measured->has_value());
  ASSERT_EQ(measured->continuations_size(), 3);
  const std::vector<float> values = LivelyValues(config_, layout_, 1);
  const model::Weights weights(layout_, *device_, values, {});
  model::HybridModel model(config_, layout_, *device_);
  for (const v1::MeasuredContinuation& one : measured->continuations()) {
    model::PackedBatch batch{
        .tokens = {measured->prompt_tokens().begin(), measured->prompt_tokens().end()}};
    for (const int32_t token : one.tokens()) {
      batch.prediction_rows.push_back(static_cast<int32_t>(batch.tokens.size()) - 1);
      batch.prediction_targets.push_back(token);
      batch.tokens.push_back(token);
    }
    batch.segments = {{0, static_cast<int64_t>(batch.tokens.size()), 0}};
    std::vector<float> scored(one.tokens_size());
    model.Score(weights, batch, scored, {});
    EXPECT_EQ(std::vector<float>(one.logprobs().begin(), one.logprobs().end()), scored);
  }
}

TEST_F(ServiceTest, MeasuresUnderTheVersionThatIsCurrentOrTheOneItWasGiven) {
  Open();
  EXPECT_EQ(client_->Measure(MeasureOf("p", {"a"}), kLong).status().code(),
            absl::StatusCode::kFailedPrecondition);
  Update(1);
  v1::MeasureRequest request = MeasureOf("p", {"a"});
  request.set_version(1);
  const auto first = client_->Measure(request, kLong);
  ASSERT_TRUE(first.ok()) << first.status();
  Update(2);
  const auto refused = client_->Measure(request, kLong).status();
  EXPECT_EQ(refused.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(refused.message()),
              HasSubstr("version 1 is wanted, version 2 is current"));
  request.clear_version();
  const auto second = client_->Measure(request, kLong);
  ASSERT_TRUE(second.ok()) << second.status();
  EXPECT_EQ(second->version(), 2);
  EXPECT_NE(second->continuations(0).logprobs(0), first->continuations(0).logprobs(0));
}

TEST_F(ServiceTest, RefusesAMeasurementThatCannotBeMeantOrForWhichThereIsNoRoom) {
  Open({.state_bytes_max = 64 << 10});
  Update(1);
  const auto wrong = client_->Measure(MeasureOf("p", {"a", ""}), kLong).status();
  EXPECT_EQ(wrong.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(wrong.message()), HasSubstr("continuations[1]"));
  EXPECT_EQ(client_->Measure(MeasureOf(std::string(9000, 'x'), {"a"}), kLong).status().code(),
            absl::StatusCode::kResourceExhausted);
}

TEST_F(ServiceTest, AMeasurementUnderWayEndsWithItsCallerAndWithTheWorker) {
  Open({.prefill_chunk = 1});
  Update(1);
  const v1::MeasureRequest endless = MeasureOf(std::string(200'000, 'x'), {"a"});
  CallCancel cancel;
  std::thread caller(
      [&] { EXPECT_TRUE(absl::IsCancelled(client_->Measure(endless, kLong, &cancel).status())); });
  const int64_t before = loop_->progress().load();
  while (loop_->progress().load() == before) absl::SleepFor(absl::Milliseconds(1));
  cancel.Cancel();
  caller.join();
  EXPECT_TRUE(client_->Measure(MeasureOf("p", {"a"}), kLong).ok());
  const int64_t then = loop_->progress().load();
  std::thread other(
      [&] { EXPECT_TRUE(absl::IsUnavailable(client_->Measure(endless, kLong).status())); });
  while (loop_->progress().load() == then) absl::SleepFor(absl::Milliseconds(1));
  loop_->Stop();
  other.join();
}

TEST_F(ServiceTest, AWorkerThatKeepsItsWeightsTakesNoOthers) {
  Open({}, 64, /*start=*/false);
  engine_->SetWeights(0, Share(LivelyValues(config_, layout_, 1)));
  loop_->Start(*engine_, nullptr);
  const auto refused = client_->UpdateWeights(Version(1), kLong).status();
  EXPECT_EQ(refused.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(refused.message()), HasSubstr("serves the weights of a model folder"));
  EXPECT_TRUE(Generate(Request(1, 4, 0)).ok());
  EXPECT_TRUE(client_->Measure(MeasureOf("p", {"a"}), kLong).ok());
}

TEST_F(ServiceTest, ACallCancelledBeforeItStartsEndsAtOnce) {
  Open();
  Update(1);
  CallCancel cancel;
  cancel.Cancel();
  EXPECT_EQ(client_
                ->Generate(
                    Endless(1), kLong, [](v1::Episode) {}, &cancel)
                .code(),
            absl::StatusCode::kCancelled);
}

TEST_F(ServiceTest, AWorkerThatIsAwayShowsAsUnavailableWithItsAddress) {
  Open();
  RolloutClient nobody("127.0.0.1:1");
  const absl::Status status = nobody.Generate(Request(1, 1, 1), kLong, [](v1::Episode) {});
  EXPECT_EQ(status.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(std::string(status.message()), HasSubstr("127.0.0.1:1"));
}

// A worker that serves two runs with different models.
class TwoRunsTest : public ::testing::Test {
 protected:
  // One run with all that computes for it.
  struct OpenRun {
    OpenRun(std::string run, int hidden, uint64_t weights_seed)
        : name(std::move(run)),
          config([hidden] {
            model::ModelConfig made = TinyConfig();
            made.eos_token_ids.clear();
            made.hidden_size = hidden;
            return made;
          }()),
          layout(config),
          seed(weights_seed),
          device(kernels::OpenCpuDevice(1)),
          engine({config, layout, tokenizer.get(), *device}, {}),
          follower(layout, kThisHost, *device) {
      loop->Start(engine, &follower);
    }
    ~OpenRun() { loop->Stop(); }

    v1::WeightsManifest Version(int64_t version) const {
      v1::WeightsManifest manifest =
          Publish(layout, LivelyValues(config, layout, seed + version), version,
                  TemporaryPath(absl::StrCat(name, "-v", version)));
      manifest.set_run(name);
      return manifest;
    }

    const std::string name;
    const model::ModelConfig config;
    const model::ParameterLayout layout;
    const uint64_t seed;
    const std::unique_ptr<model::Tokenizer> tokenizer = ByteTokenizer();
    const std::unique_ptr<kernels::Device> device;
    Engine engine;
    const WeightFollower follower;
    const std::shared_ptr<EngineLoop> loop = std::make_shared<EngineLoop>(64);
  };

  void SetUp() override {
    service_ = MakeRolloutService(runs_);
    auto listening = Listen("127.0.0.1:0", {service_.get()});
    ASSERT_TRUE(listening.ok()) << listening.status();
    listening_ = *std::move(listening);
    client_ = std::make_unique<RolloutClient>(listening_.address);
  }
  void TearDown() override {
    for (const std::string& run : runs_.names()) runs_.Close(run)->Stop();
    listening_.server->Shutdown(absl::ToChronoTime(absl::Now() + absl::Seconds(2)));
  }

  std::unique_ptr<OpenRun> Open(const std::string& name, int hidden, uint64_t seed) {
    auto run = std::make_unique<OpenRun>(name, hidden, seed);
    runs_.Open(name, run->loop);
    const auto updated = client_->UpdateWeights(run->Version(1), kLong);
    EXPECT_TRUE(updated.ok()) << updated.status();
    return run;
  }
  static v1::GenerateRequest Request(const std::string& run, int max_tokens = 16) {
    v1::GenerateRequest request;
    request.set_run(run);
    request.mutable_prompt()->set_text("What is 2+2?");
    request.add_samples(0);
    request.add_samples(1);
    request.mutable_sampling()->set_temperature(1.0);
    request.mutable_sampling()->set_max_tokens(max_tokens);
    request.set_version(1);
    return request;
  }
  absl::StatusOr<std::map<int, std::string>> Generate(const v1::GenerateRequest& request) {
    std::map<int, std::string> episodes;
    const absl::Status status = client_->Generate(request, kLong, [&](v1::Episode episode) {
      episodes[episode.sample()] = episode.SerializeAsString();
    });
    if (!status.ok()) return status;
    return episodes;
  }
  // Until `run` computes.
  static void AwaitProgress(const OpenRun& run) {
    const int64_t before = run.loop->progress().load();
    while (run.loop->progress().load() == before) absl::SleepFor(absl::Milliseconds(1));
  }

  EngineDirectory runs_;
  std::unique_ptr<grpc::Service> service_;
  ListeningServer listening_;
  std::unique_ptr<RolloutClient> client_;
};

TEST_F(TwoRunsTest, TheBitsOfARunAreTheSameWhetherAnotherRunsBesideItOrNot) {
  const auto first = Open("first", 32, 100);
  const auto alone = Generate(Request("first"));
  ASSERT_TRUE(alone.ok()) << alone.status();
  const auto second = Open("second", 48, 200);
  CallCancel cancel;
  std::thread busy([&] {
    EXPECT_TRUE(absl::IsCancelled(client_->Generate(
        Request("second", 1 << 20), kLong, [](v1::Episode) {}, &cancel)));
  });
  AwaitProgress(*second);
  const auto beside = Generate(Request("first"));
  const auto others = Generate(Request("second"));
  cancel.Cancel();
  busy.join();
  ASSERT_TRUE(beside.ok()) << beside.status();
  EXPECT_EQ(*beside, *alone);
  ASSERT_TRUE(others.ok()) << others.status();
  EXPECT_NE(*others, *alone);
}

TEST_F(TwoRunsTest, EachRunHasItsOwnVersion) {
  const auto first = Open("first", 32, 100);
  const auto second = Open("second", 48, 200);
  const auto updated = client_->UpdateWeights(first->Version(2), kLong);
  ASSERT_TRUE(updated.ok()) << updated.status();
  EXPECT_EQ(Generate(Request("first")).status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_TRUE(Generate(Request("second")).ok());
  v1::WeightsManifest mistaken = first->Version(3);
  mistaken.set_run("second");
  EXPECT_EQ(client_->UpdateWeights(mistaken, kLong).status().code(),
            absl::StatusCode::kFailedPrecondition);
}

TEST_F(TwoRunsTest, ARequestFindsItsRunOrIsToldWhichThereAre) {
  const auto refused = [&](const std::string& run) { return Generate(Request(run)).status(); };
  EXPECT_EQ(refused("").code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(refused("first").code(), absl::StatusCode::kNotFound);
  runs_.Expect({"first", "second"});
  EXPECT_EQ(refused("first").code(), absl::StatusCode::kUnavailable) << "it is being opened";
  EXPECT_THAT(std::string(refused("first").message()), HasSubstr("\"first\" is not open"));
  const auto first = Open("first", 32, 100);
  EXPECT_TRUE(Generate(Request("first")).ok());
  EXPECT_EQ(refused("second").code(), absl::StatusCode::kUnavailable);

  const auto second = Open("second", 48, 200);
  const absl::Status nameless = refused("");
  EXPECT_EQ(nameless.code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(nameless.message()), HasSubstr("\"first\", \"second\""));
  const absl::Status unknown = refused("third");
  EXPECT_EQ(unknown.code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(unknown.message()), HasSubstr("\"first\", \"second\""));
  v1::MeasureRequest measure = MeasureOf("p", {"a"});
  EXPECT_EQ(client_->Measure(measure, kLong).status().code(), absl::StatusCode::kInvalidArgument);
  measure.set_run("second");
  EXPECT_TRUE(client_->Measure(measure, kLong).ok());

  runs_.Expect({"second"});
  runs_.Close("first")->Stop();
  EXPECT_TRUE(Generate(Request("")).ok()) << "the only run needs no name";
}

TEST_F(TwoRunsTest, ClosingARunEndsItsCallsAndLeavesTheOtherAlone) {
  auto first = Open("first", 32, 100);
  const auto second = Open("second", 48, 200);
  const auto before = Generate(Request("second"));
  absl::Status ended;
  std::thread busy(
      [&] { ended = client_->Generate(Request("first", 1 << 20), kLong, [](v1::Episode) {}); });
  AwaitProgress(*first);
  runs_.Close("first")->Stop();
  first.reset();
  busy.join();
  EXPECT_EQ(ended.code(), absl::StatusCode::kUnavailable) << ended;
  EXPECT_EQ(Generate(Request("first")).status().code(), absl::StatusCode::kNotFound);
  const auto after = Generate(Request("second"));
  ASSERT_TRUE(before.ok() && after.ok()) << after.status();
  EXPECT_EQ(*after, *before);
}

}  // namespace
}  // namespace temper::rollout
