// Children live, die and come back.
#include "orchestrator/supervisor.h"

#include <csignal>
#include <thread>

#include "absl/time/clock.h"
#include "base/file.h"
#include "gtest/gtest.h"

namespace temper::orchestrator {
namespace {

class SupervisorTest : public ::testing::Test {
 protected:
  SupervisorTest() : folder_(::testing::TempDir() + "/temper_supervisor_test") {
    EXPECT_TRUE(MakeDirectories(folder_).ok());
  }
  ~SupervisorTest() override { EXPECT_TRUE(RemoveAll(folder_).ok()); }
  std::string Log(const std::string& name) const { return folder_ + "/" + name + ".log"; }

  // Polls for at most ten seconds until `done`.
  template <class Condition>
  absl::Status PollUntil(Supervisor& supervisor, Condition done) {
    const absl::Time give_up = absl::Now() + absl::Seconds(10);
    std::vector<Supervisor::Death> deaths;
    while (absl::Now() < give_up && !done()) {
      const absl::Status status = supervisor.Poll(deaths);
      if (!status.ok()) return status;
      absl::SleepFor(absl::Milliseconds(5));
    }
    return absl::OkStatus();
  }

  SystemClock clock_;
  const std::string folder_;
};

TEST_F(SupervisorTest, StartsAgainWhatWasKilled) {
  Supervisor supervisor("/bin/sleep", clock_);
  ASSERT_TRUE(supervisor.Start({"sleeper", {"100"}, Log("sleeper")}).ok());
  const pid_t first = supervisor.pid("sleeper");
  ASSERT_GT(first, 0);
  kill(first, SIGKILL);
  ASSERT_TRUE(PollUntil(supervisor, [&] {
                return supervisor.pid("sleeper") > 0 && supervisor.pid("sleeper") != first;
              }).ok());
  EXPECT_NE(supervisor.pid("sleeper"), first);
  EXPECT_EQ(supervisor.restarts("sleeper"), 1);
  EXPECT_GT(supervisor.peak_memory("sleeper"), 0);
}

TEST_F(SupervisorTest, GivesUpOnAChildThatKeepsDyingAndShowsItsLog) {
  Supervisor supervisor(
      "/bin/sh", clock_,
      {.deaths_max = 3, .deaths_window = absl::Minutes(1), .pause_max = absl::Milliseconds(60)});
  ASSERT_TRUE(supervisor.Start({"poor", {"-c", "echo no bread; exit 7"}, Log("poor")}).ok());
  const absl::Status status = PollUntil(supervisor, [] { return false; });
  EXPECT_TRUE(absl::IsResourceExhausted(status)) << status;
  EXPECT_NE(status.message().find("exit code 7"), absl::string_view::npos) << status;
  EXPECT_NE(status.message().find("no bread"), absl::string_view::npos) << status;
}

TEST_F(SupervisorTest, EndsTheStubbornByForce) {
  Supervisor supervisor("/bin/sh", clock_);
  ASSERT_TRUE(
      supervisor.Start({"stubborn", {"-c", "trap '' TERM; echo up; sleep 100"}, Log("stubborn")})
          .ok());
  ASSERT_TRUE(PollUntil(supervisor, [&] { return LastLines(Log("stubborn"), 1) == "up"; }).ok());
  const pid_t pid = supervisor.pid("stubborn");
  supervisor.StopAll(absl::Milliseconds(100));
  EXPECT_EQ(supervisor.pid("stubborn"), -1);
  EXPECT_NE(kill(pid, 0), 0);
}

}  // namespace
}  // namespace temper::orchestrator
