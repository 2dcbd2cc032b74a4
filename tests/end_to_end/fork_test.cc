// A fork goes on as its parent did, to the bit, until something in it is changed.
#include <filesystem>
#include <string>

#include "base/file.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/end_to_end/program.h"

namespace temper::end_to_end {
namespace {

using ::testing::HasSubstr;

class ForkTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    folder_ = new std::string(::testing::TempDir() + "/temper_fork_test");
    ASSERT_TRUE(RemoveAll(*folder_).ok());
    const std::string spec = WriteTinyJob(*folder_, R"("kl": 0.05, )");
    const Outcome outcome = Temper({"run", spec, "--dir", Dir("parent"), "--set", "steps=6",
                                    "--set", "checkpoint.every=1", "--set", "checkpoint.keep=0"});
    ASSERT_EQ(outcome.exit_code, 0) << outcome.errors;
    expected_ = new std::string(FinalModelSha256(Dir("parent")));
    ASSERT_EQ(expected_->size(), 64u);
  }
  static void TearDownTestSuite() { EXPECT_TRUE(RemoveAll(*folder_).ok()); }

  static std::string Dir(const std::string& name) { return *folder_ + "/" + name; }

  static Outcome Fork(const std::string& run, const std::string& step, const std::string& name,
                      const std::string& setting = "") {
    std::vector<std::string> arguments = {"fork", Dir(run), "--at", step, "--name", name};
    if (!setting.empty()) arguments.insert(arguments.end(), {"--set", setting});
    return Temper(arguments);
  }

  static void RunToTheEnd(const std::string& name) {
    const Outcome outcome = Temper({"run", Dir(name)});
    ASSERT_EQ(outcome.exit_code, 0) << outcome.errors;
    for (const std::string& run : {name, std::string("parent")}) {
      const Outcome audit = Temper({"audit", Dir(run)});
      EXPECT_EQ(audit.exit_code, 0) << run << "\n" << audit.output << audit.errors;
    }
  }

  static std::string* folder_;
  static std::string* expected_;
};

std::string* ForkTest::folder_;
std::string* ForkTest::expected_;

TEST_F(ForkTest, WithoutAChangeItEndsWithTheParentsWeights) {
  const Outcome forked = Fork("parent", "2", "same");
  ASSERT_EQ(forked.exit_code, 0) << forked.errors;
  RunToTheEnd("same");
  EXPECT_EQ(FinalModelSha256(Dir("same")), *expected_);
  const Outcome metrics = Temper({"metrics", Dir("same"), "--json"});
  EXPECT_THAT(metrics.output, HasSubstr("\"step\":3"));
  EXPECT_EQ(metrics.output.find("\"step\":2,"), std::string::npos) << metrics.output;
}

TEST_F(ForkTest, WithAnotherLearningRateItEndsElsewhere) {
  const Outcome forked = Fork("parent", "3", "faster", "learning_rate=0.003");
  ASSERT_EQ(forked.exit_code, 0) << forked.errors;
  RunToTheEnd("faster");
  const std::string sha = FinalModelSha256(Dir("faster"));
  EXPECT_EQ(sha.size(), 64u);
  EXPECT_NE(sha, *expected_);
}

// The samples of a synchronous run are exactly on policy: every ratio is 1 and nothing is clipped.
TEST_F(ForkTest, AnotherClipRangeAloneChangesNoBitOfASynchronousRun) {
  const Outcome forked = Fork("parent", "3", "clipped", "clip_high=0.001");
  ASSERT_EQ(forked.exit_code, 0) << forked.errors;
  RunToTheEnd("clipped");
  EXPECT_EQ(FinalModelSha256(Dir("clipped")), *expected_);
}

TEST_F(ForkTest, AForkOutlivesItsParentAndCanBeForkedAgain) {
  std::filesystem::copy(Dir("parent"), Dir("mortal"), std::filesystem::copy_options::recursive);
  const Outcome forked = Fork("mortal", "0", "orphan");
  ASSERT_EQ(forked.exit_code, 0) << forked.errors;
  ASSERT_TRUE(RemoveAll(Dir("mortal")).ok());
  RunToTheEnd("orphan");
  EXPECT_EQ(FinalModelSha256(Dir("orphan")), *expected_);
  const Outcome again = Fork("orphan", "0", "grandchild");
  ASSERT_EQ(again.exit_code, 0) << again.errors;
  RunToTheEnd("grandchild");
  EXPECT_EQ(FinalModelSha256(Dir("grandchild")), *expected_);
}

TEST_F(ForkTest, WhatCannotBeForkedIsRefusedAndLeavesNothing) {
  const struct {
    const char* step;
    const char* setting;
    const char* said;
  } kCases[] = {
      {"7", "", "expected 0 to 6"},
      {"6", "", "set steps=N"},
      {"2", "seed=4", "seed: cannot be changed"},
      {"2", "warm_start.steps=9", "warm_start: cannot be changed"},
      {"2", "name=other", "given its name apart"},
      {"2", "temperature=-1", "temperature"},
      {"2", "dataset.path=none.jsonl", "none.jsonl"},
  };
  for (const auto& each : kCases) {
    const Outcome refused = Fork("parent", each.step, "refused", each.setting);
    EXPECT_EQ(refused.exit_code, 2) << each.said;
    EXPECT_THAT(refused.errors, HasSubstr(each.said));
    EXPECT_FALSE(Exists(Dir("refused"))) << each.said;
  }
  EXPECT_THAT(Fork("parent", "2", "parent").errors, HasSubstr("is there already"));
}

}  // namespace
}  // namespace temper::end_to_end
