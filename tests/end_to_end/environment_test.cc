// Training through a graph: the same bits whoever is killed, exact log-probabilities, clear
// refusals.
#include <csignal>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/file.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "tests/end_to_end/program.h"

namespace temper::end_to_end {
namespace {

using ::testing::AnyOf;
using ::testing::HasSubstr;

std::string Environment(const std::string& graph) {
  return absl::StrCat("\"environment\": {\"graph\": \"", TEMPER_SOURCE_DIR,
                      "/tests/data/environment/", graph, "\"}, ");
}

class EnvironmentTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder_ = new std::string(::testing::TempDir() + "/temper_environment_test");
    ASSERT_TRUE(RemoveAll(*folder_).ok());
    spec_ = new std::string(WriteTinyJob(*folder_, Environment("draft_edit.json")));
    const Outcome outcome = Temper({"run", *spec_, "--dir", Dir("undisturbed"), "--set",
                                    "checkpoint.every=1", "--set", "checkpoint.keep=0"});
    ASSERT_EQ(outcome.exit_code, 0) << outcome.errors;
    expected_ = new std::string(FinalModelSha256(Dir("undisturbed")));
    ASSERT_EQ(expected_->size(), 64u);
  }
  static void TearDownTestSuite() { EXPECT_TRUE(RemoveAll(*folder_).ok()); }

  static std::string Dir(const std::string& name) { return *folder_ + "/" + name; }

  static void ExpectTheSameEnd(const std::string& dir) {
    EXPECT_EQ(FinalModelSha256(dir), *expected_);
    const Outcome audit = Temper({"audit", dir});
    EXPECT_EQ(audit.exit_code, 0) << audit.output << audit.errors;
  }

  void KillAndExpectTheSameEnd(const std::string& victim) {
    const std::string dir = Dir(victim);
    LiveRun run({*spec_, "--dir", dir, "--set", "fleet.rollout_workers=2"});
    int killed = 0, seen = 0;
    while (killed < 3 && run.WaitFor([&](const std::string& event) {
      return event.find("\"stage\":\"policy\"") != std::string::npos && ++seen % 2 == 1;
    })) {
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

std::string* EnvironmentTest::folder_;
std::string* EnvironmentTest::spec_;
std::string* EnvironmentTest::expected_;

TEST_F(EnvironmentTest, EveryStepIsOnPolicyToTheBitAndTellsOfItsRoles) {
  ExpectTheSameEnd(Dir("undisturbed"));
  const Outcome metrics = Temper({"metrics", Dir("undisturbed"), "--json"});
  ASSERT_EQ(metrics.exit_code, 0) << metrics.errors;
  int steps = 0;
  for (const auto line : absl::StrSplit(metrics.output, '\n', absl::SkipEmpty())) {
    const auto step = nlohmann::json::parse(line);
    if (step["stage"] != "policy") continue;
    ++steps;
    if (step.contains("logprob_mismatch")) {
      EXPECT_THAT(step["logprob_mismatch"].dump(), AnyOf("0", "\"0\"")) << line;
    }
    ASSERT_TRUE(step.contains("roles")) << line;
    EXPECT_EQ(step["roles"][0]["role"], "drafter");
  }
  EXPECT_GE(steps, 2);
}

TEST_F(EnvironmentTest, KillingTheControllerChangesNothing) {
  KillAndExpectTheSameEnd("controller");
}
TEST_F(EnvironmentTest, KillingARolloutWorkerChangesNothing) {
  KillAndExpectTheSameEnd("rollout-0");
}

TEST_F(EnvironmentTest, AForkGoesOnAsItsParentDid) {
  const Outcome forked = Temper({"fork", Dir("undisturbed"), "--at", "1", "--name", "same"});
  ASSERT_EQ(forked.exit_code, 0) << forked.errors;
  const Outcome outcome = Temper({"run", Dir("same")});
  ASSERT_EQ(outcome.exit_code, 0) << outcome.errors;
  ExpectTheSameEnd(Dir("same"));
}

TEST_F(EnvironmentTest, AReplayIsRefusedInWords) {
  const Outcome replay = Temper({"replay", Dir("undisturbed"), "--step", "1"});
  EXPECT_NE(replay.exit_code, 0);
  EXPECT_THAT(replay.errors + replay.output, HasSubstr("not yet"));
}

TEST_F(EnvironmentTest, AGraphThatNeedsAnotherServerIsRefusedAtItsPlace) {
  const std::string spec = WriteTinyJob(Dir("foreign"), Environment("foreign.json"));
  const Outcome outcome = Temper({"run", spec, "--dir", Dir("refused")});
  EXPECT_NE(outcome.exit_code, 0);
  EXPECT_THAT(outcome.errors, HasSubstr("foreign.json:3:"));
  EXPECT_THAT(outcome.errors, HasSubstr("not yet"));
}

}  // namespace
}  // namespace temper::end_to_end
