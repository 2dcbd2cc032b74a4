// Every keyword, the two drafts, references, and work that is bounded.
#include "reward/json/json_schema.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace temper::reward {
namespace {

using testing::HasSubstr;

absl::StatusOr<JsonSchema> Compiled(std::string_view schema, bool formats = true) {
  auto parsed = ParseJsonValue(schema, {.depth_max = 128});
  EXPECT_TRUE(parsed.ok()) << parsed.status() << schema;
  return JsonSchema::Compile(*std::move(parsed), formats);
}

JsonSchema::Verdict Verdict(std::string_view schema, std::string_view document) {
  const auto compiled = Compiled(schema);
  EXPECT_TRUE(compiled.ok()) << compiled.status() << schema;
  const auto parsed = ParseJsonValue(document, {});
  EXPECT_TRUE(parsed.ok()) << parsed.status() << document;
  if (!compiled.ok() || !parsed.ok()) return {};
  return compiled->Validate(*parsed);
}

bool Fits(std::string_view schema, std::string_view document) {
  const JsonSchema::Verdict verdict = Verdict(schema, document);
  EXPECT_NE(verdict.kind, JsonSchema::Verdict::kOutOfFuel);
  EXPECT_FALSE(verdict.reason.empty()) << schema << document;
  return verdict.kind == JsonSchema::Verdict::kValid;
}

std::string Refusal(std::string_view schema) {
  const auto compiled = Compiled(schema);
  EXPECT_EQ(compiled.status().code(), absl::StatusCode::kInvalidArgument) << schema;
  return std::string(compiled.status().message());
}

TEST(JsonSchemaTest, ChecksValues) {
  EXPECT_TRUE(Fits(R"({"type": "integer"})", "5.0"));
  EXPECT_FALSE(Fits(R"({"type": "integer"})", "5.5"));
  EXPECT_FALSE(Fits(R"({"type": "integer"})", "true"));
  EXPECT_TRUE(Fits(R"({"type": ["string", "null"]})", "null"));
  EXPECT_TRUE(Fits(R"({"enum": [1, "a"]})", "1.0"));
  EXPECT_FALSE(Fits(R"({"enum": [1, "a"]})", "true"));
  EXPECT_TRUE(Fits(R"({"const": {"a": [1]}})", R"({"a": [1.0]})"));
  EXPECT_TRUE(Fits(R"({"multipleOf": 0.1})", "0.3"));
  EXPECT_FALSE(Fits(R"({"multipleOf": 0.1})", "0.30000000000000001"));
  EXPECT_TRUE(Fits(R"({"maximum": 9007199254740992})", "9007199254740992"));
  EXPECT_FALSE(Fits(R"({"maximum": 9007199254740992})", "9007199254740993"));
  EXPECT_FALSE(Fits(R"({"exclusiveMinimum": 0})", "0"));
  EXPECT_TRUE(Fits(R"({"maxLength": 2})", "\"日本\""));
  EXPECT_TRUE(Fits(R"({"pattern": "^a+$"})", "\"aa\""));
  EXPECT_FALSE(Fits(R"({"pattern": "^a+$"})", "\"aab\""));
  EXPECT_TRUE(Fits("true", "1"));
  EXPECT_FALSE(Fits("false", "1"));
}

TEST(JsonSchemaTest, ChecksArraysAndObjects) {
  EXPECT_FALSE(Fits(R"({"items": {"type": "string"}})", R"(["a", 1])"));
  EXPECT_TRUE(Fits(R"({"prefixItems": [{"type": "string"}], "items": false})", R"(["a"])"));
  EXPECT_FALSE(Fits(R"({"prefixItems": [{"type": "string"}], "items": false})", R"(["a", 1])"));
  EXPECT_FALSE(Fits(R"({"contains": {"const": 1}, "minContains": 2})", "[1, 2]"));
  EXPECT_TRUE(Fits(R"({"contains": {"const": 1}, "minContains": 0})", "[]"));
  EXPECT_FALSE(Fits(R"({"uniqueItems": true})", "[1, 1.0]"));
  EXPECT_TRUE(Fits(R"({"uniqueItems": true})", "[1, true, \"1\"]"));
  EXPECT_FALSE(
      Fits(R"({"additionalProperties": false, "properties": {"a": true}})", R"({"b": 1})"));
  EXPECT_TRUE(Fits(R"({"additionalProperties": false, "patternProperties": {"^b": true}})",
                   R"({"b1": 1})"));
  EXPECT_FALSE(Fits(R"({"propertyNames": {"maxLength": 1}})", R"({"ab": 1})"));
  EXPECT_FALSE(Fits(R"({"dependentRequired": {"a": ["b"]}})", R"({"a": 1})"));
  EXPECT_FALSE(Fits(R"({"dependentSchemas": {"a": {"minProperties": 2}}})", R"({"a": 1})"));
}

TEST(JsonSchemaTest, CombinesSchemas) {
  EXPECT_FALSE(Fits(R"({"oneOf": [{"minimum": 1}, {"minimum": 2}]})", "3"));
  EXPECT_TRUE(Fits(R"({"anyOf": [{"minimum": 1}, {"minimum": 2}]})", "3"));
  EXPECT_FALSE(Fits(R"({"not": {"type": "null"}})", "null"));
  const std::string conditional =
      R"({"if": {"properties": {"a": {"const": 1}}}, "then": {"required": ["b"]}, "else": false})";
  EXPECT_FALSE(Fits(conditional, R"({"a": 1})"));
  EXPECT_TRUE(Fits(conditional, R"({"a": 1, "b": 2})"));
  EXPECT_FALSE(Fits(conditional, R"({"a": 2})"));
  const std::string rest = R"({"allOf": [{"properties": {"a": true}}],
                               "unevaluatedProperties": false})";
  EXPECT_TRUE(Fits(rest, R"({"a": 1})"));
  EXPECT_FALSE(Fits(rest, R"({"b": 1})"));
  EXPECT_FALSE(Fits(R"({"prefixItems": [true], "unevaluatedItems": false})", "[1, 2]"));
}

