#include <cmath>
#include <string>

#include "agents/select/judgement/genrm.h"
#include "agents/select/judgement/reply_text.h"
#include "agents/select/judgement/reward_reply.h"
#include "agents/select/judgement/rubric_rule.h"
#include "agents/select/judgement/verdict.h"
#include "agents/select/judgement/yes_no.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "nlohmann/json.hpp"

namespace temper::agents {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

// What a failure says.
template <typename T>
std::string Words(const absl::StatusOr<T>& result) {
  EXPECT_EQ(result.status().code(), absl::StatusCode::kInvalidArgument);
  return std::string(result.status().message());
}

TEST(ReplyTextTest, ThinkingIsNotTheAnswer) {
  EXPECT_EQ(AfterThinking("<think>[[A]]</think> [[B]]"), " [[B]]");
  EXPECT_EQ(AfterThinking("a</think>b</think>c"), "c");
  EXPECT_EQ(AfterThinking(" <think>cut off [[A]]"), "");
  EXPECT_EQ(AfterThinking("it says <think> once"), "it says <think> once");
}

TEST(ReplyTextTest, ADecimalIsNothingElse) {
  EXPECT_EQ(ReadDecimal(" -3.25\n"), -3.25);
  EXPECT_EQ(ReadDecimal("+1e-2"), 0.01);
  for (const char* text : {"", "nan", "inf", "0x10", "1,5", "7/10", "1 2", "1e999", "--1", "e"}) {
    EXPECT_EQ(ReadDecimal(text), std::nullopt) << text;
  }
}

TEST(ReplyTextTest, FindsTheLastObjectWithTheKeys) {
  EXPECT_EQ(
      (*LastObjectWith("{a ```json\n{\"x\": 1, \"s\": \"}{\"}\n``` {\"y\": 2} {", {"x"}))["x"], 1);
  EXPECT_EQ((*LastObjectWith("{\"x\": 1} then {\"x\": 2}", {"x"}))["x"], 2);
  EXPECT_THAT(Words(LastObjectWith("none {here}", {"x", "y"})), HasSubstr("\"x\", \"y\""));
  EXPECT_FALSE(LastObjectWith(std::string(100000, '{'), {"x"}).ok());
}

TEST(GenRmTest, ReadsTheTextOfTwoResponses) {
  const std::string reply =
      "<think>\\boxed{1, 1}</think>Analysis.\n[The Begin of Individual Scores]\n\\boxed{4, 2} "
      "\n[The "
      "End of Individual Scores]\n\n[The Begin of Ranking Score]\n\\boxed{2}\n[The End of Ranking "
      "Score]";
  const GenRmJudgement judgement = ReadGenRmText(reply, 2).value();
  EXPECT_THAT(judgement.scores, ElementsAre(4, 2));
  EXPECT_EQ(judgement.ranking, 2);
  EXPECT_DOUBLE_EQ(judgement.Preference(), 0.8);
}

TEST(GenRmTest, ReadsTheTextOfOneResponse) {
  EXPECT_THAT(ReadGenRmText("[The Begin of Individual Scores] \\boxed{3} [The End", 1)->scores,
              ElementsAre(3));
}

TEST(GenRmTest, TheRankingRunsFromTheFirstToTheSecond) {
  for (int ranking = 1; ranking <= 6; ++ranking) {
    const GenRmJudgement judgement = {{3, 3}, static_cast<double>(ranking)};
    EXPECT_DOUBLE_EQ(judgement.Preference(), (6 - ranking) / 5.0);
  }
}

TEST(GenRmTest, NothingBecomesANeutralNumber) {
  EXPECT_THAT(Words(ReadGenRmText("no marks", 2)), HasSubstr("\"no marks\""));
  EXPECT_THAT(Words(ReadGenRmText("[The Begin of Individual Scores] \\boxed{4, x}", 2)),
              HasSubstr("\"x\""));
  EXPECT_THAT(Words(ReadGenRmText("[The Begin of Individual Scores] \\boxed{4, 3}", 2)),
              HasSubstr("Ranking Score"));
  EXPECT_THAT(Words(ReadGenRmText("[The Begin of Individual Scores] \\boxed{4}[The Begin of "
                                  "Ranking Score]\\boxed{3}",
                                  2)),
              HasSubstr("1 scores for 2"));
  EXPECT_THAT(Words(ReadGenRmText("[The Begin of Individual Scores] \\boxed{4, 3}[The Begin of "
                                  "Ranking Score]\\boxed{7}",
                                  2)),
              HasSubstr("ranking of 7"));
  EXPECT_THAT(Words(ReadGenRmText("[The Begin of Individual Scores] \\boxed{6}", 1)),
              HasSubstr("score of 6"));
  // Cut off in its thinking.
  EXPECT_FALSE(ReadGenRmText("<think>[The Begin of Individual Scores] \\boxed{4}", 1).ok());
}

TEST(GenRmTest, ReadsJsonInFencesAndProse) {
  const GenRmJudgement judgement =
      ReadGenRmJson(
          "<think>{\"score_1\":1}</think>Here:\n```json\n{\"score_1\": 5, \"score_2\": "
          "\"2\", \"ranking\": 1}\n```",
          2)
          .value();
  EXPECT_THAT(judgement.scores, ElementsAre(5, 2));
  EXPECT_EQ(judgement.Preference(), 1);
  EXPECT_THAT(ReadGenRmJson("{\"score_1\": 2.5}", 1)->scores, ElementsAre(2.5));
  EXPECT_THAT(Words(ReadGenRmJson("{\"score_1\": 5, \"score_2\": 2}", 2)), HasSubstr("ranking"));
  EXPECT_THAT(Words(ReadGenRmJson("{\"score_1\":5,\"score_2\":2,\"ranking\":null}", 2)),
              HasSubstr("ranking: found"));
  EXPECT_FALSE(ReadGenRmJson("{\"score_1\":5,\"score_2\":0,\"ranking\":3}", 2).ok());
}

TEST(RewardReplyTest, ReadsPairsInTheirOrderAndNothingElse) {
  EXPECT_EQ(ParseRewards("reward:-12.5")->at(0).second, -12.5);
  EXPECT_EQ(ParseRewards(" 3.25 ")->at(0).second, 3.25);
  const auto several = ParseRewards("helpfulness:1.25, correctness:0.5");
  ASSERT_TRUE(several.ok());
  EXPECT_EQ(several->at(1), (std::pair<std::string, double>("correctness", 0.5)));
  for (const char* wrong : {"", "good", "reward:", ":1", "reward:nan", "a:1:2", "a:1,,b:2"}) {
    EXPECT_TRUE(absl::IsInvalidArgument(ParseRewards(wrong).status())) << wrong;
  }
}

absl::StatusOr<double> ReadReward(std::string_view reply, std::string_view attribute = "") {
  const absl::StatusOr<Rewards> rewards = ParseRewards(reply);
  if (!rewards.ok()) return rewards.status();
  return RewardNamed(*rewards, attribute);
}

TEST(RewardReplyTest, ReadsPairsAndBareNumbers) {
  EXPECT_EQ(ReadReward("reward:-7.98").value(), -7.98);
  EXPECT_EQ(ReadReward(" 1.5\n").value(), 1.5);
  EXPECT_EQ(ReadReward("helpfulness:1.25, correctness: 1.3", "Correctness").value(), 1.3);
  EXPECT_EQ(ReadReward("helpfulness:1.25", "").value(), 1.25);
}

TEST(RewardReplyTest, NamesWhatIsThere) {
  EXPECT_THAT(Words(ReadReward("helpfulness:1.25,correctness:1.3")), HasSubstr("correctness"));
  EXPECT_THAT(Words(ReadReward("helpfulness:1.25", "verbosity")), HasSubstr("helpfulness"));
  EXPECT_THAT(Words(ReadReward("I cannot say")), HasSubstr("I cannot say"));
  EXPECT_FALSE(ReadReward("").ok());
  EXPECT_FALSE(ReadReward("reward:nan").ok());
}

TEST(VerdictTest, ArenaHardTakesTheLastInUpperCase) {
  EXPECT_EQ(ReadArenaVerdict("[[A>B]] no: [[b>>a]]").value(), Verdict::kBMuchBetter);
  EXPECT_EQ(ReadArenaVerdict("My final verdict is tie: [[A=B]]").value(), Verdict::kTie);
  EXPECT_EQ(ReadArenaVerdict("single [A>>B]").value(), Verdict::kAMuchBetter);
  EXPECT_EQ(ReadArenaVerdict("[B>A] and [[A>B]]").value(), Verdict::kABetter);
  EXPECT_EQ(ReadArenaVerdict("[[A<B]]").value(), Verdict::kBBetter);
  EXPECT_THAT(Words(ReadArenaVerdict("undecided")), HasSubstr("undecided"));
  EXPECT_FALSE(ReadArenaVerdict("[[A]]").ok());
  EXPECT_FALSE(ReadArenaVerdict("<think>[[A>B]]").ok());
}

TEST(VerdictTest, TheOldRuleWantsOneVerdict) {
  EXPECT_EQ(ReadArenaVerdict("[[A>B]] ... [[A>B]]", VerdictRule::kOnly).value(), Verdict::kABetter);
  EXPECT_FALSE(ReadArenaVerdict("[[A>B]] ... [[B>A]]", VerdictRule::kOnly).ok());
  EXPECT_FALSE(ReadArenaVerdict("[A>B]", VerdictRule::kOnly).ok());
}

TEST(VerdictTest, LabelsPreferencesAndTheirMirror) {
  for (const Verdict verdict : {Verdict::kAMuchBetter, Verdict::kABetter, Verdict::kTie,
                                Verdict::kBBetter, Verdict::kBMuchBetter}) {
    EXPECT_EQ(ParseVerdictLabel(VerdictLabel(verdict)).value(), verdict);
    EXPECT_EQ(Preference(verdict) + Preference(Swapped(verdict)), 1);
  }
  EXPECT_EQ(ParseVerdictLabel("B<<A").value(), Verdict::kAMuchBetter);
  EXPECT_EQ(ParseVerdictLabel("B=A").value(), Verdict::kTie);
  EXPECT_EQ(ParseVerdictLabel("A<<B").value(), Verdict::kBMuchBetter);
  EXPECT_EQ(Preference(Verdict::kABetter), 0.75);
}

TEST(VerdictTest, MtBenchRatingsAndPairs) {
  EXPECT_EQ(ReadRating("Rating: [[7.5]]").value(), 7.5);
  EXPECT_EQ(ReadRating("Rating: [8]").value(), 8);
  EXPECT_FALSE(ReadRating("Rating: [[0]]").ok());
  EXPECT_FALSE(ReadRating("Rating: [[11]]").ok());
  EXPECT_FALSE(ReadRating("Rating: 7").ok());
  EXPECT_EQ(ReadPairVerdict("so [[B]]").value(), Verdict::kBBetter);
  EXPECT_EQ(ReadPairVerdict("so [[C]]").value(), Verdict::kTie);
  EXPECT_FALSE(ReadPairVerdict("[[A]] or [[B]]").ok());
  EXPECT_FALSE(ReadPairVerdict("A").ok());
}

TEST(VerdictTest, AGraphsRuleTakesEitherKind) {
  EXPECT_EQ(ReadVerdict("[[B>>A]]").value(), Verdict::kBMuchBetter);
  EXPECT_EQ(ReadVerdict("so [[B]]").value(), Verdict::kBBetter);
  EXPECT_EQ(ReadVerdict("so [[C]]").value(), Verdict::kTie);
  EXPECT_FALSE(ReadVerdict("[[A]] or [[B]]").ok());
  EXPECT_THAT(Words(ReadVerdict("hm")), HasSubstr("\"hm\""));
}

TEST(VerdictTest, WildBenchJson) {
  EXPECT_EQ(ReadWildBenchChoice("{\"analysis of A\": \"{\", \"choice\": \"B++\"}").value(),
            Verdict::kBMuchBetter);
  EXPECT_EQ(ReadWildBenchChoice("```json\n{\"choice\": \"A=B\"}\n```").value(), Verdict::kTie);
  EXPECT_FALSE(ReadWildBenchChoice("{\"choice\": \"A\"}").ok());
  EXPECT_FALSE(ReadWildBenchChoice("{\"choice\": 1}").ok());
  EXPECT_EQ(ReadWildBenchScore("{\"strengths\": \"\", \"score\": \"8\"}").value(), 8);
  EXPECT_EQ(ReadWildBenchScore("{\"score\": 3}").value(), 3);
  EXPECT_FALSE(ReadWildBenchScore("{\"score\": \"8/10\"}").ok());
  EXPECT_FALSE(ReadWildBenchScore("{\"score\": 0}").ok());
}

TEST(YesNoTest, AddsUpTheSpellingsOfEach) {
  const YesNo answer = ReadYesNo({{"Yes", std::log(0.5)},
                                  {" yes", std::log(0.25)},
                                  {"\xC4\xA0No", std::log(0.125)},
                                  {"\xE2\x96\x81NO", std::log(0.0625)},
                                  {"Maybe", std::log(0.01)}})
                           .value();
  EXPECT_NEAR(answer.value, std::log(0.75 / 0.1875), 1e-12);
  EXPECT_FALSE(answer.bounded);
}

TEST(YesNoTest, AMissingOneIsBoundedByTheLeastLikely) {
  const YesNo yes = ReadYesNo({{"Yes", -0.01}, {"The", -5}, {"I", -7}}).value();
  EXPECT_TRUE(yes.bounded);
  EXPECT_DOUBLE_EQ(yes.value, -0.01 + 7);
  const YesNo no = ReadYesNo({{"No", -0.5}, {"x", -2}, {"Yes", -INFINITY}}).value();
  EXPECT_TRUE(no.bounded);
  EXPECT_DOUBLE_EQ(no.value, -2 + 0.5);
}

TEST(YesNoTest, NeitherIsAFailure) {
  EXPECT_THAT(Words(ReadYesNo({{"Maybe", -0.1}})), HasSubstr("Maybe"));
  EXPECT_FALSE(ReadYesNo({}).ok());
  EXPECT_FALSE(ReadYesNo({{"Yes", NAN}}).ok());
  EXPECT_FALSE(ReadYesNo({{"Yes", 0.5}}).ok());
  EXPECT_FALSE(ReadYesNo({{"Yes", -INFINITY}}).ok());
}

TEST(RubricRuleTest, APatternTakesItsLastMatch) {
  const RubricRule rule = RubricRule::Pattern(R"((?i)score:\s*(-?\d+(?:\.\d+)?))").value();
  EXPECT_EQ(rule.Read("Score: 3, no, SCORE: 4.5").value(), 4.5);
  EXPECT_THAT(Words(rule.Read("none")), HasSubstr("\"none\""));
  EXPECT_FALSE(rule.Read("<think>score: 3").ok());
  EXPECT_FALSE(RubricRule::Pattern("\\d+").ok());
  EXPECT_FALSE(RubricRule::Pattern("(a)(b)").ok());
  EXPECT_FALSE(RubricRule::Pattern("(").ok());
  EXPECT_FALSE(RubricRule::Pattern("(a*)")->Read("bbb").ok());
}

TEST(RubricRuleTest, APointerReadsIntoTheLastObject) {
  const RubricRule rule = RubricRule::Pointer("/scores/1/a~1b").value();
  EXPECT_EQ(rule.Read("{\"scores\": [0, {\"a/b\": \"6\"}]}").value(), 6);
  EXPECT_THAT(Words(rule.Read("{\"scores\": [0]}")), HasSubstr("/scores/1"));
  EXPECT_THAT(Words(rule.Read("{\"scores\": [0, {\"a/b\": true}]}")), HasSubstr("true"));
  EXPECT_FALSE(rule.Read("no json").ok());
  EXPECT_FALSE(RubricRule::Pointer("score").ok());
}

}  // namespace
}  // namespace temper::agents
