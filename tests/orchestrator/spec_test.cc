#include "orchestrator/spec.h"

#include "absl/strings/str_cat.h"
#include "base/json_config.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "orchestrator/train_options.h"
#include "tests/orchestrator/test_folder.h"

namespace temper::orchestrator {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

class SpecTest : public testing::Test {
 protected:
  SpecTest() {
    folder_.Write("rows.jsonl", "{\"prompt\":\"p\",\"answer\":1}\n");
    folder_.Write("config.json", "{}");
  }
  // `more` goes into the object.
  absl::StatusOr<ResolvedSpec> Load(const std::string& more,
                                    const std::vector<std::string>& settings = {}) {
    const std::string path = folder_.Write(
        "spec.json", absl::StrCat("{\"name\": \"t\", \"init\": \"config.json\", \"steps\": 4,",
                                  "\"dataset\": {\"path\": \"rows.jsonl\"},",
                                  "\"rubric\": {\"parts\": [{\"verifier\": \"answer\"}]}",
                                  more.empty() ? "" : ", ", more, "}"));
    return LoadSpec(path, settings);
  }
  std::string Refusal(const std::string& more, const std::vector<std::string>& settings = {}) {
    const auto spec = Load(more, settings);
    EXPECT_FALSE(spec.ok()) << more;
    return std::string(spec.status().message());
  }

