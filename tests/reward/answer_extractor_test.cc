// One final answer is found, or none and why.
#include "reward/answer_extractor.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace temper::reward {
namespace {

std::string Extracted(std::string_view text, std::string_view place = "auto",
                      std::string_view marker = "") {
  const auto extractor = AnswerExtractor::Create(place, marker);
  if (!extractor.ok()) return extractor.status().ToString();
  const Extraction extraction = extractor->Extract(text);
  return extraction.found ? extraction.answer : "(" + extraction.problem + ")";
}

TEST(AnswerExtractorTest, TakesTheLastBalancedBox) {
  EXPECT_EQ(Extracted("so \\boxed{12}."), "12");
  EXPECT_EQ(Extracted("\\boxed{3}, wait: \\boxed{\\frac{1}{2}}"), "\\frac{1}{2}");
  EXPECT_EQ(Extracted("\\boxed{\\boxed{7}}"), "7");
  EXPECT_EQ(Extracted("\\boxed {7}"), "7");
  EXPECT_EQ(Extracted("\\boxed{\\{1,2\\}}"), "\\{1,2\\}");
  EXPECT_EQ(Extracted("{ \\boxed{7}"), "7");
  EXPECT_EQ(Extracted("} \\boxed{7}"), "7");
}

TEST(AnswerExtractorTest, PassesOverABoxThatNeverCloses) {
  EXPECT_EQ(Extracted("\\boxed{3} and then \\boxed{4"), "3");
  EXPECT_EQ(Extracted("\\boxed{4"), "(no answer found)");
  EXPECT_EQ(Extracted("\\boxed{\\{4}", "boxed"), "\\{4");
}

TEST(AnswerExtractorTest, RefusesAlternatives) {
  EXPECT_EQ(Extracted("\\boxed{5} or \\boxed{6}"), "(several answers are offered)");
  EXPECT_EQ(Extracted("$\\boxed{5}$, $\\boxed{6}$"), "(several answers are offered)");
  EXPECT_EQ(Extracted("\\boxed{5}\\boxed{6} #### 6"), "(several answers are offered)");
  EXPECT_EQ(Extracted("\\boxed{6} \\boxed{6}"), "6");
  EXPECT_EQ(Extracted("first \\boxed{5}; doubling it gives \\boxed{10}"), "10");
}

TEST(AnswerExtractorTest, FallsBackToTheLastHashMarker) {
  EXPECT_EQ(Extracted("work\n#### 72"), "72");
  EXPECT_EQ(Extracted("#### 1\n#### 2\n\nQuestion: next"), "2");
  EXPECT_EQ(Extracted("####\n 72\nbye"), "72");
  EXPECT_EQ(Extracted("#### 5 or 6"), "5 or 6");
  EXPECT_EQ(Extracted("####"), "(the answer is empty)");
  EXPECT_EQ(Extracted("72"), "(no answer found)");
  EXPECT_EQ(Extracted(""), "(no answer found)");
  EXPECT_EQ(Extracted("\\boxed{1} #### 2"), "1");
  EXPECT_EQ(Extracted("\\boxed{1} #### 2", "hash"), "2");
  EXPECT_EQ(Extracted("#### 2", "boxed"), "(no answer found)");
  EXPECT_EQ(Extracted("\\boxed{} #### 2"), "(the answer is empty)");
}

TEST(AnswerExtractorTest, TakesWhatFollowsAMarker) {
  EXPECT_EQ(Extracted("7+5+0=12;4+8+1=13;0+3+1=04#432", "after", "#"), "432");
  EXPECT_EQ(Extracted("#1#2", "after", "#"), "2");
  EXPECT_EQ(Extracted("The answer is: 7\nThe end", "after", "answer is:"), "7");
  EXPECT_EQ(Extracted("432", "after", "#"), "(no answer found)");
}

TEST(AnswerExtractorTest, LooksPastThinking) {
  EXPECT_EQ(Extracted("<think>\\boxed{1}</think> \\boxed{2}"), "2");
  EXPECT_EQ(Extracted("<think>\\boxed{1}</think> nothing"), "(no answer found)");
  EXPECT_EQ(Extracted("\\boxed{1} <think> \\boxed{2}"), "1");
  EXPECT_EQ(Extracted("<think> \\boxed{2}"), "(no answer found)");
  EXPECT_EQ(Extracted("\\boxed{1} </think> #### 2"), "2") << "the prompt opened the thinking";
  EXPECT_EQ(WithoutThinking("a<think>b</think>c<think>d</think>e"), "ace");
  EXPECT_EQ(WithoutThinking("<think><think>b</think>c</think>d"), "d");
  EXPECT_EQ(WithoutThinking("a</think></think>"), "");
  EXPECT_EQ(WithoutThinking("<think></think>a"), "a");
}

TEST(AnswerExtractorTest, TakesTimeLinearInHostileText) {
  constexpr int kRepeats = 200000;
  std::string boxes, thinks, closes;
  for (int i = 0; i < kRepeats; ++i) {
    boxes += "\\boxed{";
    thinks += "<think>";
    closes += "</think>";
  }
  EXPECT_EQ(Extracted(boxes), "(no answer found)");
  EXPECT_EQ(Extracted(boxes + std::string(kRepeats, '}')), "(the answer is empty)");
  EXPECT_EQ(Extracted(thinks + closes + "#### 1"), "1");
  EXPECT_EQ(Extracted(std::string(1 << 20, '#')), "(the answer is empty)");
  EXPECT_EQ(Extracted(std::string(1 << 20, ' ')), "(no answer found)");
}

TEST(AnswerExtractorTest, RefusesSettingsItDoesNotKnow) {
  EXPECT_THAT(Extracted("", "box"), testing::HasSubstr("expected auto, boxed, hash or after"));
  EXPECT_THAT(Extracted("", "box"), testing::HasSubstr("did you mean \"boxed\"?"));
  EXPECT_THAT(Extracted("", "after"), testing::HasSubstr("marker"));
  EXPECT_THAT(Extracted("", "hash", "#"), testing::HasSubstr("only \"extract\": \"after\""));
}

}  // namespace
}  // namespace temper::reward
