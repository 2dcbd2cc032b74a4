// Exactly one document, and the schema decides.
#include "reward/json/json_schema_verifier.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "google/protobuf/text_format.h"
#include "gtest/gtest.h"
#include "temper/v1/text_verifiers.pb.h"

namespace temper::reward {
namespace {

using testing::HasSubstr;

constexpr char kPerson[] = R"({"schema": {"type": "object", "required": ["name"],
    "properties": {"name": {"type": "string"}, "age": {"type": "integer", "minimum": 0}}}})";

absl::StatusOr<Judgement> Judged(const std::string& settings, std::string_view text,
                                 std::string_view metadata = kPerson) {
  temper::v1::JsonSchemaOptions options;
  EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(settings, &options));
  const auto verifier = JsonSchemaVerifier::Create(options);
  if (!verifier.ok()) return verifier.status();
  return (*verifier)->Judge({.text = text, .metadata = metadata});
}

double Scored(const std::string& settings, std::string_view text,
              std::string_view metadata = kPerson) {
  const auto judgement = Judged(settings, text, metadata);
  EXPECT_TRUE(judgement.ok()) << judgement.status();
  if (!judgement.ok()) return -1;
  for (const char c : judgement->reason) EXPECT_TRUE(c >= ' ' && c <= '~') << judgement->reason;
  return judgement->score;
}

TEST(JsonSchemaVerifierTest, WantsOneDocumentThatFits) {
  EXPECT_EQ(Scored("", R"({"name": "x", "age": 5})"), 1);
  EXPECT_EQ(Scored("", " \n{\"name\": \"x\", \"age\": 5.0}\n"), 1);
  EXPECT_EQ(Scored("", "<think>{}</think>{\"name\": \"x\"}"), 1);
  EXPECT_EQ(Scored("", R"({"age": 5})"), 0);
  EXPECT_EQ(Scored("", R"({"name": "x"} {"name": "y"})"), 0);
  EXPECT_EQ(Scored("", R"(Here it is: {"name": "x"})"), 0);
  EXPECT_EQ(Scored("", R"({"name": "x"} Done.)"), 0);
  EXPECT_EQ(Scored("", R"({"name": "x", "name": "y"})"), 0);
  EXPECT_THAT(Judged("", R"({"name": "x", "age": "5"})")->reason,
              HasSubstr("$.age: found \"5\", expected integer"));
}

TEST(JsonSchemaVerifierTest, TakesFencesByPolicy) {
  const std::string fenced = "```json\n{\"name\": \"x\"}\n```";
  EXPECT_EQ(Scored("", fenced), 1);
  EXPECT_EQ(Scored("", "```\n{\"name\": \"x\"}\n```\n"), 1);
  EXPECT_EQ(Scored("fence: 'require'", fenced), 1);
  EXPECT_EQ(Scored("fence: 'require'", R"({"name": "x"})"), 0);
  EXPECT_EQ(Scored("fence: 'refuse'", fenced), 0);
  EXPECT_EQ(Scored("", fenced + "\nDone."), 0);
  EXPECT_EQ(Scored("", "So:\n" + fenced), 0);
  EXPECT_EQ(Scored("", fenced + "\n" + fenced), 0);
  EXPECT_EQ(Scored("", "```python\n{\"name\": \"x\"}\n```"), 0);
  EXPECT_EQ(Scored("", "``````"), 0);
}

TEST(JsonSchemaVerifierTest, TakesTheSchemaFromTheProblemOrTheSettings) {
  EXPECT_EQ(Scored("", "5", R"({"json_schema": {"type": "integer"}})"), 1);
  EXPECT_EQ(Scored("", "5", R"({"schema": "{\"type\": \"integer\"}"})"), 1);
  EXPECT_EQ(Scored("schema: '{\"type\": \"integer\"}'", "5", ""), 1);
  EXPECT_EQ(Scored("schema: '{\"type\": \"string\"}'", "5", R"({"schema": true})"), 1);
  EXPECT_EQ(Judged("", "5", "").status().code(), absl::StatusCode::kInvalidArgument);
}

TEST(JsonSchemaVerifierTest, NamesThePlaceOfABadSchema) {
  EXPECT_THAT(Judged("", "5", R"({"schema": {"properties": {"a": {"minLength": "5"}}}})")
                  .status()
                  .message(),
              HasSubstr("metadata.schema: schema.properties.a.minLength: found \"5\""));
  EXPECT_THAT(Judged("schema: '{'", "").status().message(), HasSubstr("json_schema.schema"));
  EXPECT_THAT(Judged("fence: 'x'", "").status().message(), HasSubstr("json_schema.fence"));
  EXPECT_THAT(Judged("depth_max: 1000", "").status().message(), HasSubstr("depth_max"));
  EXPECT_THAT(Judged("bytes_max: 0", "").status().message(), HasSubstr("bytes_max"));
}

TEST(JsonSchemaVerifierTest, BoundsTheDocument) {
  const std::string anything = R"({"schema": true})";
  EXPECT_EQ(Scored("bytes_max: 5", "[1,2,3]", anything), 0);
  EXPECT_EQ(Scored("depth_max: 2", "[[1]]", anything), 1);
  EXPECT_EQ(Scored("depth_max: 2", "[[[1]]]", anything), 0);
  EXPECT_EQ(Scored("", std::string(100000, '['), anything), 0);
  EXPECT_EQ(Scored("", std::string(1 << 20, ' '), anything), 0);
  EXPECT_EQ(Scored("", std::string(100000, '{'), anything), 0);
  EXPECT_EQ(Scored("", "\"\xff\"", anything), 0);
  EXPECT_EQ(Scored("", std::string_view("\0", 1), anything), 0);
}

}  // namespace
}  // namespace temper::reward
