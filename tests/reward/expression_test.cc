// A formula over parts has a value for all scores, and one that means nothing is refused.
#include "reward/expression.h"

#include <array>
#include <string>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace temper::reward {
namespace {

using testing::HasSubstr;

const std::vector<std::string> kNames{"math", "thinking", "repetition"};

double Value(const std::string& text, std::array<double, 3> values) {
  const auto parsed = Expression::Parse(text, kNames);
  EXPECT_TRUE(parsed.ok()) << text << ": " << parsed.status();
  return parsed.ok() ? parsed->Value(values) : -1;
}

std::string Refusal(const std::string& text) {
  const auto parsed = Expression::Parse(text, kNames);
  EXPECT_EQ(parsed.status().code(), absl::StatusCode::kInvalidArgument) << text;
  return std::string(parsed.status().message());
}

TEST(ExpressionTest, ComputesWhatItSays) {
  EXPECT_DOUBLE_EQ(Value("thinking * math - 0.2 * repetition", {1, 1, 1}), 0.8);
  EXPECT_DOUBLE_EQ(Value("math/2 + thinking/4 + repetition*0", {1, 1, 0}), 0.75);
  EXPECT_DOUBLE_EQ(Value("min(math, thinking, repetition)", {0.5, 0.25, 1}), 0.25);
  EXPECT_DOUBLE_EQ(Value("max(math, min(thinking, repetition))", {0.1, 0.25, 1}), 0.25);
  EXPECT_DOUBLE_EQ(Value("clip(math + thinking, 0.2, 0.6) * repetition", {1, 1, 1}), 0.6);
  EXPECT_DOUBLE_EQ(Value("math if thinking else repetition", {0.3, 1, 0.7}), 0.3);
  EXPECT_DOUBLE_EQ(Value("math if thinking else repetition", {0.3, 0, 0.7}), 0.7);
  EXPECT_DOUBLE_EQ(Value("1 - 0.5 - 0.25 + 0*(math+thinking+repetition)", {1, 1, 1}), 0.25);
}

TEST(ExpressionTest, StaysBetweenZeroAndOne) {
  EXPECT_EQ(Value("math - 2 * thinking - repetition", {0, 1, 1}), 0);
  EXPECT_EQ(Value("9 * math + thinking + repetition", {1, 1, 1}), 1);
  EXPECT_EQ(Value("--math * thinking * --repetition", {1, 1, 1}), 1);
}

TEST(ExpressionTest, SaysWhatIsWrongAndWhere) {
  EXPECT_THAT(Refusal("math + thinking * repetitoin"),
              HasSubstr("names \"repetitoin\", expected one of math, thinking, repetition; did you "
                        "mean \"repetition\"?"));
  EXPECT_THAT(Refusal("math + thinking"), HasSubstr("does not name the part \"repetition\""));
  EXPECT_THAT(Refusal(""), HasSubstr("column 1: found the end"));
  EXPECT_THAT(Refusal("math +"), HasSubstr("column 7: found the end"));
  EXPECT_THAT(Refusal("math thinking"), HasSubstr("column 6: found \"t\""));
  EXPECT_THAT(Refusal("(math"), HasSubstr("expected \")\""));
  EXPECT_THAT(Refusal("math / thinking"), HasSubstr("a number other than 0"));
  EXPECT_THAT(Refusal("math / 0"), HasSubstr("a number other than 0"));
  EXPECT_THAT(Refusal("sqrt(math)"), HasSubstr("calls \"sqrt\""));
  EXPECT_THAT(Refusal("clip(math, 1)"), HasSubstr("found 2 operands"));
  EXPECT_THAT(Refusal("math if thinking"), HasSubstr("expected \"else\""));
  EXPECT_THAT(Refusal(std::string(5000, '(')), HasSubstr("5000 bytes"));
  EXPECT_THAT(Refusal(std::string(500, '(')), HasSubstr("nested over 32 levels"));
  EXPECT_THAT(Refusal(std::string(500, '-') + "math"), HasSubstr("nested over 32 levels"));
}

}  // namespace
}  // namespace temper::reward
