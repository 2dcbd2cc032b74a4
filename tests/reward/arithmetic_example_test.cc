// The arithmetic example pays for what it says it pays for, and measures on sums that were never
// shown.
#include <algorithm>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/file.h"
#include "base/json_config.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "reward/rubric.h"
#include "temper/v1/episode.pb.h"
#include "temper/v1/run_spec.pb.h"

namespace temper::reward {
namespace {

std::string InExamples(const std::string& name) {
  return absl::StrCat(TEMPER_SOURCE_DIR, "/examples/", name);
}

temper::v1::RunSpec Spec() {
  temper::v1::RunSpec spec;
  const auto json = ReadFile(InExamples("arithmetic.json"));
  EXPECT_TRUE(json.ok()) << json.status();
  const absl::Status parsed = ParseJsonConfig(*json, "arithmetic.json", spec);
  EXPECT_TRUE(parsed.ok()) << parsed;
  return spec;
}

std::vector<nlohmann::json> Lines(const std::string& name) {
  std::vector<nlohmann::json> lines;
  const auto text = ReadFile(InExamples(name));
  EXPECT_TRUE(text.ok()) << text.status();
  for (const auto line : absl::StrSplit(*text, '\n', absl::SkipEmpty())) {
    lines.push_back(nlohmann::json::parse(line.begin(), line.end(), nullptr, false));
    EXPECT_TRUE(lines.back().is_object()) << std::string(line);
  }
  return lines;
}

// The two numbers of "047+385=", the smaller one first.
std::pair<int, int> Terms(const nlohmann::json& line) {
  const std::string prompt = line["prompt"];
  const int a = std::stoi(prompt), b = std::stoi(prompt.substr(prompt.find('+') + 1));
  return {std::min(a, b), std::max(a, b)};
}

double Score(const Rubric& rubric, const std::string& response, int gold) {
  std::vector<temper::v1::ScorePart> parts;
  std::vector<const temper::v1::ScorePart*> judged;
  for (const Rubric::Part& part : rubric.parts()) {
    const std::string answer = absl::StrCat(gold);
    const auto judgement = part.verifier->Judge({.text = response, .gold = answer});
    EXPECT_TRUE(judgement.ok()) << judgement.status();
    parts.push_back(ToScorePart(part.name, *judgement));
  }
  for (const temper::v1::ScorePart& part : parts) judged.push_back(&part);
  return rubric.Combine(judged)->value();
}

TEST(ArithmeticExampleTest, PaysForTheWarmStartsAnswersOfBothHabitsAndForNoOther) {
  const auto rubric = Rubric::Create(Spec().rubric());
  ASSERT_TRUE(rubric.ok()) << rubric.status();
  int thought = 0;
  const auto lines = Lines(Spec().warm_start().dataset().path());
  for (const nlohmann::json& line : lines) {
    const auto [a, b] = Terms(line);
    const std::string response = line["response"];
    thought += response[0] != '#';
    EXPECT_EQ(Score(*rubric, response, a + b), 1) << line;
    EXPECT_EQ(Score(*rubric, response, a + b + 1), 0);
    EXPECT_LT(response.size(), Spec().max_tokens()) << "room for the end token";
  }
  EXPECT_GT(thought, 0);
  EXPECT_LT(thought, static_cast<int>(lines.size()) / 2) << "guessing is the stronger habit";
}

TEST(ArithmeticExampleTest, StatesTheRightAnswersAndHoldsTheMeasuredSumsOut) {
  std::set<std::pair<int, int>> held_out;
  const auto test = Lines(Spec().evaluate().path());
  EXPECT_EQ(test.size(), 200);
  for (const nlohmann::json& line : test) {
    held_out.insert(Terms(line));
    EXPECT_EQ(line["answer"], absl::StrCat(Terms(line).first + Terms(line).second));
  }
  for (const nlohmann::json& line : Lines(Spec().dataset().path())) {
    EXPECT_FALSE(held_out.contains(Terms(line))) << line;
    EXPECT_EQ(line["answer"], absl::StrCat(Terms(line).first + Terms(line).second));
  }
  for (const nlohmann::json& line : Lines(Spec().warm_start().dataset().path())) {
    EXPECT_FALSE(held_out.contains(Terms(line))) << line;
  }
}

}  // namespace
}  // namespace temper::reward
