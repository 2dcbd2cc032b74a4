// A pattern matches the whole response, in linear time, or is refused with words.
#include "reward/format_verifier.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace temper::reward {
namespace {

double Scored(const std::string& pattern, std::string_view response) {
  const auto verifier = FormatVerifier::Create(pattern);
  EXPECT_TRUE(verifier.ok()) << verifier.status();
  if (!verifier.ok()) return -1;
  const auto judgement = (*verifier)->Judge({.text = response});
  EXPECT_TRUE(judgement.ok());
  EXPECT_EQ(judgement->verdict == kEqual, judgement->score == 1);
  return judgement->score;
}

TEST(FormatVerifierTest, WantsTheWholeResponse) {
  EXPECT_EQ(Scored("[0-9]+#[0-9]+", "12#3"), 1);
  EXPECT_EQ(Scored("[0-9]+#[0-9]+", "x12#3"), 0);
  EXPECT_EQ(Scored("[0-9]+#[0-9]+", "12#3x"), 0);
  EXPECT_EQ(Scored("[0-9]+#[0-9]+", ""), 0);
  EXPECT_EQ(Scored("a.b", "a\nb"), 0);
  EXPECT_EQ(Scored("(?s)<think>.+</think>.+", "<think>a\nb</think>c\n"), 1);
}

TEST(FormatVerifierTest, StaysLinearOnPatternsThatTrapBacktrackers) {
  EXPECT_EQ(Scored("(a+)+b", std::string(1 << 20, 'a')), 0);
  EXPECT_EQ(Scored("(a|aa)*", std::string(1 << 20, 'a')), 1);
}

TEST(FormatVerifierTest, TakesBytesThatAreNoText) {
  EXPECT_EQ(Scored("(?s).*", "\xff\xfe"), 0);
  EXPECT_EQ(Scored("(?s).*", std::string_view("a\0b", 3)), 1);
}

TEST(FormatVerifierTest, RefusesBadPatterns) {
  EXPECT_THAT(FormatVerifier::Create("(").status().message(), testing::HasSubstr("missing )"));
  EXPECT_THAT(FormatVerifier::Create("").status().message(), testing::HasSubstr("missing"));
  EXPECT_THAT(FormatVerifier::Create("(?=a)").status().message(),
              testing::HasSubstr("not an RE2 pattern"));
  EXPECT_FALSE(FormatVerifier::Create(std::string(kPatternBytesMax + 1, 'a')).ok());
  EXPECT_FALSE(FormatVerifier::Create("((((a{100}){100}){100}){100})").ok());
}

}  // namespace
}  // namespace temper::reward
