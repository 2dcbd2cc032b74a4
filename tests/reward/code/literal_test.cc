// Only plain values are read, and they are compared as Python compares them.
#include "reward/code/literal.h"

#include <string>

#include "gtest/gtest.h"
#include "reward/code/value_of_json.h"

namespace temper::reward {
namespace {

bool Same(std::string_view a, std::string_view b) {
  const auto x = ParseLiteral(a);
  const auto y = ParseLiteral(b);
  EXPECT_TRUE(x.ok()) << a;
  EXPECT_TRUE(y.ok()) << b;
  return x.ok() && y.ok() && SameValue(*x, *y) && SameValue(*y, *x);
}

TEST(LiteralTest, ReadsWhatPythonWrites) {
  for (const std::string_view text : {"None",
                                      "True",
                                      "-17",
                                      "123456789012345678901234567890",
                                      "0.1",
                                      "1e+16",
                                      "-1.5e-07",
                                      "inf",
                                      "-inf",
                                      "nan",
                                      "''",
                                      "'a\\'b'",
                                      "\"it's\"",
                                      "'\\x00\\u20ac\\U0001f600\\ud800'",
                                      "b'\\x00\\xff'",
                                      "[]",
                                      "[1, [2]]",
                                      "()",
                                      "(1,)",
                                      "(1, )",
                                      "(1, 2)",
                                      "{}",
                                      "{'a': 1, 2: [3]}",
                                      "set([])",
                                      "set([1, 2])",
                                      "frozenset([1])",
                                      "complex(1.0, -0.0)",
                                      "range(0, 5, 1)",
                                      "Iterator([1])",
                                      "Handle(3)"}) {
    const auto value = ParseLiteral(text);
    ASSERT_TRUE(value.ok()) << text;
    const auto again = ParseLiteral(WriteLiteral(*value));
    ASSERT_TRUE(again.ok()) << WriteLiteral(*value);
    EXPECT_EQ(WriteLiteral(*again), WriteLiteral(*value));
  }
}

TEST(LiteralTest, RefusesWhatCouldDoAnything) {
  for (const std::string_view text : {"",
                                      " 1",
                                      "1 ",
                                      "__import__('os')",
                                      "1+1",
                                      "(1)",
                                      "[1 2]",
                                      "[,]",
                                      "f'x'",
                                      "r'x'",
                                      "u'x'",
                                      "'a' 'b'",
                                      "lambda: 0",
                                      "[x for x in ()]",
                                      "{1}",
                                      "{1: }",
                                      "{**{}}",
                                      "*[1]",
                                      "01",
                                      "1_000",
                                      "0x10",
                                      "1j",
                                      "--1",
                                      "+1",
                                      "1.",
                                      ".5",
                                      "1e",
                                      "'\n'",
                                      "'\\N{DASH}'",
                                      "'\\101'",
                                      "'a",
                                      "b'\\u1234'",
                                      "Handle(-1)",
                                      "Handle('x')",
                                      "Handle()",
                                      "range(1)",
                                      "range(1, 2, 0)",
                                      "complex(1, 2)",
                                      "set()",
                                      "set([1]",
                                      "Handle(1).x",
                                      "None()",
                                      "Nonesuch",
                                      "True and False",
                                      "...",
                                      "\xc3\xa9"}) {
    EXPECT_FALSE(ParseLiteral(text).ok()) << text;
  }
}

TEST(LiteralTest, RefusesDepth) {
  const auto nested = [](int depth) {
    return std::string(static_cast<size_t>(depth), '[') +
           std::string(static_cast<size_t>(depth), ']');
  };
  EXPECT_TRUE(ParseLiteral(nested(kLiteralDepthMax)).ok());
  EXPECT_FALSE(ParseLiteral(nested(kLiteralDepthMax + 2)).ok());
  EXPECT_FALSE(ParseLiteral(nested(1'000'000)).ok());
  EXPECT_FALSE(ValueOfJson(nested(1'000'000)).ok());
}

TEST(LiteralTest, ComparesAsPythonDoes) {
  EXPECT_TRUE(Same("1", "1.0"));
  EXPECT_TRUE(Same("1", "True"));
  EXPECT_TRUE(Same("0", "-0.0"));
  EXPECT_TRUE(Same("[1, (2, 3)]", "[1.0, [2, 3]]"));
  EXPECT_TRUE(Same("{'a': 1, 'b': 2}", "{'b': 2, 'a': 1}"));
  EXPECT_TRUE(Same("set([1, 2])", "frozenset([2, 1])"));
  EXPECT_TRUE(Same("100000000000000000000", "1e+20"));
  EXPECT_TRUE(SameValue(*ParseLiteral("{'1': 2}"), *ParseLiteral("{1: 2}")));
  EXPECT_FALSE(Same("9007199254740993", "9007199254740992.0"));
  EXPECT_FALSE(Same("0.1", "0.10000000000000002"));
  EXPECT_FALSE(Same("nan", "nan"));
  EXPECT_FALSE(Same("1", "'1'"));
  EXPECT_FALSE(Same("None", "False"));
  EXPECT_FALSE(Same("[]", "set([])"));
  EXPECT_FALSE(Same("[1]", "[1, 1]"));
  EXPECT_FALSE(Same("set([1, 2])", "set([1, 3])"));
  EXPECT_FALSE(Same("Handle(0)", "Handle(0)"));
  EXPECT_FALSE(Same("'a'", "b'a'"));
}

TEST(LiteralTest, ReadsJsonWithoutLosingDigits) {
  const auto value =
      ValueOfJson(R"({"n": 123456789012345678901234567890, "s": "é", "x": [null, true, 1.5]})");
  ASSERT_TRUE(value.ok()) << value.status();
  EXPECT_EQ(WriteLiteral(*value),
            "{'n': 123456789012345678901234567890, 's': '\\xe9', 'x': [None, True, 1.5, ], }");
  EXPECT_FALSE(ValueOfJson("{").ok());
  EXPECT_FALSE(ValueOfJson("1 2").ok());
}

TEST(LiteralTest, WritesAnyBytesAsAString) {
  const auto value = ParseLiteral(StringLiteral("a\xff\xc3\n'\\"));
  ASSERT_TRUE(value.ok());
  EXPECT_EQ(value->text, "a\uFFFD\uFFFD\n'\\");
}

}  // namespace
}  // namespace temper::reward
