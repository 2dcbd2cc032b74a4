// One document, exact numbers, no key twice, nothing too deep.
#include "reward/json/json_value.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace temper::reward {
namespace {

using testing::HasSubstr;

std::string Problem(std::string_view text, JsonLimits limits = {}) {
  const auto parsed = ParseJsonValue(text, limits);
  EXPECT_EQ(parsed.status().code(), absl::StatusCode::kInvalidArgument) << text.substr(0, 50);
  return std::string(parsed.status().message());
}

bool Same(std::string_view a, std::string_view b) {
  const auto x = ParseJsonValue(a, {});
  const auto y = ParseJsonValue(b, {});
  EXPECT_TRUE(x.ok() && y.ok()) << a << b;
  EXPECT_EQ(Equal(*x, *y), CanonicalText(*x) == CanonicalText(*y)) << a << b;
  return Equal(*x, *y);
}

TEST(JsonValueTest, ComparesNumbersAsFractions) {
  EXPECT_TRUE(Same("1", "1.0"));
  EXPECT_TRUE(Same("1e2", "100"));
  EXPECT_TRUE(Same("1.5E+1", "15"));
  EXPECT_TRUE(Same("-0", "0.0"));
  EXPECT_TRUE(Same("0.1", "1e-1"));
  EXPECT_FALSE(Same("0.1", "0.10000000000000001"));
  EXPECT_FALSE(Same("9007199254740993", "9007199254740992.0"));
  EXPECT_FALSE(Same("123456789012345678901234567890", "123456789012345678901234567891"));
  EXPECT_FALSE(Same("1", "true"));
  EXPECT_FALSE(Same("0", "null"));
  EXPECT_FALSE(Same("1", "\"1\""));
}

TEST(JsonValueTest, ComparesObjectsWhateverTheOrderOfTheirKeys) {
  EXPECT_TRUE(Same(R"({"a": 1, "b": [2]})", R"({"b": [2.0], "a": 1})"));
  EXPECT_FALSE(Same("[1, 2]", "[2, 1]"));
  EXPECT_FALSE(Same(R"({"a": 1})", R"({"a": 1, "b": null})"));
  EXPECT_FALSE(Same(R"(["a,", "b"])", R"(["a", ",b"])"));
  EXPECT_FALSE(Same(R"(["1\"a", "b"])", R"(["1", "a\"b"])"));
}

TEST(JsonValueTest, RefusesWhatIsNotExactlyOneDocument) {
  EXPECT_THAT(Problem(""), HasSubstr("ends"));
  EXPECT_THAT(Problem("{"), HasSubstr("ends"));
  EXPECT_THAT(Problem("{} x"), HasSubstr("found"));
  EXPECT_THAT(Problem("{}{}"), HasSubstr("found"));
  EXPECT_THAT(Problem("{'a': 1}"), HasSubstr("found"));
  EXPECT_THAT(Problem("[1,]"), HasSubstr("found"));
  EXPECT_THAT(Problem("NaN"), HasSubstr("found"));
  EXPECT_THAT(Problem("01"), HasSubstr("found"));
  EXPECT_THAT(Problem("\"\xff\""), HasSubstr("found"));
  EXPECT_THAT(Problem("\"\\ud800\""), HasSubstr("found"));
  EXPECT_THAT(Problem(std::string_view("{}\0x", 4)), HasSubstr("NUL"));
  EXPECT_THAT(Problem(R"({"a": 1, "b": 2, "a": 1})"), HasSubstr("\"a\" stands twice"));
  EXPECT_THAT(Problem("1e400"), HasSubstr("too large"));
  EXPECT_THAT(Problem("1e-99999"), HasSubstr("too large"));
}

TEST(JsonValueTest, BoundsDepthAndSize) {
  EXPECT_THAT(Problem(std::string(65, '[')), HasSubstr("deeper than 64"));
  EXPECT_THAT(Problem(std::string(1 << 20, '[')), HasSubstr("deeper than 64"));
  EXPECT_TRUE(ParseJsonValue(std::string(64, '[') + std::string(64, ']'), {}).ok());
  EXPECT_THAT(Problem("[1]", {.bytes_max = 2}), HasSubstr("3 bytes, expected at most 2"));
  EXPECT_THAT(Problem(std::string(20000, '1') + ".5"), HasSubstr("too large"));
}

TEST(JsonValueTest, FindsMembersAndNamesTypes) {
  const auto value = ParseJsonValue(R"({"b": 1, "a": [1.5, null, "x", true, {}]})", {});
  ASSERT_TRUE(value.ok());
  EXPECT_STREQ(value->Find("b")->TypeName(), "integer");
  EXPECT_EQ(value->Find("c"), nullptr);
  const char* names[] = {"number", "null", "string", "boolean", "object"};
  for (size_t i = 0; i < 5; ++i) {
    EXPECT_STREQ(value->Find("a")->items[i].TypeName(), names[i]);
  }
}

}  // namespace
}  // namespace temper::reward
