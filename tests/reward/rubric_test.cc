// Gates multiply, the rest is averaged, and a rubric that means nothing is refused.
#include "reward/rubric.h"

#include <limits>
#include <memory>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "google/protobuf/text_format.h"
#include "gtest/gtest.h"
#include "temper/v1/episode.pb.h"
#include "temper/v1/run_spec.pb.h"

namespace temper::reward {
namespace {

using testing::HasSubstr;

temper::v1::Rubric Spec(const std::string& text) {
  temper::v1::Rubric spec;
  EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(text, &spec)) << text;
  return spec;
}

std::string Refusal(const std::string& text) {
  const auto rubric = Rubric::Create(Spec(text));
  EXPECT_EQ(rubric.status().code(), absl::StatusCode::kInvalidArgument) << text;
  return std::string(rubric.status().message());
}

struct Told {
  double score;
  double weight = 1;
  bool gate = false;
};

temper::v1::ScorePart Part(const std::string& name, double value, const std::string& reason) {
  temper::v1::ScorePart part;
  part.set_verifier(name);
  part.set_value(value);
  part.set_reason(reason);
  return part;
}

double Combined(const std::vector<Told>& told) {
  std::vector<Rubric::Part> parts;
  std::vector<temper::v1::ScorePart> scores;
  for (const Told& part : told) {
    parts.push_back({"told", part.weight, part.gate});
    scores.push_back(Part("told", part.score, "as told"));
  }
  std::vector<const temper::v1::ScorePart*> judged;
  for (const auto& score : scores) judged.push_back(&score);
  return Rubric(std::move(parts)).Combine(judged)->value();
}

TEST(RubricTest, AveragesByWeightAndMultipliesByGates) {
  EXPECT_DOUBLE_EQ(Combined({{1}}), 1);
  EXPECT_DOUBLE_EQ(Combined({{1, 3}, {0}}), 0.75);
  EXPECT_DOUBLE_EQ(Combined({{1, 3}, {0}, {0.5, 1, true}}), 0.375);
  EXPECT_DOUBLE_EQ(Combined({{1}, {0, 1, true}}), 0);
  EXPECT_DOUBLE_EQ(Combined({{0.5, 1, true}, {0.5, 9, true}}), 0.25);
}

TEST(RubricTest, ShowsEveryPartAndExplainsTheFirstLoss) {
  const auto rubric = Rubric::Create(Spec(R"(
      parts { verifier: "format" pattern: "[^#]*#[0-9]+" gate: true }
      parts { verifier: "answer" extract: "after" marker: "#" })"));
  ASSERT_TRUE(rubric.ok()) << rubric.status();
  const auto format = Part("format", 0, "another form");
  const auto answer = Part("answer", 1, "the same number");
  const auto score = rubric->Combine(std::vector{&format, &answer});
  ASSERT_TRUE(score.ok());
  EXPECT_EQ(score->value(), 0);
  ASSERT_EQ(score->parts_size(), 2);
  EXPECT_EQ(score->parts(1).value(), 1);
  EXPECT_EQ(score->reason(), "format: another form");
}

TEST(RubricTest, LeavesOutThePartsOfOtherTasks) {
  const auto rubric = Rubric::Create(Spec(R"(
      parts { verifier: "format" pattern: ".*" }
      parts { verifier: "answer" name: "numbers" tasks: "math" tasks: "physics" })"));
  ASSERT_TRUE(rubric.ok()) << rubric.status();
  EXPECT_TRUE(rubric->Applies(0, ""));
  EXPECT_TRUE(rubric->Applies(1, "physics"));
  EXPECT_FALSE(rubric->Applies(1, "poetry"));
  const auto format = Part("format", 0.5, "half");
  const auto score = rubric->Combine(std::vector<const temper::v1::ScorePart*>{&format, nullptr});
  ASSERT_TRUE(score.ok());
  EXPECT_EQ(score->value(), 0.5);
  EXPECT_EQ(score->parts_size(), 1);
  EXPECT_EQ(
      rubric->Combine(std::vector<const temper::v1::ScorePart*>{nullptr, nullptr}).status().code(),
      absl::StatusCode::kFailedPrecondition);
}

TEST(RubricTest, CombinesByAnExpressionOverNames) {
  const auto rubric = Rubric::Create(Spec(R"pb(
      parts { verifier: "format" pattern: ".*" name: "form" }
      parts { verifier: "answer" }
      expression: "answer - 0.5 * (1 - form)" )pb"));
  ASSERT_TRUE(rubric.ok()) << rubric.status();
  const auto form = Part("form", 0, "");
  const auto answer = Part("answer", 1, "");
  EXPECT_EQ(rubric->Combine(std::vector{&form, &answer})->value(), 0.5);
}

TEST(RubricTest, NamesTheFieldItRefuses) {
  EXPECT_THAT(Refusal(""), HasSubstr("rubric.parts: found 0 parts"));
  EXPECT_THAT(
      Refusal(R"(parts { verifier: "anwser" })"),
      AllOf(HasSubstr("rubric.parts[0].verifier: found \"anwser\", expected one of answer"),
            HasSubstr("did you mean \"answer\"?")));
  EXPECT_THAT(Refusal(R"(parts { })"), HasSubstr("expected one of answer"));
  EXPECT_THAT(Refusal(R"(parts { verifier: "answer" } parts { verifier: "format" pattern: "(" })"),
              HasSubstr("rubric.parts[1].pattern: "));
  EXPECT_THAT(Refusal(R"(parts { verifier: "answer" extract: "boxxed" })"),
              HasSubstr("rubric.parts[0].extract: "));
  EXPECT_THAT(Refusal(R"(parts { verifier: "answer" extract: "after" })"),
              HasSubstr("rubric.parts[0].marker: "));
  EXPECT_THAT(Refusal(R"(parts { verifier: "answer" pattern: "a" })"),
              HasSubstr("does not read it"));
  EXPECT_THAT(Refusal(R"(parts { verifier: "format" pattern: "a" marker: "#" })"),
              HasSubstr("does not read it"));
  EXPECT_THAT(Refusal(R"(parts { verifier: "answer" weight: 0 })"), HasSubstr("every weight is 0"));
  EXPECT_THAT(Refusal(R"(parts { verifier: "answer" weight: -1 })"), HasSubstr("weight: found -1"));
  EXPECT_THAT(Refusal(R"(parts { verifier: "answer" weight: nan })"),
              HasSubstr("weight: found nan"));
  EXPECT_THAT(Refusal(R"(parts { verifier: "answer" math {} })"),
              HasSubstr("rubric.parts[0].math: verifier \"answer\" does not read it"));
  EXPECT_THAT(Refusal(R"(parts { verifier: "answer" } parts { verifier: "answer" })"),
              HasSubstr("rubric.parts[1].name: \"answer\" is the name of an earlier part"));
  EXPECT_THAT(Refusal(R"(parts { verifier: "answer" name: "The Answer" })"),
              HasSubstr("rubric.parts[0].name: "));
  EXPECT_THAT(Refusal(R"(parts { verifier: "answer" } expression: "anser")"),
              HasSubstr("rubric.expression: names \"anser\", expected one of answer"));
  EXPECT_THAT(Refusal(R"(parts { verifier: "answer" gate: true } expression: "answer")"),
              HasSubstr("gate: is not read"));
  EXPECT_THAT(Refusal(R"(parts { verifier: "answer" timeout_seconds: -1 })"),
              HasSubstr("rubric.parts[0].timeout_seconds: found -1"));
}

}  // namespace
}  // namespace temper::reward
