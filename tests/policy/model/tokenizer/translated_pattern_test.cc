// Patterns of Oniguruma keep their meaning when PCRE2 runs them, or are refused.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "policy/model/tokenizer/text_pattern.h"

namespace temper::model {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::vector<std::string> Matches(std::string_view pattern, std::string_view text) {
  const auto compiled = TextPattern::Compile(pattern);
  EXPECT_TRUE(compiled.ok()) << compiled.status();
  std::vector<std::string> matches;
  if (!compiled.ok()) return matches;
  std::vector<TextPattern::Match> places;
  compiled->FindAll(text, places);
  for (const auto& [begin, end] : places) matches.emplace_back(text.substr(begin, end - begin));
  return matches;
}

TEST(TranslatedPatternTest, SpaceIsUnicodesWhiteSpace) {
  EXPECT_THAT(Matches("\\s", "a\u0085b\u00A0c\u180Ed\u3000"),
              ElementsAre("\u0085", "\u00A0", "\u3000"));
  EXPECT_THAT(Matches("[^\\sx]+", "ab x\u2028c"), ElementsAre("ab", "c"));
}

TEST(TranslatedPatternTest, WordsHoldMarksAndDecimalDigits) {
  EXPECT_THAT(Matches("\\w+", "e\u0301_1 \u2460 \u00B2 \u0663"),
              ElementsAre("e\u0301_1", "\u00B2", "\u0663"));
  // PCRE2's own \b would see a boundary before the mark.
  EXPECT_THAT(Matches("\\b.", "e\u0301 x"), ElementsAre("e", " ", "x"));
}

TEST(TranslatedPatternTest, ScriptsAreTheScriptProperty) {
  // U+3001 is used with several scripts and belongs to none.
  EXPECT_THAT(Matches("\\p{Han}+", "漢、字"), ElementsAre("漢", "字"));
  EXPECT_THAT(Matches("\\p{^Han}+", "漢、字"), ElementsAre("、"));
}

TEST(TranslatedPatternTest, AnchorsAndDotsKnowOnlyTheLineFeed) {
  EXPECT_THAT(Matches("^.", "a\nb\rc"), ElementsAre("a", "b"));
  EXPECT_THAT(Matches(".+$", "a\nb\rc"), ElementsAre("a", "b\rc"));
}

TEST(TranslatedPatternTest, EmptyMatchesCountOnceAndNotAfterAnother) {
  EXPECT_THAT(Matches("x*", "axb"), ElementsAre("", "x", ""));
  EXPECT_THAT(Matches("(?=b)", "ab€b"), ElementsAre("", ""));
}

TEST(TranslatedPatternTest, WhatTheTwoReadDifferentlyIsRefused) {
  const auto refusal = [](std::string_view pattern) {
    const auto compiled = TextPattern::Compile(pattern);
    return compiled.ok() ? "" : std::string(compiled.status().message());
  };
  EXPECT_EQ(refusal("(?i:a)|(?:b)|(?=c)|(?!d)|(?>e)|(?<=f)|(?<!g)|[^\\]\\\\]{2,3}"), "");
  for (const char* pattern :
       {"a{1,2}+", "a{2}?", "a{,2}",  "(?m:a)", "(?x)a", "[a[b]]", "[a&&b]",  "[]",
        "a\\Kb",   "\\h",   "\\R",    "\\1",    "(?R)",  "(?1)",   "(?<n>a)", "(?P<n>a)",
        "(?|a)",   "(?C1)", "(*UTF)", "\\pL",   "[\\S]", "\\Gx",   "\\Qx\\E"}) {
    EXPECT_THAT(refusal(pattern), HasSubstr("not supported")) << pattern;
  }
  EXPECT_THAT(refusal("(a"), HasSubstr("missing"));
  EXPECT_THAT(refusal("\\p{Klingon}"), HasSubstr("unknown"));
  EXPECT_THAT(refusal(std::string(5000, 'a')), HasSubstr("5000 bytes, more than 4096"));
}

// Without a limit on its steps this test would not end.
TEST(TranslatedPatternTest, ACatastrophicPatternGivesUp) {
  const std::string text(5000, 'a');
  EXPECT_THAT(Matches("(?:a+)+b", text), IsEmpty());
  EXPECT_THAT(Matches("(?:a|a)*b", text), IsEmpty());
  EXPECT_THAT(Matches("(?:(?:a*)*)*b", text), IsEmpty());
}

}  // namespace
}  // namespace temper::model
