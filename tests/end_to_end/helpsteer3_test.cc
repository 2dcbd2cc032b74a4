// The whole recipe with the real program, tiny: feedback SFT, edit SFT, edit reward model, edit
// RLOO.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <filesystem>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/file.h"
#include "tests/end_to_end/program.h"

namespace temper::end_to_end {
namespace {

using Json = nlohmann::json;
using testing::HasSubstr;

constexpr char kTemplate[] =
    "{% for m in messages %}{{ m.role[0] }}:{{ m.content }}</s>{% endfor %}"
    "{% if add_generation_prompt %}a:{% endif %}";

class HelpSteer3Test : public testing::Test {
 protected:
  void SetUp() override {
    std::string name = testing::TempDir() + "/temper_helpsteer3_XXXXXX";
    ASSERT_NE(mkdtemp(name.data()), nullptr);
    folder_ = name;
    WriteTinyJob(folder_ + "/source");
    ASSERT_TRUE(WriteFileAtomically(folder_ + "/source/chat_template.jinja", kTemplate).ok());
    const Outcome made =
        Temper({"init", folder_ + "/source/config.json", folder_ + "/model", "--seed", "3"});
    ASSERT_EQ(made.exit_code, 0) << made.errors;
  }
  void TearDown() override { EXPECT_TRUE(RemoveAll(folder_).ok()); }

  Outcome WriteJobs(const std::string& reward_model = "127.0.0.1:7071") {
    return Temper({"recipe", "helpsteer3", "--data", TEMPER_TEST_DATA "/helpsteer3", "--out",
                   folder_, "--model", folder_ + "/model", "--turns",
                   TEMPER_SOURCE_DIR "/examples/graphs/helpsteer3", "--batch", "2",
                   "--reward-model", reward_model});
  }
  std::vector<std::string> Command(const std::string& spec, const std::string& run,
                                   const std::vector<std::string>& settings) {
    std::vector<std::string> command = {folder_ + "/" + spec, "--dir", DirOf(run)};
    for (const std::string& setting : settings) {
      command.insert(command.end(), {"--set", setting});
    }
    return command;
  }
  std::string DirOf(const std::string& run) const { return folder_ + "/runs/helpsteer3-" + run; }

  // The run's step events, once it has ended well.
  static std::vector<Json> StepsOf(const Outcome& outcome) {
    EXPECT_EQ(outcome.exit_code, 0) << outcome.errors << outcome.output;
    std::vector<Json> steps;
    for (const auto line : absl::StrSplit(outcome.output, '\n', absl::SkipEmpty())) {
      const Json event = Json::parse(std::string(line), nullptr, /*allow_exceptions=*/false);
      if (event.is_object() && event.contains("step")) steps.push_back(event["step"]);
    }
    EXPECT_FALSE(steps.empty()) << outcome.output;
    return steps;
  }
  std::vector<Json> Run(const std::string& spec, const std::string& run,
                        const std::vector<std::string>& settings) {
    LiveRun live(Command(spec, run, settings));
    return StepsOf(live.Wait());
  }