TEST(JsonSchemaTest, FollowsLocalReferences) {
  const std::string tree = R"({"$defs": {"t": {"type": "object",
      "properties": {"left": {"$ref": "#/$defs/t"}}, "additionalProperties": false}},
      "$ref": "#/$defs/t"})";
  EXPECT_TRUE(Fits(tree, R"({"left": {"left": {}}})"));
  EXPECT_FALSE(Fits(tree, R"({"left": {"right": {}}})"));
  EXPECT_TRUE(Fits(R"({"properties": {"a/b": {"type": "null"}, "c": {"$ref":
      "#/properties/a~1b"}}})",
                   R"({"c": null})"));
  EXPECT_TRUE(Fits(R"({"anyOf": [{"type": "null"}, {"items": {"$ref": "#"}}], "type": ["null",
      "array"]})",
                   "[[null], null]"));
  EXPECT_THAT(Refusal(R"({"$ref": "http://x.y/z"})"), HasSubstr("schema.$ref"));
  EXPECT_THAT(Refusal(R"({"$ref": "#/$defs/a"})"), HasSubstr("something that is there"));
  EXPECT_THAT(Refusal(R"({"$ref": "#"})"), HasSubstr("without end"));
  EXPECT_THAT(Refusal(R"({"$defs": {"a": {"allOf": [{"$ref": "#/$defs/b"}]},
      "b": {"$ref": "#/$defs/a"}}, "$ref": "#/$defs/a"})"),
              HasSubstr("without end"));
  EXPECT_THAT(Refusal(R"({"$dynamicRef": "#a"})"), HasSubstr("not supported"));
}

TEST(JsonSchemaTest, KnowsDraft07) {
  const std::string draft = R"("$schema": "http://json-schema.org/draft-07/schema#", )";
  EXPECT_FALSE(Fits("{" + draft + R"("items": [true], "additionalItems": false})", "[1, 2]"));
  EXPECT_TRUE(Fits("{" + draft + R"("items": true, "additionalItems": false})", "[1, 2]"));
  EXPECT_TRUE(Fits("{" + draft + R"("additionalItems": false})", "[1, 2]"));
  EXPECT_FALSE(Fits("{" + draft + R"("dependencies": {"a": ["b"]}})", R"({"a": 1})"));
  EXPECT_TRUE(Fits("{" + draft + R"("prefixItems": [false]})", "[1]"));
  EXPECT_TRUE(Fits("{" + draft + R"("definitions": {"a": true}, "properties": {"x":
      {"$ref": "#/definitions/a", "type": "null"}}})",
                   R"({"x": 1})"));
  EXPECT_THAT(Refusal(R"({"items": [true]})"), HasSubstr("prefixItems"));
  EXPECT_THAT(Refusal(R"({"$schema": "http://json-schema.org/draft-04/schema#"})"),
              HasSubstr("2020-12 or draft-07"));
}

TEST(JsonSchemaTest, ChecksFormatsThatItKnows) {
  const auto fits = [](const char* format, const std::string& text) {
    return Fits(absl::StrCat(R"({"format": ")", format, R"("})"), "\"" + text + "\"");
  };
  EXPECT_TRUE(fits("date", "2024-02-29"));
  EXPECT_FALSE(fits("date", "2023-02-29"));
  EXPECT_FALSE(fits("date", "2024-2-29"));
  EXPECT_TRUE(fits("date-time", "2024-02-29T12:00:00.5Z"));
  EXPECT_TRUE(fits("date-time", "2024-02-29T12:00:00+02:00"));
  EXPECT_FALSE(fits("date-time", "2024-02-29T12:00:00"));
  EXPECT_TRUE(fits("time", "23:59:60Z"));
  EXPECT_TRUE(fits("email", "a.b+c@x-y.org"));
  EXPECT_FALSE(fits("email", "a b@x.org"));
  EXPECT_FALSE(fits("email", "x.org"));
  EXPECT_TRUE(fits("ipv4", "127.0.0.1"));
  EXPECT_FALSE(fits("ipv4", "127.0.0.256"));
  EXPECT_TRUE(fits("ipv6", "::1"));
  EXPECT_FALSE(fits("ipv6", "12345::"));
  EXPECT_TRUE(fits("uuid", "123e4567-e89b-12d3-a456-426614174000"));
  EXPECT_FALSE(fits("uuid", "123e4567"));
  EXPECT_TRUE(fits("uri", "https://x.org/a?b=c#d"));
  EXPECT_FALSE(fits("uri", "x.org/a b"));
  EXPECT_TRUE(fits("hostname", "a.b-c.d"));
  EXPECT_FALSE(fits("hostname", "-a.b"));
  EXPECT_TRUE(fits("regex", "(")) << "not checked";
  EXPECT_TRUE(Fits(R"({"format": "date"})", "5")) << "only strings have formats";
}

TEST(JsonSchemaTest, SaysWhatIsWrongWithASchema) {
  EXPECT_THAT(Refusal("5"), HasSubstr("schema: found 5"));
  EXPECT_THAT(Refusal(R"({"type": "int"})"), HasSubstr("schema.type: found \"int\""));
  EXPECT_THAT(Refusal(R"({"type": []})"), HasSubstr("schema.type"));
  EXPECT_THAT(Refusal(R"({"required": "a"})"), HasSubstr("schema.required"));
  EXPECT_THAT(Refusal(R"({"properties": {"a": 5}})"), HasSubstr("schema.properties.a: found 5"));
  EXPECT_THAT(Refusal(R"_({"items": {"pattern": "(?=a)"}})_"), HasSubstr("schema.items.pattern"));
  EXPECT_THAT(Refusal(R"({"anyOf": []})"), HasSubstr("schema.anyOf"));
  EXPECT_THAT(Refusal(R"({"anyOf": [true, 1]})"), HasSubstr("schema.anyOf[1]"));
  EXPECT_THAT(Refusal(R"({"minItems": -1})"), HasSubstr("schema.minItems"));
  EXPECT_THAT(Refusal(R"({"multipleOf": 0})"), HasSubstr("schema.multipleOf"));
  EXPECT_THAT(Refusal(R"({"uniqueItems": 1})"), HasSubstr("schema.uniqueItems"));
}

TEST(JsonSchemaTest, SaysWhereADocumentIsWrong) {
  EXPECT_EQ(
      Verdict(R"({"items": {"properties": {"a": {"minimum": 2}}}})", R"([{}, {"a": 1}])").reason,
      "$[1].a: found 1, expected at least 2");
  EXPECT_EQ(Verdict(R"({"required": ["x"]})", "{}").reason, "$: lacks \"x\"");
  EXPECT_EQ(Verdict(R"({"anyOf": [{"type": "null"}]})", "5").reason,
            "$: found 5, expected what \"anyOf\" takes");
}

TEST(JsonSchemaTest, RunsOutOfFuelRatherThanOfTime) {
  // Every level doubles the work.
  std::string schema = R"({"$defs": {"d0": {"type": "string"})";
  for (int i = 1; i < 60; ++i) {
    const std::string below = absl::StrCat(R"({"$ref": "#/$defs/d)", i - 1, R"("})");
    absl::StrAppend(&schema, R"(, "d)", i, R"(": {"anyOf": [)", below, ", ", below, "]}");
  }
  schema += R"(}, "$ref": "#/$defs/d59"})";
  EXPECT_EQ(Verdict(schema, "5").kind, JsonSchema::Verdict::kOutOfFuel);
  // Backtracking patterns are none here.
  EXPECT_FALSE(Fits(R"({"pattern": "^(a+)+$"})", "\"" + std::string(100000, 'a') + "b\""));
  std::string numbers = "[0";
  for (int i = 1; i < 50000; ++i) absl::StrAppend(&numbers, ",", i);
  EXPECT_TRUE(Fits(R"({"uniqueItems": true, "items": {"type": "integer"}})", numbers + "]"));
}

}  // namespace
}  // namespace temper::reward
