// Text behaves as Python's str does.
#include "reward/text/code_points.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace temper::reward {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

TEST(CodePointsTest, DecodesAndEncodesAllOfUnicode) {
  const std::string text = "a\xc3\xa9\xe6\x97\xa5\xf0\x9f\x98\x80";
  EXPECT_EQ(Decoded(text), U"aé日😀");
  EXPECT_EQ(Encoded(Decoded(text)), text);
  EXPECT_EQ(Decoded("a\xff\xe6\x97"), U"a\uFFFD\uFFFD");
  EXPECT_EQ(Decoded(std::string_view("\0", 1)).size(), 1);
}

TEST(CodePointsTest, KnowsPythonsClasses) {
  for (const char32_t c : U"\t\n\v\f\r\x1c\x1f \u0085\u00a0\u2003\u3000") {
    EXPECT_EQ(IsSpace(c), c != 0) << static_cast<int>(c);
  }
  EXPECT_FALSE(IsSpace(U'\u200b'));
  EXPECT_TRUE(IsWordChar(U'_') && IsWordChar(U'é') && IsWordChar(U'日') && IsWordChar(U'½'));
  EXPECT_FALSE(IsWordChar(U'-') || IsWordChar(U'😀') || IsWordChar(U'\u0301'));
  EXPECT_TRUE(IsDigit(U'7') && IsDigit(U'٣'));
  EXPECT_FALSE(IsDigit(U'½'));
  EXPECT_TRUE(IsUpperText(U"ÀB 1!") && IsLowerText(U"àb 1!"));
  EXPECT_FALSE(IsUpperText(U"Ab") || IsUpperText(U"1") || IsLowerText(U"日"));
}

TEST(CodePointsTest, SplitsAndStripsAsPythonDoes) {
  EXPECT_THAT(SplitAtBlanks(U" a\u3000b\nc "), ElementsAre(U"a", U"b", U"c"));
  EXPECT_THAT(SplitAtBlanks(U" \n"), IsEmpty());
  EXPECT_THAT(SplitAt(U"a**b**", U"**"), ElementsAre(U"a", U"b", U""));
  EXPECT_THAT(SplitAt(U"", U"**"), ElementsAre(U""));
  EXPECT_THAT(WordRuns(U"it's_x-1"), ElementsAre(U"it", U"s_x", U"1"));
  EXPECT_THAT(DigitRuns(U"a12b3"), ElementsAre(U"12", U"3"));
  EXPECT_THAT(PlainWords(U"It's, A-B!"), ElementsAre(U"its", U"ab"));
  EXPECT_EQ(Stripped(U" \ta b\n"), U"a b");
  EXPECT_EQ(StrippedOf(U"--a-b--", U"-"), U"a-b");
  EXPECT_EQ(Replaced(U"aaa", U"aa", U"b"), U"ba");
  EXPECT_EQ(Lowered(U"ÀÉΣ"), U"àéσ");
  EXPECT_EQ(AsciiForm(U"São Tomé ½ 日"), U"Sao Tome 12 ");
}

}  // namespace
}  // namespace temper::reward
