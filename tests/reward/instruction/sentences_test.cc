// Sentences and words as the published checkers cut them.
#include "reward/instruction/sentences.h"

#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "reward/text/code_points.h"

namespace temper::reward {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

template <typename List>
std::vector<std::string> Encode(const List& list) {
  std::vector<std::string> encoded;
  for (const auto& piece : list) encoded.push_back(Encoded(piece));
  return encoded;
}

std::vector<std::string> Published(std::string_view text) {
  return Encode(SplitIntoSentences(Decoded(text)));
}

std::vector<std::string> Punkt(std::string_view text) {
  const std::u32string points = Decoded(text);
  return Encode(PunktSentences(points));
}

std::vector<std::string> Words(std::string_view text) { return Encode(WordTokens(Decoded(text))); }

TEST(SentencesTest, FollowsThePublishedRules) {
  EXPECT_THAT(Published("It is. Is it? It is!"), ElementsAre("It is.", "Is it?", "It is!"));
  EXPECT_THAT(Published("Dr. No paid 3.14 to x.com. He left."),
              ElementsAre("Dr. No paid 3.14 to x.com.", "He left."));
  EXPECT_THAT(Published("Wait... what"), ElementsAre("Wait...", "what"));
  EXPECT_THAT(Published("He said \"go.\" Then"), ElementsAre("He said \"go\".", "Then"));
  EXPECT_THAT(Published("no end\nhere"), ElementsAre("no end here"));
  EXPECT_THAT(Published("A Ph.D. in U.S. law"), ElementsAre("A Ph.D. in U.S. law"));
  EXPECT_THAT(Published(" "), IsEmpty());
}

TEST(SentencesTest, EndsSentencesAsAReaderWould) {
  EXPECT_THAT(Punkt("It is. Is it? It is!"), ElementsAre("It is.", "Is it?", "It is!"));
  EXPECT_THAT(Punkt("Mr. Smith met J. Doe at 3.5 p.m. today. He left."),
              ElementsAre("Mr. Smith met J. Doe at 3.5 p.m. today.", "He left."));
  EXPECT_THAT(Punkt("\"Go!\" he said. (Then left.) End"),
              ElementsAre("\"Go!\"", "he said.", "(Then left.)", "End"));
  EXPECT_THAT(Punkt("Wait... what?! No."), ElementsAre("Wait... what?!", "No."));
  EXPECT_THAT(Punkt("One\ntwo"), ElementsAre("One\ntwo"));
  EXPECT_THAT(Punkt(" \n"), IsEmpty());
  EXPECT_THAT(Punkt("x.y.z"), ElementsAre("x.y.z"));
}

TEST(SentencesTest, CutsWordsAsTheTreebankDoes) {
  EXPECT_THAT(Words("They'll cost $3.88, can't they? (Yes.)"),
              ElementsAre("They", "'ll", "cost", "$", "3.88", ",", "ca", "n't", "they", "?", "(",
                          "Yes", ".", ")"));
  EXPECT_THAT(Words("\"I cannot,\" he said--twice..."),
              ElementsAre("``", "I", "can", "not", ",", "''", "he", "said", "--", "twice", "..."));
  EXPECT_THAT(Words("the dogs' park; x@y"),
              ElementsAre("the", "dogs", "'", "park", ";", "x", "@", "y"));
  EXPECT_THAT(Words(" "), IsEmpty());
}

TEST(SentencesTest, StaysLinear) {
  for (const char* piece : {".", "a. ", "' ", "\"", "``", "--", " ", "Mr.", "<stop>", "can", "("}) {
    std::string text;
    for (int i = 0; i < 30000; ++i) text += piece;
    const std::u32string points = Decoded(text);
    EXPECT_LE(SplitIntoSentences(points).size(), text.size() + 1);
    EXPECT_LE(PunktSentences(points).size(), text.size());
    EXPECT_LE(WordTokens(points).size(), 2 * text.size());
  }
}

}  // namespace
}  // namespace temper::reward