  std::string folder_;
};

const std::vector<std::string> kRewardModelSettings = {
    "warm_start.steps=36", "warm_start.learning_rate=0.01", "warm_start.held_out.every=12"};

TEST_F(HelpSteer3Test, FourStagesFollowEachOther) {
  const Outcome written = WriteJobs();
  ASSERT_EQ(written.exit_code, 0) << written.errors;
  EXPECT_THAT(written.output, HasSubstr("temper run 4-edit-rloo.json"));

  const auto feedback =
      Run("1-feedback-sft.json", "feedback-sft", {"warm_start.learning_rate=0.01"});
  EXPECT_EQ(feedback.size(), 8u);  // 8 records, 2 responses, batches of 2
  EXPECT_LT(feedback.back()["loss"], feedback.front()["loss"]);
  const auto edit = Run("2-edit-sft.json", "edit-sft", {"warm_start.learning_rate=0.01"});
  EXPECT_EQ(edit.size(), 18u);  // 6 records in 3! orders
  EXPECT_LT(edit.back()["loss"], edit.front()["loss"]);

  const auto reward = Run("3-edit-reward-model.json", "edit-reward-model", kRewardModelSettings);
  ASSERT_EQ(reward.size(), 36u);
  double accuracy = 0;
  for (size_t i = reward.size() - 6; i < reward.size(); ++i) {
    accuracy += reward[i]["pair_accuracy"].get<double>() / 6;
  }
  EXPECT_GT(accuracy, 0.75);  // chance: 0.5
  EXPECT_LT(reward.back()["loss"], 0.69);
  EXPECT_GT(reward.back()["pair_margin"], 0.0);
  EXPECT_TRUE(reward.back().contains("held_out_accuracy"));
  EXPECT_TRUE(reward[11].contains("held_out_accuracy"));
  EXPECT_FALSE(reward[10].contains("held_out_accuracy"));

  LiveProcess served({"rollout", "--model", DirOf("edit-reward-model") + "/checkpoints/step-000036",
                      "--threads", "1"});
  const std::string address = served.Address();
  ASSERT_NE(address, "") << served.Errors();
  ASSERT_EQ(WriteJobs(address).exit_code, 0);
  const auto rloo = Run("4-edit-rloo.json", "edit-rloo", {"max_tokens=16", "learning_rate=0.001"});
  ASSERT_EQ(rloo.size(), 3u);
  for (const Json& step : rloo) {
    EXPECT_EQ(step["logprob_mismatch"], 0);
    EXPECT_GT(step["reward_mean"], 0.0);
    EXPECT_LT(step["reward_mean"], 1.0);
  }
  EXPECT_EQ(served.Stop(), 0);
}

TEST_F(HelpSteer3Test, ARewardModelSurvivesKillsWithTheSameBits) {
  ASSERT_EQ(WriteJobs().exit_code, 0);
  const std::string spec = "3-edit-reward-model.json";
  Run(spec, "whole", kRewardModelSettings);
  {
    LiveRun live(Command(spec, "killed", kRewardModelSettings));
    const auto at = [](const std::string& step) {
      return [step](const std::string& event) {
        return event.find("\"step\":" + step + ",") != std::string::npos;
      };
    };
    ASSERT_TRUE(live.WaitFor(at("5")));
    kill(live.Child("learner"), SIGKILL);
    ASSERT_TRUE(live.WaitFor(at("14")));
    kill(live.pid(), SIGKILL);  // everything
  }
  LiveRun again({DirOf("killed")});
  const Outcome outcome = again.Wait();
  EXPECT_EQ(outcome.exit_code, 0) << outcome.errors;
  const std::string whole = FinalModelSha256(DirOf("whole"));
  EXPECT_NE(whole, "");
  EXPECT_EQ(FinalModelSha256(DirOf("killed")), whole);
}

TEST_F(HelpSteer3Test, WhatCannotBeMeantIsSaidBeforeAnythingRuns) {
  ASSERT_EQ(WriteJobs().exit_code, 0);
  const auto refusal = [&](const std::vector<std::string>& settings) {
    std::vector<std::string> command = Command("3-edit-reward-model.json", "none", settings);
    command.insert(command.begin(), "run");
    const Outcome outcome = Temper(command);
    EXPECT_EQ(outcome.exit_code, 2) << outcome.errors;
    return outcome.errors;
  };
  EXPECT_THAT(refusal({"warm_start.objective=reward"}), HasSubstr("warm_start.objective"));
  EXPECT_THAT(refusal({"warm_start.preference_loss=scaled_bradley_terry"}),
              HasSubstr("edit-pairs.jsonl:1: lacks \"margin\""));
  EXPECT_THAT(refusal({"warm_start.dataset.path=edit-prompts.jsonl"}),
              HasSubstr("lacks \"chosen\""));
  EXPECT_FALSE(Exists(DirOf("none")));
  std::vector<std::string> explain = Command("3-edit-reward-model.json", "none", {});
  explain.insert(explain.begin(), {"run", "--explain"});
  EXPECT_THAT(Temper(explain).output, HasSubstr("log sigmoid(v(chosen) - v(rejected))"));
}

}  // namespace
}  // namespace temper::end_to_end
