// `temper rollout --model`: a worker without a run, asked over the wire by the client that judges
// use.
#include <signal.h>
#include <sys/wait.h>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/file.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "rollout/rollout_client.h"
#include "tests/end_to_end/program.h"

namespace temper::end_to_end {
namespace {

using ::testing::HasSubstr;

constexpr absl::Duration kLong = absl::Seconds(60);

class LoneWorkerTest : public ::testing::Test {
 protected:
  LoneWorkerTest() : folder_(::testing::TempDir() + "/temper_lone_worker_test") {
    EXPECT_TRUE(RemoveAll(folder_).ok());
    WriteTinyJob(folder_);
  }
  ~LoneWorkerTest() override { EXPECT_TRUE(RemoveAll(folder_).ok()); }

  std::string Path(const std::string& name) const { return folder_ + "/" + name; }

  // A golden reward model with the tokenizer under which its text was valued.
  std::string RewardFolder(const std::string& name) const {
    const std::string made = Path(name);
    std::filesystem::copy(absl::StrCat(TEMPER_TEST_DATA, "/golden/reward/", name), made);
    std::filesystem::copy_file(Path("tokenizer.json"), made + "/tokenizer.json");
    return made;
  }

  static v1::Prompt Text(const std::string& text) {
    v1::Prompt prompt;
    prompt.set_id("p");
    prompt.set_text(text);
    return prompt;
  }

