#include <cmath>
#include <string>

#include "agents/select/normal_text.h"
#include "agents/select/score_choice.h"
#include "agents/select/vote.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace temper::agents {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

TEST(ScoreChoiceTest, TheHighestScoreWins) {
  const Decision decision = ChooseByScore({1.0, 4.5, -2.0}, 1).value();
  EXPECT_THAT(decision.kept, ElementsAre(1));
  EXPECT_THAT(decision.ranking, ElementsAre(1, 0, 2));
  EXPECT_FALSE(decision.by_lineage);
}

TEST(ScoreChoiceTest, EqualScoresGoToTheEarlierLineageAndAreFlagged) {
  const Decision decision = ChooseByScore({1.0, 4.5, 4.5}, 1).value();
  EXPECT_THAT(decision.kept, ElementsAre(1));
  EXPECT_TRUE(decision.by_lineage);
  // Equal ones that are both kept decide nothing.
  EXPECT_FALSE(ChooseByScore({1.0, 4.5, 4.5}, 2)->by_lineage);
}

TEST(ScoreChoiceTest, WhatIsKeptStaysInLineageOrder) {
  EXPECT_THAT(ChooseByScore({1.0, 4.0, 2.0, 3.0}, 3)->kept, ElementsAre(1, 2, 3));
  EXPECT_THAT(ChooseByScore({1.0, 4.0}, 9)->kept, ElementsAre(0, 1));
}

TEST(ScoreChoiceTest, CandidatesWithoutAFiniteScoreAreOut) {
  const Decision decision = ChooseByScore({std::nullopt, NAN, INFINITY, -3.0}, 2).value();
  EXPECT_THAT(decision.kept, ElementsAre(3));
  EXPECT_THAT(decision.out, ElementsAre(0, 1, 2));
}

TEST(ScoreChoiceTest, NoScoreAtAllIsAFailureWithWords) {
  const auto decision = ChooseByScore({std::nullopt, std::nullopt}, 1);
  EXPECT_EQ(decision.status().code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(decision.status().message()), HasSubstr("none of the 2 candidates"));
  EXPECT_FALSE(ChooseByScore({}, 1).ok());
  EXPECT_FALSE(ChooseByScore({1.0}, 0).ok());
}

TEST(VoteTest, TheAnswerOfMostWinsThroughItsFirstCandidate) {
  const Decision decision = ChooseByVote({"7", "42", " 42. ", "8", "forty"}, 1).value();
  EXPECT_THAT(decision.kept, ElementsAre(1));
  EXPECT_EQ(decision.scores[2], 2.0);
  EXPECT_EQ(decision.scores[0], 1.0);
  EXPECT_THAT(decision.ranking, ElementsAre(1, 0, 3, 4, 2));
  EXPECT_FALSE(decision.by_lineage);
}

TEST(VoteTest, EqualCountsGoToTheEarlierAnswer) {
  const Decision decision = ChooseByVote({"b", "a", "A", "B"}, 1).value();
  EXPECT_THAT(decision.kept, ElementsAre(0));
  EXPECT_TRUE(decision.by_lineage);
}

TEST(VoteTest, WhoHasNoAnswerDoesNotVote) {
  const Decision decision = ChooseByVote({std::nullopt, "", "x"}, 1).value();
  EXPECT_THAT(decision.kept, ElementsAre(2));
  EXPECT_THAT(decision.out, ElementsAre(0, 1));
  EXPECT_EQ(ChooseByVote({std::nullopt, " "}, 1).status().code(),
            absl::StatusCode::kFailedPrecondition);
}

TEST(VoteTest, AnAnswerIsTheGroupOfTheLastMatch) {
  const AnswerPattern pattern = AnswerPattern::Create("(?m)^Answer: *(.+?) *$").value();
  EXPECT_EQ(pattern.Read("Answer: 1\nno\nAnswer:  42 \n"), "42");
  EXPECT_EQ(pattern.Read("<think>\nAnswer: 1\n</think>none"), std::nullopt);
  EXPECT_EQ(pattern.Read("The Answer: 3"), std::nullopt);  // not where a line begins
  EXPECT_EQ(AnswerPattern::Create("(a|x)*?")->Read("bb"), "");
  EXPECT_FALSE(AnswerPattern::Create("a").ok());
}

TEST(NormalTextTest, BlanksCaseAndFullStopsMakeNoDifference) {
  EXPECT_EQ(NormalText("  The\n\tANSWER is  42. "), "the answer is 42");
  EXPECT_EQ(NormalText("Z\xC3\x9CRICH"), "z\xC3\x9Crich");  // other letters stay
  EXPECT_THAT(NormalText(" \n"), IsEmpty());
}

}  // namespace
}  // namespace temper::agents
