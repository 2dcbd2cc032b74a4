// The schema is compiled anew for each response: it comes with the problem.
#include "reward/json/json_schema_verifier.h"

#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "base/trim.h"
#include "reward/answer_extractor.h"
#include "reward/json/json_schema.h"
#include "temper/v1/text_verifiers.pb.h"

namespace temper::reward {
namespace {

constexpr int kDepthMax = 256;
constexpr JsonLimits kSchemaLimits = {.bytes_max = size_t{1} << 20, .depth_max = 128};

absl::StatusOr<JsonSchema> CompileAt(JsonValue schema, bool formats, const std::string& place) {
  auto compiled = JsonSchema::Compile(std::move(schema), formats);
  if (compiled.ok()) return compiled;
  return absl::InvalidArgumentError(
      absl::StrCat(place, ": ", std::string(compiled.status().message())));
}

absl::StatusOr<JsonSchema> CompileText(std::string_view text, bool formats,
                                       const std::string& place) {
  TEMPER_ASSIGN_OR_RETURN(JsonValue schema, ParseJsonAt(text, kSchemaLimits, place));
  return CompileAt(std::move(schema), formats, place);
}

// The schema of the problem, or else of the settings.
absl::StatusOr<JsonSchema> SchemaOf(const Response& response, const std::string& usual,
                                    bool formats) {
  JsonValue metadata{.kind = JsonValue::Kind::kObject};
  if (!response.metadata.empty()) {
    TEMPER_ASSIGN_OR_RETURN(metadata, ParseJsonAt(response.metadata, kMetadataLimits, "metadata"));
  }
  for (const char* key : {"schema", "json_schema"}) {
    const JsonValue* own = metadata.Find(key);
    if (own == nullptr || own->kind == JsonValue::Kind::kNull) continue;
    const std::string place = absl::StrCat("metadata.", key);
    if (own->kind == JsonValue::Kind::kString) return CompileText(own->text, formats, place);
    return CompileAt(*own, formats, place);
  }
  if (!usual.empty()) return CompileText(usual, formats, "json_schema.schema");
  return absl::InvalidArgumentError(
      "metadata.schema: missing; verifier \"json_schema\" needs a schema here or in its settings");
}

Judgement NotEqual(std::string reason) { return {std::string(kNotEqual), 0, std::move(reason)}; }

}  // namespace

std::string_view FencedText(std::string_view text) {
  constexpr std::string_view kFence = "```";
  text = Trimmed(text);
  if (text.size() < 2 * kFence.size() || text.substr(0, kFence.size()) != kFence ||
      text.substr(text.size() - kFence.size()) != kFence) {
    return {};
  }
  text = text.substr(kFence.size(), text.size() - 2 * kFence.size());
  const size_t line_end = text.find('\n');
  if (line_end == text.npos) return {};
  const std::string_view language = Trimmed(text.substr(0, line_end));
  if (!language.empty() && language != "json" && language != "JSON") return {};
  return text.substr(line_end);
}

absl::StatusOr<std::unique_ptr<const Verifier>> JsonSchemaVerifier::Create(
    const temper::v1::JsonSchemaOptions& options) {
  auto verifier = std::unique_ptr<JsonSchemaVerifier>(new JsonSchemaVerifier);
  if (options.fence() == "require") {
    verifier->fence_ = Fence::kRequire;
  } else if (options.fence() == "refuse") {
    verifier->fence_ = Fence::kRefuse;
  } else if (!options.fence().empty() && options.fence() != "allow") {
    return absl::InvalidArgumentError(absl::StrCat("json_schema.fence: found ",
                                                   Quoted(options.fence()),
                                                   ", expected allow, require or refuse"));
  }
  if (options.has_bytes_max()) {
    if (options.bytes_max() < 1) {
      return absl::InvalidArgumentError(absl::StrCat("json_schema.bytes_max: found ",
                                                     options.bytes_max(), ", expected 1 or more"));
    }
    verifier->limits_.bytes_max = static_cast<size_t>(options.bytes_max());
  }
  if (options.has_depth_max()) verifier->limits_.depth_max = options.depth_max();
  if (verifier->limits_.depth_max < 1 || verifier->limits_.depth_max > kDepthMax) {
    return absl::InvalidArgumentError(absl::StrCat(
        "json_schema.depth_max: found ", options.depth_max(), ", expected 1 to ", kDepthMax));
  }
  if (options.has_formats()) verifier->formats_ = options.formats();
  verifier->schema_ = options.schema();
  if (!options.schema().empty()) {
    TEMPER_RETURN_IF_ERROR(
        CompileText(options.schema(), verifier->formats_, "json_schema.schema").status());
  }
  return verifier;
}

absl::StatusOr<Judgement> JsonSchemaVerifier::Judge(const Response& response) const {
  TEMPER_ASSIGN_OR_RETURN(const JsonSchema schema, SchemaOf(response, schema_, formats_));
  const std::string said = WithoutThinking(response.text);
  std::string_view document = said;
  const std::string_view fenced = FencedText(said);
  if (fenced.data() != nullptr && fence_ != Fence::kRefuse) {
    document = fenced;
  } else if (fence_ == Fence::kRequire) {
    return NotEqual("the response is no ```json fence");
  }
  const auto parsed = ParseJsonValue(document, limits_);
  if (!parsed.ok()) {
    return NotEqual(
        absl::StrCat("not one JSON document: ", std::string(parsed.status().message())));
  }
  JsonSchema::Verdict verdict = schema.Validate(*parsed);
  switch (verdict.kind) {
    case JsonSchema::Verdict::kValid:
      return Judgement{std::string(kEqual), 1, std::move(verdict.reason)};
    case JsonSchema::Verdict::kInvalid:
      return NotEqual(std::move(verdict.reason));
    case JsonSchema::Verdict::kOutOfFuel:
      return Judgement{std::string(kUndecided), 0, std::move(verdict.reason)};
  }
  return absl::InternalError("a verdict of no kind");
}

}  // namespace temper::reward