  TestFolder folder_;
};

TEST_F(SpecTest, FillsEveryDefault) {
  const auto resolved = Load("");
  ASSERT_TRUE(resolved.ok()) << resolved.status();
  const v1::RunSpec& spec = resolved->spec;
  EXPECT_EQ(spec.algorithm(), "grpo");
  EXPECT_EQ(spec.advantage(), "group_norm");
  EXPECT_EQ(spec.aggregation(), "sequence_mean");
  EXPECT_EQ(spec.prompts_per_step(), 8);
  EXPECT_EQ(spec.group_size(), 8);
  EXPECT_EQ(spec.max_tokens(), 256);
  EXPECT_EQ(spec.clip_high(), 0.2);
  EXPECT_EQ(spec.optimizer().beta2(), 0.95);
  EXPECT_EQ(spec.fleet().rollout_workers(), 1);
  EXPECT_EQ(spec.checkpoint().every(), 10);
  EXPECT_EQ(spec.rubric().parts(0).extract(), "auto");
  EXPECT_EQ(spec.rubric().parts(0).weight(), 1);
  EXPECT_EQ(spec.on_logprob_mismatch(), "stop");
  EXPECT_EQ(spec.dataset().path(), folder_.Path("rows.jsonl"));
  EXPECT_FALSE(spec.has_evaluate());
  EXPECT_EQ(resolved->steps(), 4);
}

TEST_F(SpecTest, APresetGivesWayToWhatIsGiven) {
  const auto resolved = Load("\"algorithm\": \"dapo\", \"aggregation\": \"sequence_mean\"");
  ASSERT_TRUE(resolved.ok()) << resolved.status();
  EXPECT_EQ(resolved->spec.clip_high(), 0.28);
  EXPECT_EQ(resolved->spec.aggregation(), "sequence_mean");
}

TEST_F(SpecTest, SettingsOverrideTheFile) {
  const auto resolved = Load("", {"group_size=4", "fleet.rollout_workers=3", "steps=2"});
  ASSERT_TRUE(resolved.ok()) << resolved.status();
  EXPECT_EQ(resolved->spec.group_size(), 4);
  EXPECT_EQ(resolved->spec.fleet().rollout_workers(), 3);
  EXPECT_EQ(resolved->spec.steps(), 2);
}

TEST_F(SpecTest, NamesEveryBadFieldAtOnce) {
  EXPECT_THAT(Refusal("\"group_size\": 0, \"temperature\": -1, \"algorithm\": \"grop\""),
              AllOf(HasSubstr("group_size: found 0"), HasSubstr("temperature: found -1"),
                    HasSubstr("algorithm: found \"grop\""), HasSubstr("did you mean \"grpo\"?"),
                    HasSubstr("spec.json: ")));
}

TEST_F(SpecTest, RefusesUnknownKeysWithTheNearestName) {
  EXPECT_THAT(Refusal("\"grup_size\": 4"), HasSubstr("did you mean \"group_size\"?"));
}

TEST_F(SpecTest, RefusesWhatContradictsItself) {
  EXPECT_THAT(Refusal("\"model\": \"m\""), HasSubstr("exactly one of them"));
  EXPECT_THAT(Refusal("\"group_size\": 1"), HasSubstr("at least 2 because advantage"));
  EXPECT_THAT(Refusal("\"staleness\": 1"), HasSubstr("only synchronous runs"));
  EXPECT_THAT(Refusal("", {"steps=0"}), HasSubstr("something to do"));
  EXPECT_THAT(Refusal("\"optimizer\": {\"warmup_steps\": -1}"),
              HasSubstr("optimizer.warmup_steps"));
  EXPECT_THAT(Refusal("", {"rubric={\"parts\": []}"}), HasSubstr("rubric.parts: found 0 parts"));
  EXPECT_THAT(Refusal("", {"rubric={\"parts\": [{\"verifier\": \"format\", \"pattern\": \"(\"}]}"}),
              HasSubstr("rubric.parts[0].pattern"));
  EXPECT_THAT(
      Refusal("", {"rubric={\"parts\": [{\"verifier\": \"answer\", \"extract\": \"after\"}]}"}),
      HasSubstr("rubric.parts[0].marker: \"extract\": \"after\" needs"));
  EXPECT_THAT(Refusal("", {"dataset.template=Q"}), HasSubstr("dataset.template: found \"Q\""));
}

TEST_F(SpecTest, SaysThatAFileIsMissing) {
  const auto spec = Load("", {"dataset.path=nowhere.jsonl"});
  EXPECT_EQ(spec.status().code(), absl::StatusCode::kNotFound);
  EXPECT_THAT(std::string(spec.status().message()),
              AllOf(HasSubstr("dataset.path"), HasSubstr("nowhere.jsonl")));
  EXPECT_THAT(Refusal("\"evaluate\": {\"every\": 2}"), HasSubstr("evaluate.path: is missing"));
  EXPECT_EQ(LoadSpec(folder_.Path("no.json"), {}).status().code(), absl::StatusCode::kNotFound);
}

TEST_F(SpecTest, ExplainTellsValuesOriginsAndFormulas) {
  const auto resolved = Load("\"algorithm\": \"dr_grpo\", \"kl\": 0.01, \"group_size\": 4");
  ASSERT_TRUE(resolved.ok()) << resolved.status();
  const std::string text = Explain(*resolved);
  EXPECT_THAT(text, testing::ContainsRegex("group_size +4 +given"));
  EXPECT_THAT(text, testing::ContainsRegex("max_tokens +256 +default"));
  EXPECT_THAT(text, testing::ContainsRegex("advantage +\"group_mean\" +preset dr_grpo"));
  EXPECT_THAT(text, HasSubstr("A = R - mean within the group"));
  EXPECT_THAT(text, HasSubstr("(episodes x max_tokens)"));
  EXPECT_THAT(text, HasSubstr("0.01 mean k3"));
  EXPECT_THAT(text, Not(HasSubstr("warm start   L")));
}

TEST_F(SpecTest, ARewardModelIsAllThatItsJobMakes) {
  folder_.Write("pairs.jsonl", "{\"prompt\":\"p\",\"chosen\":\"a\",\"rejected\":\"b\"}\n");
  const auto load = [&](const std::string& stage, const std::string& more = "") {
    return LoadSpec(
        folder_.Write("pairs.json", absl::StrCat(R"({"name": "t", "init": "config.json", )", more,
                                                 R"("warm_start": {"dataset": {"path": )",
                                                 R"("pairs.jsonl"}, )", stage, "}}")),
        {});
  };
  const auto refusal = [&](const std::string& stage, const std::string& more = "") {
    const auto spec = load(stage, more);
    EXPECT_FALSE(spec.ok()) << stage;
    return std::string(spec.status().message());
  };
  const std::string kind = "\"objective\": \"reward_model\"";
  const auto plain = load(kind + R"(, "held_out": {"path": "pairs.jsonl"})");
  ASSERT_TRUE(plain.ok()) << plain.status();
  EXPECT_TRUE(plain->makes_reward_model());
  EXPECT_EQ(plain->spec.warm_start().preference_loss(), "bradley_terry");
  EXPECT_EQ(plain->spec.warm_start().held_out().every(), 10);
  EXPECT_THAT(Explain(*plain), AllOf(HasSubstr("of -log sigmoid(v(chosen) - v(rejected))"),
                                     HasSubstr("after every 10th")));
  const auto scaled = load(kind + R"(, "preference_loss": "scaled_bradley_terry")");
  ASSERT_TRUE(scaled.ok()) << scaled.status();
  EXPECT_THAT(Explain(*scaled), HasSubstr("of -margin * log sigmoid"));
  EXPECT_THAT(refusal("\"objective\": \"reward_modl\""),
              HasSubstr("did you mean \"reward_model\"?"));
  EXPECT_THAT(refusal(kind + R"(, "preference_loss": "bt")"), HasSubstr("preference_loss: found"));
  EXPECT_THAT(refusal(kind + R"(, "held_out": {"every": 2})"), HasSubstr("held_out.path"));
  EXPECT_THAT(refusal("\"preference_loss\": \"bradley_terry\""),
              HasSubstr("preference_loss: is present, expected it only with objective"));
  EXPECT_THAT(refusal(kind, R"("steps": 2, "dataset": {"path": "rows.jsonl"},
                                "rubric": {"parts": [{"verifier": "answer"}]}, )"),
              HasSubstr("steps: is present, expected none"));
}

// A run that was started when there was no other objective.
TEST_F(SpecTest, AnOlderWarmStartResumes) {
  const auto now = Load(R"("warm_start": {"dataset": {"path": "rows.jsonl"}})");
  ASSERT_TRUE(now.ok()) << now.status();
  v1::RunSpec before = now->spec;
  before.mutable_warm_start()->clear_objective();
  EXPECT_EQ(CheckResumable(before, now->spec), absl::OkStatus());
}

TEST_F(SpecTest, ARunMayBeResumedWithAnotherFleetButNotWithOtherKnobs) {
  const auto before = Load("");
  const auto other_fleet = Load("", {"fleet.rollout_workers=3", "checkpoint.every=1"});
  const auto other_knob = Load("", {"learning_rate=0.5"});
  ASSERT_TRUE(before.ok() && other_fleet.ok() && other_knob.ok());
  EXPECT_TRUE(CheckResumable(before->spec, other_fleet->spec).ok());
  const absl::Status status = CheckResumable(before->spec, other_knob->spec);
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()), HasSubstr("learning_rate"));
}

