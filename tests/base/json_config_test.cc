// Reading specs: what is accepted, and the words for what is not.
#include "base/json_config.h"

#include "gtest/gtest.h"
#include "temper/v1/run_spec.pb.h"

namespace temper {
namespace {

using temper::v1::RunSpec;

std::string Error(const std::string& json) {
  RunSpec spec;
  return std::string(ParseJsonConfig(json, "s.json", spec).message());
}

TEST(JsonConfigTest, ReadsEveryKindOfField) {
  RunSpec spec;
  const auto status = ParseJsonConfig(
      R"({"name": "a", "seed": 18446744073709551615, "steps": 3, "temperature": 0.5, "stop": ["x", "y"],
          "dataset": {"path": "p", "fields": {"prompt": "question"}},
          "rubric": {"parts": [{"verifier": "format", "gate": true}]}})",
      "s.json", spec);
  ASSERT_TRUE(status.ok()) << status;
  EXPECT_EQ(spec.seed(), ~0ull);
  EXPECT_EQ(spec.dataset().fields().at("prompt"), "question");
  EXPECT_TRUE(spec.rubric().parts(0).gate());
  EXPECT_EQ(spec.stop_size(), 2);
}

TEST(JsonConfigTest, NamesThePathAndTheNearestKey) {
  EXPECT_EQ(Error(R"({"fleet": {"rolout_workers": 1}})"),
            "s.json: fleet.rolout_workers: unknown key; did you mean \"rollout_workers\"?");
  EXPECT_EQ(Error(R"({"steps": "3"})"), "s.json: steps: found \"3\", expected a whole number");
  EXPECT_EQ(Error(R"({"steps": 1.5})"), "s.json: steps: found 1.5, expected a whole number");
  EXPECT_EQ(Error(R"({"rubric": {"parts": [{"gate": 1}]}})"),
            "s.json: rubric.parts[0].gate: found 1, expected true or false");
  EXPECT_EQ(Error("[]"), "s.json: (top): found [], expected an object");
}

TEST(JsonConfigTest, WhatIsPrintedReadsBackTheSame) {
  RunSpec spec;
  spec.set_name("r");
  spec.set_seed(1ull << 63);
  spec.set_temperature(0.1);
  (*spec.mutable_dataset()->mutable_fields())["prompt"] = "question";
  spec.add_stop("\n");
  RunSpec back;
  ASSERT_TRUE(ParseJsonConfig(ToJson(spec), "x", back).ok());
  EXPECT_EQ(back.SerializeAsString(), spec.SerializeAsString());
}

TEST(JsonConfigTest, SettingsReachNestedFields) {
  RunSpec spec;
  ASSERT_TRUE(ApplySetting("fleet.rollout_workers=3", spec).ok());
  ASSERT_TRUE(ApplySetting("name=7", spec).ok());
  ASSERT_TRUE(ApplySetting("dataset.path=a/b.jsonl", spec).ok());
  EXPECT_EQ(spec.fleet().rollout_workers(), 3);
  EXPECT_EQ(spec.name(), "7");
  EXPECT_EQ(spec.dataset().path(), "a/b.jsonl");
  EXPECT_FALSE(ApplySetting("fleet.rollout=3", spec).ok());
  EXPECT_FALSE(ApplySetting("steps", spec).ok());
  EXPECT_FALSE(ApplySetting("steps.x=1", spec).ok());
}

}  // namespace
}  // namespace temper
