// Random schemas and documents, judged as Python's jsonschema judges them
// (tests/golden/make_json_schema_golden.py).
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "base/file.h"
#include "gtest/gtest.h"
#include "reward/json/json_schema.h"
#include "reward/json/json_value.h"

namespace temper::reward {
namespace {

TEST(JsonSchemaGoldenTest, JudgesAsJsonschemaDoes) {
  const auto file = ReadFile(absl::StrCat(TEMPER_TEST_DATA, "/golden/json_schema/cases.jsonl"));
  ASSERT_TRUE(file.ok()) << file.status();
  int cases = 0;
  for (const auto line : absl::StrSplit(*file, '\n', absl::SkipEmpty())) {
    const std::string text(line);
    auto row = ParseJsonValue(text, {});
    ASSERT_TRUE(row.ok()) << row.status() << text;
    const auto schema = JsonSchema::Compile(*row->Find("schema"), /*formats=*/false);
    ASSERT_TRUE(schema.ok()) << schema.status() << text;
    for (const char* key : {"fit", "misfit"}) {
      for (const JsonValue& document : row->Find(key)->items) {
        const JsonSchema::Verdict verdict = schema->Validate(document);
        EXPECT_EQ(verdict.kind, std::string(key) == "fit" ? JsonSchema::Verdict::kValid
                                                          : JsonSchema::Verdict::kInvalid)
            << CanonicalText(document) << ": " << verdict.reason << "\n"
            << text;
        ++cases;
      }
    }
  }
  EXPECT_GE(cases, 4000);
}

}  // namespace
}  // namespace temper::reward
