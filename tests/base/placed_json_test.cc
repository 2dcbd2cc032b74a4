// Every key and value knows where it stands.
#include "base/placed_json.h"

#include <string>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace temper {
namespace {

using testing::HasSubstr;

TEST(PlacedJsonTest, RemembersLinesAndColumnsOfKeysAndValues) {
  const auto json = ParsePlacedJson(
      "{\n  \"a\": 1,\n\t\"b\" :\n    [true, \"x\\n\\\"y\", {\"c\": null}]\n}\n", "f.json");
  ASSERT_TRUE(json.ok()) << json.status();
  EXPECT_EQ(json->line, 1);
  ASSERT_EQ(json->members.size(), 2u);
  EXPECT_EQ(json->members[0].key, "a");
  EXPECT_EQ(json->members[0].line, 2);
  EXPECT_EQ(json->members[0].column, 3);
  EXPECT_EQ(json->members[0].value.column, 8);
  const PlacedJson& list = *json->Find("b");
  EXPECT_EQ(list.line, 4);
  EXPECT_EQ(list.column, 5);
  EXPECT_EQ(list.elements[1].text(), "x\n\"y");
  EXPECT_EQ(list.elements[1].column, 12);
  EXPECT_EQ(list.elements[2].column, 22);
  EXPECT_EQ(list.elements[2].members[0].value.kind, PlacedJson::Kind::kNull);
  EXPECT_EQ(json->Json().dump(), R"({"a":1,"b":[true,"x\n\"y",{"c":null}]})");
  EXPECT_EQ(json->Find("c"), nullptr);
}

TEST(PlacedJsonTest, ReadsEmptyThingsAndLoneValues) {
  EXPECT_EQ(ParsePlacedJson(" {} ", "f")->Json().dump(), "{}");
  EXPECT_EQ(ParsePlacedJson("[ ]", "f")->Json().dump(), "[]");
  EXPECT_EQ(ParsePlacedJson("-1.5e3", "f")->scalar.get<double>(), -1500);
  EXPECT_EQ(ParsePlacedJson("\xEF\xBB\xBF[1]", "f")->elements.size(), 1u);
}

TEST(PlacedJsonTest, SaysWhereARepeatedKeyAndANestingTooDeepStand) {
  EXPECT_EQ(
      ParsePlacedJson("{\"a\": {\"a\": \"\\\"b\\\":\"},\n \"a\": 2}", "f.json").status().message(),
      "f.json:2:2: not valid JSON: key \"a\" stands twice in one object");
  EXPECT_EQ(ParsePlacedJson("[\n" + std::string(70, '[') + std::string(71, ']'), "f.json")
                .status()
                .message(),
            "f.json:2:64: not valid JSON: nested deeper than 64 levels");
  EXPECT_THAT(std::string(ParsePlacedJson("{\"a\": 1,,}", "f.json").status().message()),
              HasSubstr("f.json:1:9: not valid JSON"));
}

}  // namespace
}  // namespace temper
