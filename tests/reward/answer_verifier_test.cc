// Right answers score 1, everything else 0, and nothing that a model writes can talk its way past
// that.
#include "reward/answer_verifier.h"

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/file.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"
#include "reward/exact_number.h"

namespace temper::reward {
namespace {

using testing::HasSubstr;

std::string Compared(std::string_view gold, std::string_view answer) {
  return CompareAnswers(gold, answer).verdict;
}

Judgement Judged(std::string_view gold, std::string_view response) {
  const auto extractor = AnswerExtractor::Create("auto", "");
  const AnswerVerifier verifier(*extractor);
  const auto judgement = verifier.Judge({.text = response, .gold = gold});
  EXPECT_TRUE(judgement.ok()) << judgement.status();
  return judgement.ok() ? *judgement : Judgement{};
}

TEST(CompareAnswersTest, ComparesNumbersAsNumbers) {
  EXPECT_EQ(Compared("432", "0432"), "equal");
  EXPECT_EQ(Compared("1,000", "1000.0"), "equal");
  EXPECT_EQ(Compared("0.5", "1/2"), "equal");
  EXPECT_EQ(Compared("$18", "18."), "equal");
  EXPECT_EQ(Compared("-3/4", "-0.75"), "equal");
  EXPECT_EQ(Compared("432", "431"), "not_equal");
  EXPECT_EQ(Compared("432", "-432"), "not_equal");
  EXPECT_EQ(Compared("1/3", "0.3333333333333333"), "not_equal");
  EXPECT_EQ(Compared("9007199254740993", "9007199254740992"), "not_equal");
  EXPECT_EQ(Compared("0.1", "0.10000000000000001"), "not_equal");
  EXPECT_EQ(Compared("10000", "10000.5"), "not_equal");
}

TEST(CompareAnswersTest, IsStrictAboutPercent) {
  EXPECT_EQ(Compared("50%", "50 \\%"), "equal");
  EXPECT_EQ(Compared("50%", "50"), "not_equal");
  EXPECT_EQ(Compared("0.28", "28"), "not_equal");
  EXPECT_EQ(Compared("0.5", "50%"), "not_equal");
}

TEST(CompareAnswersTest, ComparesTheRestAsText) {
  EXPECT_EQ(Compared("Paris", " Paris. "), "equal");
  EXPECT_EQ(Compared("Paris", "paris"), "not_equal");
  EXPECT_EQ(Compared("\\text{even}", "even"), "equal");
  EXPECT_EQ(Compared("\\text{even}", "\\text{not even}"), "not_equal");
  EXPECT_EQ(Compared("101_2", "101_3"), "not_equal");
  EXPECT_EQ(Compared("4", "4\\sqrt{2}"), "not_equal");
  EXPECT_EQ(Compared("n=2,3,4", "n=1,2,3"), "not_equal");
}

TEST(CompareAnswersTest, ReadsTheFinalAnswerOfAWorkedGold) {
  EXPECT_EQ(Compared("48/2 = 24\n#### 72", "72"), "equal");
  EXPECT_EQ(Compared("48/2 = 24\n#### 72", "24"), "not_equal");
  EXPECT_EQ(Compared("so $\\boxed{1,080}$", "1080"), "equal");
}

TEST(CompareAnswersTest, IsUndecidedAboutAGoldItCannotTakeIn) {
  const std::string gold(kNumberBytesMax + 1, '7');
  const Judgement judgement = CompareAnswers(gold, gold);
  EXPECT_EQ(judgement.verdict, kUndecided);
  EXPECT_EQ(judgement.score, 0);
}

TEST(AnswerVerifierTest, ScoresATruncatedResponseWithoutAnAnswerAsAMiss) {
  const Judgement judgement = Judged("72", "48/2=24. Then 48+24=7");
  EXPECT_EQ(judgement.score, 0);
  EXPECT_EQ(judgement.reason, "no answer found");
}

TEST(AnswerVerifierTest, HasNoVerdictWithoutAGoldAnswer) {
  const AnswerVerifier verifier(*AnswerExtractor::Create("auto", ""));
  EXPECT_EQ(verifier.Judge({.text = "#### 1", .gold = ""}).status().code(),
            absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(verifier.Judge({.text = "#### .", .gold = " $ $ "}).status().code(),
            absl::StatusCode::kInvalidArgument);
}

TEST(AnswerVerifierTest, PaysNothingForHostileAnswers) {
  const std::string mebibyte(1 << 20, ' ');
  const std::vector<std::string> hostile = {
      // No number, too large a number, nothing at all.
      "#### NaN", "#### nan", "#### inf", "#### 1e999", "#### -1e999",
      "#### 1e999999999999999999999", mebibyte, "#### " + mebibyte, "\\boxed{" + mebibyte + "}",
      std::string(1 << 20, '7'), "#### " + std::string(1 << 20, '7'),
      "\\boxed{" + std::string(1 << 20, '{') + "}", "#### 1/0", "#### 72/0", "#### 5^(5^(5^(5^5)))",
      // Text aimed at a judge.
      "#### :", "#### .", ":",
      "Thought process:", "#### Thought process:", "#### \\pi and __import__('os').getpid()",
      "#### __import__('os').system('true') or 72", "#### the correct answer", "#### equal",
      "#### True", "#### 72; verdict: equal",
      // Several answers, hedged answers, answers inside thinking only.
      "#### 71 or 72", "#### 71, 72", "#### 72 72", "\\boxed{71} or \\boxed{72}", "\\boxed{71, 72}",
      "\\boxed{72}, \\boxed{71}", "\\boxed{72} so it is \\boxed{71}", "<think>\\boxed{72}</think>",
      "<think>#### 72", "#### 72 </think>", "#### 72\n#### 71",
      // Control characters, other scripts, bytes that are no UTF-8.
      std::string("#### 7\0"
                  "2",
                  8),
      "#### 7\x1b[2J2",
      "#### 7\xff"
      "2",
      "#### ７２",
      "#### 7\xc2\xa0"
      "2"};
  for (const std::string& response : hostile) {
    const Judgement judgement = Judged("72", response);
    EXPECT_EQ(judgement.verdict, kNotEqual) << response.substr(0, 80);
    EXPECT_EQ(judgement.score, 0) << response.substr(0, 80);
  }
}

TEST(AnswerVerifierTest, QuotesNothingUnprintableAndNothingLong) {
  const Judgement judgement = Judged("72", "#### \x1b[31m\r" + std::string(10000, 'x') + "\xff");
  EXPECT_LT(judgement.reason.size(), 300);
  for (const char c : judgement.reason) EXPECT_TRUE(c >= ' ' && c <= '~') << judgement.reason;
  EXPECT_THAT(judgement.reason, HasSubstr("\\033[31m"));
}

TEST(AnswerVerifierTest, ReadsGsm8kAsPublished) {
  const auto file = ReadFile(absl::StrCat(TEMPER_TEST_DATA, "/gsm8k_sample.jsonl"));
  ASSERT_TRUE(file.ok()) << file.status();
  int lines = 0;
  for (const auto line : absl::StrSplit(*file, '\n', absl::SkipEmpty())) {
    const auto json = nlohmann::json::parse(line.begin(), line.end(), nullptr, false);
    ASSERT_TRUE(json.is_object());
    const std::string gold = json["answer"].get<std::string>();
    EXPECT_EQ(Judged(gold, gold).verdict, kEqual) << gold;
    const std::string final_answer = gold.substr(gold.rfind("####") + 5);
    EXPECT_EQ(Judged(gold, absl::StrCat("It is \\boxed{\\$", final_answer, "}.")).score, 1) << gold;
    EXPECT_EQ(Judged(gold, absl::StrCat("#### ", final_answer, "1")).score, 0) << gold;
    EXPECT_EQ(Judged(gold, final_answer).score, 0) << "an answer that nothing marks is none";
    ++lines;
  }
  EXPECT_EQ(lines, 6);
}

}  // namespace
}  // namespace temper::reward
