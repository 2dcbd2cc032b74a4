#include "agents/select/filters.h"

#include <cmath>
#include <string>

#include "agents/select/constructive.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace temper::agents {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

TEST(ConstructiveTest, CountsEachEntryOnceAndWholeWordsOnly) {
  const Constructiveness found = MeasureConstructiveness(
      "It SHOULD be shorter; it should. The addendum is fine. However, the proof is missing.");
  EXPECT_EQ(found.proposals, 1);  // "should"; "addendum" holds no "add"
  EXPECT_EQ(found.faults, 2);     // "however", "missing"
  EXPECT_EQ(found.places, 0);
  EXPECT_EQ(found.praise, 0);
  EXPECT_EQ(found.score(), 4.0);
}

TEST(ConstructiveTest, NumbersAndQuotationsArePlacesAndApostrophesBelongToWords) {
  EXPECT_EQ(MeasureConstructiveness("See 3 and \"this\".").places, 2);
  EXPECT_EQ(MeasureConstructiveness("It doesn't.").faults, 1);
  EXPECT_EQ(MeasureConstructiveness("It doesn\xE2\x80\x99t.").faults, 1);
}

TEST(ConstructiveTest, WhatPraiseDeniesIsNoFault) {
  const Constructiveness found = MeasureConstructiveness("There are no issues, no errors.");
  EXPECT_EQ(found.praise, 2);
  EXPECT_EQ(found.faults, 0);
}

TEST(ConstructiveTest, KeepsTheBestInTheirOrder) {
  const std::vector<std::string> feedbacks = {
      "The response is perfectly helpful. Excellent, flawless, no issues.",
      "The response is mostly helpful. However, step 2 is wrong; it should divide by 3 instead.",
      "The response is partially helpful.",
      "The response is slightly helpful. It lacks an example. Consider adding one, such as a "
      "table.",
  };
  EXPECT_THAT(KeepConstructive(feedbacks, 2), ElementsAre(1, 3));
  EXPECT_THAT(KeepConstructive(feedbacks, 3), ElementsAre(1, 2, 3));
  EXPECT_THAT(KeepConstructive(feedbacks, 9), ElementsAre(0, 1, 2, 3));
  EXPECT_THAT(KeepConstructive({"same", "same"}, 1), ElementsAre(0));
}

TEST(ConstructiveTest, TheTableHoldsLowerCaseWordsWithSingleSpaces) {
  for (const ConstructiveWord& entry : ConstructiveWords()) {
    const std::string words(entry.words);
    EXPECT_EQ(words.find("  "), words.npos) << words;
    EXPECT_TRUE(!words.empty() && words.front() != ' ' && words.back() != ' ') << words;
    for (const char c : words) {
      EXPECT_TRUE((c >= 'a' && c <= 'z') || c == ' ' || c == '\'') << words;
    }
    for (const ConstructiveWord& other : ConstructiveWords()) {
      if (other.kind != entry.kind || other.words == entry.words) continue;
      EXPECT_EQ((" " + words + " ").find(" " + std::string(other.words) + " "), words.npos)
          << words;
    }
    // It is found where it stands.
    EXPECT_NE(MeasureConstructiveness(words).score(), 0) << words;
  }
}

TEST(ConstructiveTest, ReadsHelpSteersOpening) {
  EXPECT_EQ(ReadHelpfulnessLevel("The response is mostly helpful. It ..."),
            HelpfulnessLevel::kMostly);
  EXPECT_EQ(ReadHelpfulnessLevel("  the response is NOT helpful"), HelpfulnessLevel::kNot);
  EXPECT_EQ(ReadHelpfulnessLevel("This response 2 is slightly helpful, as"),
            HelpfulnessLevel::kSlightly);
  EXPECT_EQ(ReadHelpfulnessLevel("The response is perfectly helpful!"),
            HelpfulnessLevel::kPerfectly);
  EXPECT_EQ(ReadHelpfulnessLevel("The response is partially helpful"),
            HelpfulnessLevel::kPartially);
  EXPECT_EQ(ReadHelpfulnessLevel("The response is helpful"), std::nullopt);
  EXPECT_EQ(ReadHelpfulnessLevel("I say the response is mostly helpful"), std::nullopt);
  EXPECT_EQ(ReadHelpfulnessLevel(""), std::nullopt);
}

TEST(FiltersTest, DropsCopiesButNotWhatDiffersInIndentationOrCase) {
  EXPECT_THAT(KeepDistinct({"a\n b ", "a  \r\n b\n", "a\nb", "A\n b"}), ElementsAre(0, 2, 3));
  EXPECT_THAT(KeepDistinct({}), ElementsAre());
}

TEST(FiltersTest, AnUnchangedEditGoes) {
  EXPECT_THAT(
      KeepChanged({"draft", " draft\n", "better", "Draft"}, {"draft", "draft", "draft", "draft"}),
      ElementsAre(2, 3));
  EXPECT_TRUE(IsUnchanged("", " "));
}

TEST(FiltersTest, APatternKeepsWhatItMatchesSomewhere) {
  EXPECT_THAT(PatternFilter::Create(R"(\d{2})")->Keep({"a1", "b22", "33"}), ElementsAre(1, 2));
  const auto bad = PatternFilter::Create("(");
  EXPECT_EQ(bad.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(bad.status().message()), HasSubstr("not an RE2 pattern"));
  EXPECT_FALSE(PatternFilter::Create(std::string(5000, 'a')).ok());
}

TEST(FiltersTest, KeepTakesTheFirst) {
  EXPECT_THAT(KeepFirst(5, 2), ElementsAre(0, 1));
  EXPECT_THAT(KeepFirst(1, 2), ElementsAre(0));
}

}  // namespace
}  // namespace temper::agents
