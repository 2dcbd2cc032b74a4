// Every verifier of text can be made from its settings alone and refuses those of others.
#include "reward/registry.h"

#include <string>

#include "gmock/gmock.h"
#include "google/protobuf/text_format.h"
#include "gtest/gtest.h"
#include "temper/v1/run_spec.pb.h"

namespace temper::reward {
namespace {

using testing::HasSubstr;
using testing::IsSupersetOf;

absl::Status Made(const std::string& text) {
  temper::v1::RubricPart part;
  EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString(text, &part)) << text;
  return MakeVerifier(part).status();
}

TEST(RegistryTest, MakesEveryVerifierOfText) {
  EXPECT_THAT(VerifierNames(),
              IsSupersetOf({"choice", "match", "instruction", "json_schema", "tool_call",
                            "thinking", "language", "length", "repetition", "citation"}));
  for (const char* part :
       {"verifier: 'choice' choice { letters: 'ABCD' } extract: 'boxed'",
        "verifier: 'match' match { mode: 'numeric' } extract: 'after' marker: '='",
        "verifier: 'instruction' instruction { mode: 'loose' fraction: true }",
        "verifier: 'json_schema' json_schema { fence: 'require' }",
        "verifier: 'tool_call' tool_call { order: 'given' }",
        "verifier: 'thinking' thinking { mode: 'off' } gate: true weight: 2 tasks: 'x'",
        "verifier: 'language' language { language: 'de' }",
        "verifier: 'length' length { max: 100 buffer: 20 }",
        "verifier: 'repetition' repetition { n: 3 }", "verifier: 'citation' citation { min: 2 }"}) {
    EXPECT_TRUE(Made(part).ok()) << part << Made(part);
  }
}

TEST(RegistryTest, RefusesSettingsThatWouldNotBeRead) {
  EXPECT_THAT(Made("verifier: 'length' pattern: 'x'").message(),
              HasSubstr("pattern: verifier \"length\" does not read it"));
  EXPECT_THAT(Made("verifier: 'choice' match { mode: 'exact' }").message(), HasSubstr("match:"));
  EXPECT_THAT(Made("verifier: 'thinking' extract: 'boxed'").message(), HasSubstr("extract:"));
  EXPECT_THAT(Made("verifier: 'match' choice { }").message(), HasSubstr("choice:"));
  EXPECT_THAT(Made("verifier: 'lenght'").message(), HasSubstr("did you mean \"length\""));
}

}  // namespace
}  // namespace temper::reward