  const std::string folder_;
};

TEST_F(LoneWorkerTest, SamplesAndMeasuresWithTheFoldersOwnWeights) {
  ASSERT_EQ(Temper({"init", Path("config.json"), Path("model"), "--seed", "5"}).exit_code, 0);
  LiveProcess worker({"rollout", "--model", Path("model"), "--threads", "1"});
  const std::string address = worker.Address();
  ASSERT_FALSE(address.empty()) << worker.Errors();
  rollout::RolloutClient client(address);

  v1::GenerateRequest ask;
  *ask.mutable_prompt() = Text("1+2=");
  ask.add_samples(0);
  ask.mutable_sampling()->set_temperature(1.0);
  ask.mutable_sampling()->set_max_tokens(6);
  v1::Episode episode;
  const absl::Status generated =
      client.Generate(ask, kLong, [&](v1::Episode one) { episode = std::move(one); });
  ASSERT_TRUE(generated.ok()) << generated;
  EXPECT_EQ(episode.versions(0), 0);

  // What it sampled, measured again: by `temper score`, and by itself.
  v1::MeasureRequest measure;
  *measure.mutable_prompt() = Text("1+2=");
  measure.add_continuations("#3");
  measure.add_continuations("#4");
  const auto measured = client.Measure(measure, kLong);
  ASSERT_TRUE(measured.ok()) << measured.status();
  EXPECT_EQ(measured->version(), 0);
  EXPECT_FALSE(measured->has_value());
  std::string lines;
  for (const v1::MeasuredContinuation& one : measured->continuations()) {
    nlohmann::json tokens = nlohmann::json::array();
    for (const int32_t token : measured->prompt_tokens()) tokens.push_back(token);
    for (const int32_t token : one.tokens()) tokens.push_back(token);
    lines += nlohmann::json{{"tokens", tokens}}.dump() + "\n";
  }
  ASSERT_TRUE(WriteFileAtomically(Path("lines.jsonl"), lines).ok());
  const Outcome scored = Temper({"score", Path("model"), "--input", Path("lines.jsonl")});
  ASSERT_EQ(scored.exit_code, 0) << scored.errors;
  std::istringstream output(scored.output);
  for (const v1::MeasuredContinuation& one : measured->continuations()) {
    std::string line;
    ASSERT_TRUE(std::getline(output, line));
    const auto logprobs = nlohmann::json::parse(line)["logprobs"].get<std::vector<float>>();
    ASSERT_EQ(one.logprobs_size(), 2);
    ASSERT_GE(logprobs.size(), 2u);
    EXPECT_EQ(one.logprobs(0), logprobs[logprobs.size() - 2]);
    EXPECT_EQ(one.logprobs(1), logprobs.back());
  }

  const absl::Status update = client.UpdateWeights({}, kLong).status();
  EXPECT_EQ(update.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(update.message()), HasSubstr("serves the weights of a model folder"));
  EXPECT_EQ(worker.Stop(), 0) << worker.Errors();
}

TEST_F(LoneWorkerTest, ARewardModelGivesTheValueThatTransformersGives) {
  for (const std::string name : {"llama", "qwen2_tied", "qwen3", "nemotron_h_dense"}) {
    const std::string model = RewardFolder(name);
    LiveProcess worker({"rollout", "--model", model, "--threads", "1"});
    const std::string address = worker.Address();
    ASSERT_FALSE(address.empty()) << worker.Errors();
    rollout::RolloutClient client(address);
    const auto expected =
        nlohmann::json::parse(*ReadFile(Path(name + "/expected.json")), nullptr, false);
    v1::MeasureRequest measure;
    *measure.mutable_prompt() = Text(expected["text"].get<std::string>());
    const auto measured = client.Measure(measure, kLong);
    ASSERT_TRUE(measured.ok()) << measured.status();
    EXPECT_EQ(
        std::vector<int32_t>(measured->prompt_tokens().begin(), measured->prompt_tokens().end()),
        expected["sequences"].back().get<std::vector<int32_t>>());
    ASSERT_TRUE(measured->has_value());
    EXPECT_NEAR(measured->value(), expected["values"].back().get<double>(), 1e-5);

    v1::GenerateRequest ask;
    *ask.mutable_prompt() = measure.prompt();
    ask.add_samples(0);
    ask.mutable_sampling()->set_max_tokens(1);
    const absl::Status generated = client.Generate(ask, kLong, [](v1::Episode) {});
    EXPECT_EQ(generated.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(std::string(generated.message()), HasSubstr("has a reward head"));
  }
}

TEST_F(LoneWorkerTest, VerifiersAskIt) {
  const auto verify = [&](const std::string& verifier, const nlohmann::json& part,
                          const nlohmann::json& line) {
    EXPECT_TRUE(WriteFileAtomically(Path("part.json"), part.dump()).ok());
    EXPECT_TRUE(WriteFileAtomically(Path("asked.jsonl"), line.dump() + "\n").ok());
    const Outcome outcome = Temper({"verify", "--verifier", verifier, "--config", Path("part.json"),
                                    "--input", Path("asked.jsonl")});
    return nlohmann::json::parse(outcome.output, nullptr, false);
  };
  const std::string model = RewardFolder("llama");
  const auto expected = nlohmann::json::parse(*ReadFile(model + "/expected.json"), nullptr, false);
  LiveProcess values({"rollout", "--model", model, "--threads", "1"});
  const std::string text = expected["text"].get<std::string>();
  const nlohmann::json valued =
      verify("reward_model", {{"reward_model", {{"rollout", values.Address()}, {"plain", true}}}},
             {{"prompt", text.substr(0, 4)}, {"response", text.substr(4)}});
  const double value = expected["values"].back().get<double>();
  EXPECT_NEAR(valued.value("score", -1.0), 1 / (1 + std::exp(-value)), 1e-5) << valued;

  // A model that has learnt nothing gives no verdict, and no verdict is no score.
  ASSERT_EQ(Temper({"init", Path("config.json"), Path("model"), "--seed", "5"}).exit_code, 0);
  LiveProcess judge({"rollout", "--model", Path("model"), "--threads", "1"});
  const std::string address = judge.Address();
  const nlohmann::json shares = verify(
      "judge",
      {{"judge",
        {{"endpoint", {{"rollout", address}}}, {"mode", "yes_no"}, {"principle", "It is short."}}}},
      {{"prompt", "1+2="}, {"response", "3"}});
  EXPECT_EQ(shares.value("verdict", ""), "internal_error") << shares;
  EXPECT_THAT(shares.value("reason", ""), HasSubstr("answers neither Yes nor No")) << shares;
  const nlohmann::json graded =
      verify("judge", {{"judge", {{"endpoint", {{"rollout", address}}}, {"max_tokens", 8}}}},
             {{"prompt", "1+2="}, {"response", "3"}});
  EXPECT_EQ(graded.value("verdict", ""), "internal_error") << graded;
  EXPECT_THAT(graded.value("reason", ""), HasSubstr("the judge's reply has no verdict")) << graded;
  EXPECT_FALSE(graded.contains("score"));
}

TEST_F(LoneWorkerTest, ARewardModelIsShownAndRefusedWhereTokensAreWanted) {
  const std::string model = RewardFolder("llama");
  EXPECT_THAT(Temper({"inspect", model}).output, HasSubstr("reward head, 1 value"));
  for (const std::vector<std::string>& command :
       std::vector<std::vector<std::string>>{{"generate", model, "--prompt", "1+2="},
                                             {"score", model, "--input", Path("problems.jsonl")},
                                             {"bench", "prefill", "--model", model},
                                             {"run", Path("spec.json"), "--dir", Path("run"),
                                              "--set", "init=", "--set", "model=" + model}}) {
    const Outcome outcome = Temper(command);
    EXPECT_EQ(outcome.exit_code, 2) << command[0];
    EXPECT_THAT(outcome.errors, HasSubstr("has a reward head")) << command[0];
  }
}

TEST_F(LoneWorkerTest, ABadChoiceIsRefusedBeforeAnythingIsServed) {
  for (const std::vector<std::string>& command : std::vector<std::vector<std::string>>{
           {"rollout"}, {"rollout", "--model", "m", "--controller", "127.0.0.1:1"}}) {
    const Outcome outcome = Temper(command);
    EXPECT_EQ(outcome.exit_code, 2);
    EXPECT_THAT(outcome.errors, HasSubstr("expected exactly one of --controller"));
  }
  const Outcome missing = Temper({"rollout", "--model", Path("nowhere")});
  EXPECT_NE(missing.exit_code, 0);
  EXPECT_THAT(missing.errors, HasSubstr("nowhere: no such folder"));
  EXPECT_THAT(missing.errors, ::testing::Not(HasSubstr("serving")));
}

}  // namespace
}  // namespace temper::end_to_end
