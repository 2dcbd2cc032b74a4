// Numbers are read exactly or not at all.
#include "reward/exact_number.h"

#include <string>

#include "gtest/gtest.h"

namespace temper::reward {
namespace {

std::string Read(std::string_view text) {
  const auto number = ParseNumber(NormaliseAnswer(text));
  if (!number.has_value()) return "not a number";
  return number->value.get_str() + (number->percent ? "%" : "");
}

TEST(ExactNumberTest, ReadsTheWaysPeopleWriteNumbers) {
  EXPECT_EQ(Read("432"), "432");
  EXPECT_EQ(Read("0432"), "432");
  EXPECT_EQ(Read("0010"), "10") << "leading zeros must not mean octal";
  EXPECT_EQ(Read("089"), "89");
  EXPECT_EQ(Read("+5"), "5");
  EXPECT_EQ(Read("-5"), "-5");
  EXPECT_EQ(Read("- 5"), "-5");
  EXPECT_EQ(Read("\xE2\x88\x92"
                 "5"),
            "-5");
  EXPECT_EQ(Read("-0"), "0");
  EXPECT_EQ(Read("0.50"), "1/2");
  EXPECT_EQ(Read(".5"), "1/2");
  EXPECT_EQ(Read("18."), "18");
  EXPECT_EQ(Read("1,234,567"), "1234567");
  EXPECT_EQ(Read("1{,}234"), "1234");
  EXPECT_EQ(Read("1\\,234"), "1234");
  EXPECT_EQ(Read("$1,234.50"), "2469/2");
  EXPECT_EQ(Read("\\$18"), "18");
  EXPECT_EQ(Read("$-18$"), "-18");
  EXPECT_EQ(Read("-$18"), "-18");
  EXPECT_EQ(Read("6/4"), "3/2");
  EXPECT_EQ(Read("3/-4"), "-3/4");
  EXPECT_EQ(Read("\\frac{6}{4}"), "3/2");
  EXPECT_EQ(Read("-\\dfrac{-6}{4}"), "3/2");
  EXPECT_EQ(Read("\\text{12}"), "12");
  EXPECT_EQ(Read("\\(12\\)"), "12");
  EXPECT_EQ(Read("1.5e3"), "1500");
  EXPECT_EQ(Read("15E-1"), "3/2");
  EXPECT_EQ(Read("50%"), "50%");
  EXPECT_EQ(Read("50\\%"), "50%");
  EXPECT_EQ(Read(" \t\n 7 \n"), "7");
}

TEST(ExactNumberTest, RefusesWhatIsNotOneNumber) {
  for (const char* text : {"",
                           " ",
                           ".",
                           "-",
                           "+-5",
                           "--3",
                           "--3/4",
                           "1 2",
                           "3 1/2",
                           "5 or 6",
                           "5, 6",
                           "1,23",
                           "1,2345",
                           ",123",
                           "1234,567",
                           "1,234,",
                           "1.2.3",
                           "1.234,5",
                           "1/0",
                           "1/2/3",
                           "1/",
                           "/2",
                           "1.5/2",
                           "nan",
                           "NaN",
                           "inf",
                           "-Infinity",
                           "0x10",
                           "1e",
                           "1e99999999",
                           "1e10001",
                           "1_000",
                           "%",
                           "50%%",
                           "\\frac{1}{0}",
                           "\\frac{1}",
                           "\\frac12",
                           "\\frac{1}{2}{3}",
                           "2^3",
                           "x",
                           "\\pi",
                           "18 dollars",
                           "1e5e5",
                           "٣"}) {
    EXPECT_EQ(Read(text), "not a number") << text;
  }
}

TEST(ExactNumberTest, NeverRoundsThroughDoubles) {
  EXPECT_NE(Read("10000000000000000000001"), Read("10000000000000000000000"));
  EXPECT_NE(Read("0.1000000000000000000000000001"), Read("0.1"));
  EXPECT_EQ(Read("1e-99"), Read("0." + std::string(98, '0') + "1"));
}

TEST(ExactNumberTest, BoundsTheLengthOfANumber) {
  EXPECT_EQ(Read(std::string(kNumberBytesMax, '9')), std::string(kNumberBytesMax, '9'));
  EXPECT_EQ(Read(std::string(kNumberBytesMax + 1, '9')), "not a number");
}

TEST(NormaliseAnswerTest, KeepsWhatMeansSomething) {
  EXPECT_EQ(NormaliseAnswer("  two   words\t.\n"), "two words");
  EXPECT_EQ(NormaliseAnswer("x = 5"), "x = 5");
  EXPECT_EQ(NormaliseAnswer("\\text{even}"), "even");
  EXPECT_EQ(NormaliseAnswer("\\text{a} and \\text{b}"), "\\text{a} and \\text{b}");
  EXPECT_EQ(NormaliseAnswer("."), ".");
  EXPECT_EQ(NormaliseAnswer("101_2"), "101_2");
}

}  // namespace
}  // namespace temper::reward
