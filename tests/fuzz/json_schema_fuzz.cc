// Feeds arbitrary schemas and documents to the JSON schema verifier: schema, NUL, response.
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/check.h"
#include "reward/json/json_schema_verifier.h"
#include "reward/json/json_value.h"
#include "temper/v1/text_verifiers.pb.h"
#include "tests/fuzz/judgement_check.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* bytes, size_t size) {
  using namespace temper::reward;  // NOLINT(google-build-using-namespace)
  const std::string_view text(reinterpret_cast<const char*>(bytes), size);
  const size_t nul = text.find('\0');
  temper::v1::JsonSchemaOptions options;
  options.set_schema(std::string(text.substr(0, nul)));
  if (options.schema().empty()) options.set_schema("true");
  const auto verifier = JsonSchemaVerifier::Create(options);
  if (!verifier.ok()) {
    TEMPER_CHECK(!verifier.status().message().empty());
    return 0;
  }
  const std::string_view response = nul == text.npos ? "" : text.substr(nul + 1);
  CheckJudgement((*verifier)->Judge({.text = response}));
  if (const auto value = ParseJsonValue(response, {}); value.ok()) {
    TEMPER_CHECK(Equal(*value, *value));
    const std::string canonical = CanonicalText(*value);
    TEMPER_CHECK(!canonical.empty() && canonical == CanonicalText(JsonValue(*value)));
  }
  return 0;
}
