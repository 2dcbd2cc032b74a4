// A worker's membership against a controller that only hands out assignments.
#include "orchestrator/cli/worker.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <map>
#include <set>
#include <thread>

#include "absl/time/clock.h"
#include "orchestrator/cli/capabilities.h"
#include "tests/fakes/fake_fleet_service.h"

namespace temper::cli {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

v1::Assignment Assigned(const std::string& name, const std::string& model_dir = "m") {
  v1::Assignment assignment;
  assignment.set_run(name);
  assignment.set_model_dir(model_dir);
  return assignment;
}

// Keeps what it was told; opens what it may.
class KeepingHost final : public RunHost {
 public:
  void Expect(const std::vector<std::string>& runs) override {
    MutexLock lock(mutex_);
    expected_ = {runs.begin(), runs.end()};
  }
  absl::Status Open(const v1::Assignment& assignment) override {
    MutexLock lock(mutex_);
    EXPECT_TRUE(open_.emplace(assignment.run(), assignment.model_dir()).second) << "opened twice";
    ++tries_[assignment.run()];
    EXPECT_TRUE(mutex_.Await(
        Wait::OrFail("the worker", absl::Minutes(1)),
        [&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return !held_.contains(assignment.run()); }));
    if (broken_.contains(assignment.run())) {
      open_.erase(assignment.run());
      return absl::NotFoundError(assignment.model_dir() + ": no such folder");
    }
    mutex_.Changed();
    return absl::OkStatus();
  }
  void Close(const std::string& run) override {
    MutexLock lock(mutex_);
    EXPECT_EQ(open_.erase(run), 1u) << run << " was not open";
  }
  int64_t progress() const override { return ++progress_; }

  void set_held(std::set<std::string> runs) {
    MutexLock lock(mutex_);
    held_ = std::move(runs);
    mutex_.Changed();
  }
  void set_broken(std::set<std::string> runs) {
    MutexLock lock(mutex_);
    broken_ = std::move(runs);
  }
  std::map<std::string, std::string> open() const {
    MutexLock lock(mutex_);
    return open_;
  }
  std::set<std::string> expected() const {
    MutexLock lock(mutex_);
    return expected_;
  }
  int tries(const std::string& run) const {
    MutexLock lock(mutex_);
    const auto found = tries_.find(run);
    return found == tries_.end() ? 0 : found->second;
  }

 private:
  mutable Mutex mutex_;
  std::map<std::string, std::string> open_ ABSL_GUARDED_BY(mutex_);  // name -> model_dir
  std::set<std::string> expected_ ABSL_GUARDED_BY(mutex_), broken_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, int> tries_ ABSL_GUARDED_BY(mutex_);
  std::set<std::string> held_ ABSL_GUARDED_BY(mutex_);  // their Open() waits
  mutable std::atomic<int64_t> progress_{0};
};

class WorkerTest : public ::testing::Test {
 protected:
  ~WorkerTest() override { Stop(); }

  void Start(int runs_max = 4) {
    worker_ = std::thread([this, runs_max] {
      WorkerMembership membership({.controller = controller_.address(),
                                   .role = v1::ROLE_ROLLOUT,
                                   .name = "rollout-0",
                                   .address = "127.0.0.1:9",
                                   .capabilities = OwnCapabilities(runs_max)},
                                  host_, stop_);
      served_ = membership.Serve();
    });
  }
  void Stop() {
    stop_.Stop();
    if (worker_.joinable()) worker_.join();
  }
  // A beat that reports exactly these runs as ready.
  bool AwaitReady(std::vector<std::string> runs) {
    std::ranges::sort(runs);
    return controller_
        .AwaitBeat([&](const v1::HeartbeatRequest& beat) {
          std::vector<std::string> ready(beat.ready().begin(), beat.ready().end());
          std::ranges::sort(ready);
          return ready == runs;
        })
        .has_value();
  }
  std::optional<v1::HeartbeatRequest> AwaitFailed(const std::string& run) {
    return controller_.AwaitBeat(
        [&](const v1::HeartbeatRequest& beat) { return beat.failed().contains(run); });
  }

