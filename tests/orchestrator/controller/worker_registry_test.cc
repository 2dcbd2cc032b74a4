#include "orchestrator/controller/worker_registry.h"

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace temper::orchestrator {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class WorkerRegistryTest : public testing::Test {
 protected:
  WorkerRegistryTest()
      : registry_({.host_id = "here"},
                  {.on_joined =
                       [this](const std::string& run, const WorkerJoined& joined) {
                         if (deaf_) return false;
                         told_.push_back(absl::StrCat(run, " + ", joined.name));
                         return true;
                       },
                   .on_lost =
                       [this](const std::string& run, const WorkerLost& lost) {
                         told_.push_back(absl::StrCat(run, " - ", lost.name, ": ", lost.reason,
                                                      lost.crashed ? " (crashed)" : ""));
                       }}) {}

  v1::RegisterResponse Register(const std::string& name, const std::string& incarnation,
                                v1::Role role = v1::ROLE_ROLLOUT) {
    v1::RegisterRequest request;
    request.set_role(role);
    request.set_name(name);
    request.set_incarnation(incarnation);
    request.set_address("127.0.0.1:1");
    request.set_pid(4242);
    request.mutable_capabilities()->set_runs_max(4);
    v1::RegisterResponse response;
    EXPECT_TRUE(registry_.Register(request, now_, response).ok());
    return response;
  }
  absl::Status Beat(const std::string& name, const std::string& incarnation,
                    std::vector<std::string> ready) {
    v1::HeartbeatRequest request;
    request.set_name(name);
    request.set_incarnation(incarnation);
    request.mutable_ready()->Assign(ready.begin(), ready.end());
    beat_.Clear();
    return registry_.Heartbeat(request, now_, beat_);
  }
  void AddRun(const std::string& run) {
    v1::Assignment assignment;
    assignment.set_run(run);
    assignment.set_run_dir("the/dir");
    registry_.AddRun(assignment);
  }
  std::vector<std::string> Told() { return std::exchange(told_, {}); }

  absl::Duration now_ = absl::Seconds(100);
  bool deaf_ = false;  // the runs take nothing now
  std::vector<std::string> told_;
  v1::HeartbeatResponse beat_;
  WorkerRegistry registry_;
};

TEST_F(WorkerRegistryTest, ARunHearsOfAWorkerOnceItIsOpenThere) {
  EXPECT_EQ(Register("w", "1").assignments_size(), 0);
  AddRun("r");
  ASSERT_TRUE(Beat("w", "1", {}).ok());
  ASSERT_EQ(beat_.assignments_size(), 1);
  EXPECT_EQ(beat_.assignments(0).run(), "r");
  EXPECT_EQ(beat_.assignments(0).run_dir(), "");  // for learners only
  EXPECT_THAT(Told(), IsEmpty());
  ASSERT_TRUE(Beat("w", "1", {"r"}).ok());
  ASSERT_TRUE(Beat("w", "1", {"r"}).ok());
  EXPECT_THAT(Told(), ElementsAre("r + w"));
}

TEST_F(WorkerRegistryTest, ARunThatDidNotListenIsToldAtTheNextBeat) {
  AddRun("r");
  Register("w", "1");
  deaf_ = true;
  ASSERT_TRUE(Beat("w", "1", {"r"}).ok());
  EXPECT_THAT(Told(), IsEmpty());
  deaf_ = false;
  ASSERT_TRUE(Beat("w", "1", {"r"}).ok());
  ASSERT_TRUE(Beat("w", "1", {"r"}).ok());
  EXPECT_THAT(Told(), ElementsAre("r + w"));
}

TEST_F(WorkerRegistryTest, SilenceAnExitAndANewLifeAreLosses) {
  AddRun("r");
  Register("w", "1");
  ASSERT_TRUE(Beat("w", "1", {"r"}).ok());
  now_ += absl::Seconds(11);
  registry_.FindSilent(now_);
  EXPECT_EQ(Beat("w", "1", {"r"}).code(), absl::StatusCode::kNotFound);
  Register("w", "1");
  ASSERT_TRUE(Beat("w", "1", {"r"}).ok());
  v1::ReportExitRequest exit;
  exit.set_name("w");
  exit.set_pid(4242);
  exit.set_reason("killed by signal 11");
  exit.set_crashed(true);
  registry_.ReportExit(exit);
  registry_.ReportExit(exit);
  Register("w", "2");
  ASSERT_TRUE(Beat("w", "2", {"r"}).ok());
  Register("w", "3");
  EXPECT_THAT(Told(), ElementsAre("r + w", "r - w: no heartbeat", "r + w",
                                  "r - w: killed by signal 11 (crashed)", "r + w",
                                  "r - w: it was started anew"));
  EXPECT_EQ(registry_.Describe(now_).at(0).restarts(), 2);
}

TEST_F(WorkerRegistryTest, ACordonedWorkerLosesItsRunsAndGetsThemBack) {
  AddRun("r");
  Register("w", "1");
  ASSERT_TRUE(Beat("w", "1", {"r"}).ok());
  ASSERT_TRUE(registry_.Cordon("w", true, "by ann").ok());
  EXPECT_TRUE(registry_.Describe(now_).at(0).cordoned());
  ASSERT_TRUE(Beat("w", "1", {"r"}).ok());
  EXPECT_EQ(beat_.assignments_size(), 0);
  ASSERT_TRUE(registry_.Cordon("w", false, "").ok());
  ASSERT_TRUE(Beat("w", "1", {"r"}).ok());
  EXPECT_THAT(Told(), ElementsAre("r + w", "r - w: cordoned: by ann", "r + w"));
  const absl::Status unknown = registry_.Cordon("v", true, "");
  EXPECT_EQ(unknown.code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(unknown.message()), HasSubstr("\"v\" is not known here"));
}

TEST_F(WorkerRegistryTest, ARunThatCannotBeOpenedIsAWaitWithTheReason) {
  AddRun("r");
  Register("w", "1");
  v1::HeartbeatRequest request;
  request.set_name("w");
  request.set_incarnation("1");
  (*request.mutable_failed())["r"] = "out of memory";
  v1::HeartbeatResponse response;
  ASSERT_TRUE(registry_.Heartbeat(request, now_, response).ok());
  v1::ListWaitsResponse waits;
  registry_.AddWaits(now_ + absl::Seconds(3), waits);
  ASSERT_EQ(waits.waits_size(), 1);
  EXPECT_THAT(waits.waits(0).name(), HasSubstr("w opens run r; last try: out of memory"));
  EXPECT_EQ(waits.waits(0).age_seconds(), 3);
}

}  // namespace
}  // namespace temper::orchestrator