TEST_F(SpecTest, AResolvedSpecSurvivesItsOwnJson) {
  const auto before = Load("\"kl\": 0.1, \"stop\": [\"#\"]");
  ASSERT_TRUE(before.ok());
  v1::RunSpec read;
  ASSERT_TRUE(ParseJsonConfig(ToJson(before->spec), "spec", read).ok());
  EXPECT_TRUE(CheckResumable(before->spec, read).ok());
}

TEST(LearningRateTest, WarmsUpAndDecaysToZero) {
  EXPECT_DOUBLE_EQ(LearningRateAt(1, 4, "constant", 10, 0), 0.25);
  EXPECT_DOUBLE_EQ(LearningRateAt(1, 4, "constant", 10, 3), 1);
  EXPECT_DOUBLE_EQ(LearningRateAt(1, 4, "constant", 10, 9), 1);
  EXPECT_DOUBLE_EQ(LearningRateAt(1, 0, "linear", 10, 5), 0.5);
  EXPECT_DOUBLE_EQ(LearningRateAt(2, 0, "cosine", 10, 5), 1);
  EXPECT_DOUBLE_EQ(LearningRateAt(2, 0, "cosine", 10, 0), 2);
  EXPECT_GT(LearningRateAt(1, 2, "linear", 10, 9), 0);
}

}  // namespace
}  // namespace temper::orchestrator
