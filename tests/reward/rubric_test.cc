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

// Gives what it was told to give.
class FixedVerifier : public Verifier {
 public:
  explicit FixedVerifier(absl::StatusOr<double> score) : score_(std::move(score)) {}
  absl::StatusOr<Judgement> Judge(const Response&) const override {
    if (!score_.ok()) return score_.status();
    return Judgement{std::string(kNotEqual), *score_, "as told"};
  }

 private:
  absl::StatusOr<double> score_;
};

struct Told {
  absl::StatusOr<double> score;
  double weight;
  bool gate;
};

absl::StatusOr<temper::v1::Score> Combined(const std::vector<Told>& told) {
  std::vector<Rubric::Part> parts;
  for (const Told& part : told) {
    parts.push_back({"told", part.weight, part.gate, std::make_unique<FixedVerifier>(part.score)});
  }
  return Rubric(std::move(parts)).Judge({});
}

TEST(RubricTest, AveragesByWeightAndMultipliesByGates) {
  EXPECT_DOUBLE_EQ(Combined({{1, 1, false}})->value(), 1);
  EXPECT_DOUBLE_EQ(Combined({{1, 3, false}, {0, 1, false}})->value(), 0.75);
  EXPECT_DOUBLE_EQ(Combined({{1, 3, false}, {0, 1, false}, {0.5, 1, true}})->value(), 0.375);
  EXPECT_DOUBLE_EQ(Combined({{1, 1, false}, {0, 1, true}})->value(), 0);
  EXPECT_DOUBLE_EQ(Combined({{0.5, 1, true}, {0.5, 9, true}})->value(), 0.25);
}

TEST(RubricTest, CountsAFailureAsNoScoreEvenBehindAClosedGate) {
  EXPECT_EQ(Combined({{0, 1, true}, {absl::InternalError("broken"), 1, false}}).status().code(),
            absl::StatusCode::kInternal);
}

TEST(RubricTest, ShowsEveryPartAndExplainsTheFirstLoss) {
  const auto rubric = Rubric::Create(Spec(R"(
      parts { verifier: "format" pattern: "[^#]*#[0-9]+" gate: true }
      parts { verifier: "answer" extract: "after" marker: "#" })"));
  ASSERT_TRUE(rubric.ok()) << rubric.status();
  const auto right = rubric->Judge({.text = "7+5=12#12", .gold = "12"});
  ASSERT_TRUE(right.ok());
  EXPECT_EQ(right->value(), 1);
  ASSERT_EQ(right->parts_size(), 2);
  EXPECT_EQ(right->parts(0).verifier(), "format");
  EXPECT_EQ(right->parts(1).verifier(), "answer");
  const auto unformed = rubric->Judge({.text = "#12#12", .gold = "12"});
  ASSERT_TRUE(unformed.ok());
  EXPECT_EQ(unformed->value(), 0);
  EXPECT_EQ(unformed->parts(1).value(), 1);
  EXPECT_THAT(unformed->reason(), HasSubstr("format: "));
  EXPECT_THAT(rubric->Judge({.text = "#13", .gold = "12"})->reason(),
              HasSubstr("answer: another number: found \"13\", expected \"12\""));
}

TEST(RubricTest, NamesTheFieldItRefuses) {
  EXPECT_THAT(Refusal(""), HasSubstr("rubric.parts: found 0 parts"));
  EXPECT_THAT(
      Refusal(R"(parts { verifier: "anwser" })"),
      AllOf(HasSubstr("rubric.parts[0].verifier: found \"anwser\", expected answer or "),
            HasSubstr("did you mean \"answer\"?")));
  EXPECT_THAT(Refusal(R"(parts { })"), HasSubstr("expected answer or "));
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
}

}  // namespace
}  // namespace temper::reward