  fakes::FakeFleetService controller_;
  KeepingHost host_;
  StopToken stop_;
  absl::Status served_;
  std::thread worker_;
};

TEST_F(WorkerTest, SaysWhoItIsAndWhatItCanDo) {
  Start(/*runs_max=*/3);
  ASSERT_TRUE(AwaitReady({}));
  const std::vector<v1::RegisterRequest> registered = controller_.registrations();
  ASSERT_EQ(registered.size(), 1u);
  EXPECT_EQ(registered[0].role(), v1::ROLE_ROLLOUT);
  EXPECT_EQ(registered[0].name(), "rollout-0");
  EXPECT_EQ(registered[0].address(), "127.0.0.1:9");
  EXPECT_NE(registered[0].incarnation(), "");
  const v1::Capabilities& can = registered[0].capabilities();
  EXPECT_EQ(can.host_id(), HostId());
  EXPECT_THAT(can.device(), HasSubstr("cpu "));
  EXPECT_GT(can.threads(), 0);
  EXPECT_GT(can.memory_bytes(), 64 << 20);
  EXPECT_THAT(can.dtypes(), ElementsAre("float32", "bfloat16"));
  EXPECT_EQ(can.runs_max(), 3);
  Stop();
  EXPECT_TRUE(served_.ok()) << served_;
}

TEST_F(WorkerTest, OpensAndClosesAsTheListChanges) {
  controller_.Assign({Assigned("first")});
  Start();
  ASSERT_TRUE(AwaitReady({"first"}));
  controller_.Assign({Assigned("first"), Assigned("second")});
  ASSERT_TRUE(AwaitReady({"first", "second"}));
  EXPECT_THAT(host_.expected(), ElementsAre("first", "second"));
  controller_.Assign({Assigned("second")});
  ASSERT_TRUE(AwaitReady({"second"}));
  EXPECT_THAT(host_.expected(), ElementsAre("second"));
  controller_.Assign({});
  ASSERT_TRUE(AwaitReady({}));
  EXPECT_EQ(host_.tries("first"), 1);
  EXPECT_EQ(host_.tries("second"), 1);
  Stop();
  EXPECT_THAT(host_.open(), IsEmpty());
}

TEST_F(WorkerTest, ARunWhoseAssignmentHasChangedIsOpenedAnew) {
  controller_.Assign({Assigned("first", "old")});
  Start();
  ASSERT_TRUE(AwaitReady({"first"}));
  controller_.Assign({Assigned("first", "new")});
  ASSERT_TRUE(controller_.AwaitBeat([&](const v1::HeartbeatRequest& beat) {
    return host_.tries("first") == 2 && beat.ready_size() == 1;
  }));
  EXPECT_EQ(host_.open()["first"], "new");
  EXPECT_EQ(host_.tries("first"), 2);
}

TEST_F(WorkerTest, StoppingClosesWhatIsOpen) {
  controller_.Assign({Assigned("first"), Assigned("second")});
  Start();
  ASSERT_TRUE(AwaitReady({"first", "second"}));
  Stop();
  EXPECT_THAT(host_.open(), IsEmpty());
  EXPECT_TRUE(served_.ok()) << served_;
}

TEST_F(WorkerTest, BeatsWhileARunIsBeingOpened) {
  host_.set_held({"first"});
  controller_.Assign({Assigned("first")});
  Start();
  int64_t last = 0;
  for (int i = 0; i < 5; ++i) {
    const auto beat = controller_.AwaitBeat([&](const v1::HeartbeatRequest& one) {
      return host_.tries("first") == 1 && one.progress() > last;
    });
    ASSERT_TRUE(beat.has_value());
    EXPECT_THAT(beat->ready(), IsEmpty());
    last = beat->progress();
  }
  EXPECT_THAT(host_.expected(), ElementsAre("first"));
  host_.set_held({});
  EXPECT_TRUE(AwaitReady({"first"}));
}

TEST_F(WorkerTest, ARunThatTakesLongToOpenDelaysNoOther) {
  host_.set_held({"first"});
  controller_.Assign({Assigned("first"), Assigned("second")});
  Start();
  ASSERT_TRUE(AwaitReady({"second"}));
  controller_.Assign({Assigned("first"), Assigned("third")});
  ASSERT_TRUE(AwaitReady({"third"}));
  EXPECT_EQ(host_.tries("first"), 1);
  // Not wanted any more before it is open: closed as soon as it is.
  controller_.Assign({Assigned("third")});
  ASSERT_TRUE(AwaitReady({"third"}));
  host_.set_held({});
  const absl::Time deadline = absl::Now() + absl::Minutes(1);
  while (host_.open().size() > 1 && absl::Now() < deadline) absl::SleepFor(absl::Milliseconds(1));
  EXPECT_EQ(host_.open().size(), 1u);
  EXPECT_EQ(host_.open().count("third"), 1u);
}

TEST_F(WorkerTest, ReportsARunThatCannotBeOpenedAndTriesItAgain) {
  host_.set_broken({"first"});
  controller_.Assign({Assigned("first", "nowhere"), Assigned("second")});
  Start();
  const auto beat = AwaitFailed("first");
  ASSERT_TRUE(beat.has_value());
  EXPECT_EQ(beat->failed().at("first"), "nowhere: no such folder");
  ASSERT_TRUE(AwaitReady({"second"})) << "the other run is served";
  const absl::Time deadline = absl::Now() + absl::Minutes(1);
  while (host_.tries("first") < 3 && absl::Now() < deadline) absl::SleepFor(absl::Milliseconds(1));
  EXPECT_GE(host_.tries("first"), 3);
  host_.set_broken({});
  ASSERT_TRUE(AwaitReady({"first", "second"}));
  const auto after = controller_.AwaitBeat([](const v1::HeartbeatRequest&) { return true; });
  ASSERT_TRUE(after.has_value());
  EXPECT_THAT(after->failed(), IsEmpty());
}

TEST_F(WorkerTest, OpensNoMoreThanItMayAndTheNextWhenThereIsRoom) {
  controller_.Assign({Assigned("first"), Assigned("second"), Assigned("third")});
  Start(/*runs_max=*/2);
  const auto beat = AwaitFailed("third");
  ASSERT_TRUE(beat.has_value());
  EXPECT_THAT(beat->failed().at("third"), HasSubstr("has 2 runs open and takes no more"));
  EXPECT_EQ(host_.tries("third"), 0);
  controller_.Assign({Assigned("second"), Assigned("third")});
  EXPECT_TRUE(AwaitReady({"second", "third"}));
}

TEST_F(WorkerTest, JoinsARestartedControllerWithItsRunsOpen) {
  controller_.Assign({Assigned("first"), Assigned("second")});
  Start();
  ASSERT_TRUE(AwaitReady({"first", "second"}));
  controller_.Forget();
  ASSERT_TRUE(controller_.AwaitRegistrations(2));
  ASSERT_TRUE(AwaitReady({"first", "second"}));
  EXPECT_EQ(host_.tries("first"), 1);
  EXPECT_EQ(host_.tries("second"), 1);
  const std::vector<v1::RegisterRequest> registered = controller_.registrations();
  EXPECT_EQ(registered[0].incarnation(), registered[1].incarnation());
}

TEST(WorkerWithoutControllerTest, KeepsItsRunsWhileTheControllerIsAway) {
  KeepingHost host;
  StopToken stop;
  auto controller = std::make_unique<fakes::FakeFleetService>();
  const std::string address = controller->address();
  controller->Assign({Assigned("first")});
  std::thread worker([&] {
    EXPECT_TRUE(WorkerMembership({.controller = address,
                                  .role = v1::ROLE_LEARNER,
                                  .name = "learner-0",
                                  .address = "127.0.0.1:9",
                                  .capabilities = OwnCapabilities(4)},
                                 host, stop)
                    .Serve()
                    .ok());
  });
  EXPECT_TRUE(controller->AwaitBeat([](const auto& beat) { return beat.ready_size() == 1; }));
  controller.reset();
  controller = std::make_unique<fakes::FakeFleetService>(address);
  controller->Assign({Assigned("first")});
  EXPECT_TRUE(controller->AwaitRegistrations(1));
  EXPECT_TRUE(controller->AwaitBeat([](const auto& beat) { return beat.ready_size() == 1; }));
  EXPECT_EQ(host.tries("first"), 1);
  stop.Stop();
  worker.join();
}

}  // namespace
}  // namespace temper::cli
