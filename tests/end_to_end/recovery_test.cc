// Whoever does the work and whoever is killed meanwhile, the final weights are the same bits.
#include <csignal>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/file.h"
#include "gtest/gtest.h"
#include "tests/end_to_end/program.h"

namespace temper::end_to_end {
namespace {

bool IsStep(const std::string& event) {
  return event.find("\"reward_mean\"") != std::string::npos &&
         event.find("\"stage\":\"policy\"") != std::string::npos;
}

// A dead process that nobody has reaped yet is dead.
bool IsAlive(pid_t pid) {
  const auto status = ReadFile(absl::StrCat("/proc/", pid, "/status"));
  return status.ok() && status->find("State:\tZ") == std::string::npos;
}

class RecoveryTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder_ = new std::string(::testing::TempDir() + "/temper_recovery_test");
    ASSERT_TRUE(RemoveAll(*folder_).ok());
    spec_ = new std::string(WriteTinyJob(*folder_));
    const std::string dir = *folder_ + "/undisturbed";
    const Outcome outcome = Temper({"run", *spec_, "--dir", dir});
    ASSERT_EQ(outcome.exit_code, 0) << outcome.errors;
    expected_ = new std::string(FinalModelSha256(dir));
    ASSERT_EQ(expected_->size(), 64u);
  }
  static void TearDownTestSuite() { EXPECT_TRUE(RemoveAll(*folder_).ok()); }

  std::string Dir(const std::string& name) const { return *folder_ + "/" + name; }

  static void ExpectTheSameEnd(const std::string& dir) {
    EXPECT_EQ(FinalModelSha256(dir), *expected_);
    const Outcome audit = Temper({"audit", dir});
    EXPECT_EQ(audit.exit_code, 0) << audit.output << audit.errors;
  }

  // Kills `victim` in the middle of three different steps.
  void KillAndExpectTheSameEnd(const std::string& victim) {
    const std::string dir = Dir(victim);
    LiveRun run({*spec_, "--dir", dir, "--set", "fleet.rollout_workers=2"});
    int killed = 0, seen = 0;
    while (killed < 3 && run.WaitFor([&](const std::string& event) {
      return IsStep(event) && ++seen % 3 == 1;
    })) {
      absl::SleepFor(absl::Milliseconds(3 * killed));
      const pid_t pid = run.Child(victim);
      if (pid > 0 && kill(pid, SIGKILL) == 0) ++killed;
    }
    const Outcome outcome = run.Wait();
    EXPECT_EQ(outcome.exit_code, 0) << outcome.errors;
    EXPECT_GE(killed, 1);
    ExpectTheSameEnd(dir);
  }

  static std::string* folder_;
  static std::string* spec_;
  static std::string* expected_;
};

std::string* RecoveryTest::folder_;
std::string* RecoveryTest::spec_;
std::string* RecoveryTest::expected_;

TEST_F(RecoveryTest, TwoAndThreeRolloutWorkersMakeTheSameModel) {
  for (const int workers : {2, 3}) {
    const std::string dir = Dir(absl::StrCat("workers-", workers));
    const Outcome outcome = Temper(
        {"run", *spec_, "--dir", dir, "--set", absl::StrCat("fleet.rollout_workers=", workers)});
    ASSERT_EQ(outcome.exit_code, 0) << outcome.errors;
    ExpectTheSameEnd(dir);
  }
}

TEST_F(RecoveryTest, KillingARolloutWorkerChangesNothing) { KillAndExpectTheSameEnd("rollout-0"); }
TEST_F(RecoveryTest, KillingTheLearnerChangesNothing) { KillAndExpectTheSameEnd("learner-0"); }
TEST_F(RecoveryTest, KillingTheRewardServiceChangesNothing) { KillAndExpectTheSameEnd("reward-0"); }
TEST_F(RecoveryTest, KillingTheControllerChangesNothing) { KillAndExpectTheSameEnd("controller"); }

TEST_F(RecoveryTest, KillingTheWholeRunLeavesNoProcessAndResumes) {
  const std::string dir = Dir("whole");
  for (int kills = 0; kills < 2; ++kills) {
    LiveRun run({*spec_, "--dir", dir});
    int seen = 0;
    ASSERT_TRUE(run.WaitFor(
        [&](const std::string& event) { return IsStep(event) && ++seen > 3 * kills + 1; }));
    const std::vector<pid_t> children = run.Children();
    EXPECT_EQ(children.size(), 4u);
    kill(run.pid(), SIGKILL);
    EXPECT_EQ(run.Wait().exit_code, 128 + SIGKILL);
    absl::SleepFor(absl::Milliseconds(200));
    for (const pid_t child : children) EXPECT_FALSE(IsAlive(child)) << child;
  }
  const Outcome outcome = Temper({"run", dir});
  ASSERT_EQ(outcome.exit_code, 0) << outcome.errors;
  ExpectTheSameEnd(dir);
}

TEST_F(RecoveryTest, AnInterruptStopsAtASafePointAndTheRunGoesOn) {
  const std::string dir = Dir("interrupted");
  {
    LiveRun run({*spec_, "--dir", dir});
    ASSERT_TRUE(run.WaitFor(IsStep));
    kill(run.pid(), SIGINT);
    const Outcome outcome = run.Wait();
    EXPECT_EQ(outcome.exit_code, 1) << outcome.errors;
    EXPECT_NE(outcome.errors.find("goes on"), std::string::npos) << outcome.errors;
  }
  const Outcome outcome = Temper({"run", *spec_, "--dir", dir});
  ASSERT_EQ(outcome.exit_code, 0) << outcome.errors;
  ExpectTheSameEnd(dir);
}

}  // namespace
}  // namespace temper::end_to_end
