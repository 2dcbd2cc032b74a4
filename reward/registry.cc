// An explicit table: a new verifier is one file and one line here.
#include "reward/registry.h"

#include <algorithm>
#include <initializer_list>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/nearest_name.h"
#include "base/status_macros.h"
#include "reward/answer_verifier.h"
#include "reward/form/length_verifier.h"
#include "reward/form/repetition_verifier.h"
#include "reward/form/thinking_verifier.h"
#include "reward/format_verifier.h"
#include "reward/instruction/instruction_verifier.h"
#include "reward/json/json_schema_verifier.h"
#include "reward/json/tool_call_verifier.h"
#include "reward/language/language_verifier.h"
#include "reward/text/choice_verifier.h"
#include "reward/text/citation_verifier.h"
#include "reward/text/match_verifier.h"
#include "temper/v1/run_spec.pb.h"

namespace temper::reward {
namespace {

using VerifierOr = absl::StatusOr<std::unique_ptr<const Verifier>>;

absl::Status NotRead(std::string_view field, const temper::v1::RubricPart& part) {
  return absl::InvalidArgumentError(absl::StrCat(
      std::string(field), ": verifier \"", part.verifier(), "\" does not read it; remove it"));
}

// Refuses every setting but those of any part and the ones that are `read`.
absl::Status CheckRead(const temper::v1::RubricPart& part,
                       std::initializer_list<std::string_view> read) {
  constexpr std::string_view kOfAnyPart[] = {"verifier", "weight", "gate", "name", "tasks"};
  std::vector<const google::protobuf::FieldDescriptor*> fields;
  part.GetReflection()->ListFields(part, &fields);
  for (const google::protobuf::FieldDescriptor* field : fields) {
    const std::string_view name(field->name());
    if (std::find(std::begin(kOfAnyPart), std::end(kOfAnyPart), name) == std::end(kOfAnyPart) &&
        std::find(read.begin(), read.end(), name) == read.end()) {
      return NotRead(name, part);
    }
  }
  return absl::OkStatus();
}

VerifierOr MakeAnswer(const temper::v1::RubricPart& part) {
  if (!part.pattern().empty()) return NotRead("pattern", part);
  TEMPER_ASSIGN_OR_RETURN(AnswerExtractor extractor,
                          AnswerExtractor::Create(part.extract(), part.marker()));
  return std::make_unique<const AnswerVerifier>(std::move(extractor));
}

VerifierOr MakeFormat(const temper::v1::RubricPart& part) {
  if (!part.extract().empty()) return NotRead("extract", part);
  if (!part.marker().empty()) return NotRead("marker", part);
  return FormatVerifier::Create(part.pattern());
}

VerifierOr MakeChoice(const temper::v1::RubricPart& part) {
  TEMPER_RETURN_IF_ERROR(CheckRead(part, {"choice", "extract", "marker"}));
  return ChoiceVerifier::Create(part.choice(), part.extract(), part.marker());
}

VerifierOr MakeMatch(const temper::v1::RubricPart& part) {
  TEMPER_RETURN_IF_ERROR(CheckRead(part, {"match", "extract", "marker"}));
  return MatchVerifier::Create(part.match(), part.extract(), part.marker());
}

// For a verifier that reads one message of settings and nothing else.
template <typename V, auto kOptions>
VerifierOr MakeBy(const temper::v1::RubricPart& part) {
  TEMPER_RETURN_IF_ERROR(CheckRead(part, {part.verifier()}));
  return V::Create((part.*kOptions)());
}

struct Entry {
  const char* name;
  // Raised whenever a judgement may come out otherwise than before: part of the key of every cache.
  int version;
  VerifierOr (*make)(const temper::v1::RubricPart&);
};

constexpr Entry kTable[] = {
    {"answer", 1, MakeAnswer},
    {"format", 1, MakeFormat},
    {"choice", 1, MakeChoice},
    {"match", 1, MakeMatch},
    {"instruction", 1, MakeBy<InstructionVerifier, &temper::v1::RubricPart::instruction>},
    {"json_schema", 1, MakeBy<JsonSchemaVerifier, &temper::v1::RubricPart::json_schema>},
    {"tool_call", 1, MakeBy<ToolCallVerifier, &temper::v1::RubricPart::tool_call>},
    {"thinking", 1, MakeBy<ThinkingVerifier, &temper::v1::RubricPart::thinking>},
    {"language", 1, MakeBy<LanguageVerifier, &temper::v1::RubricPart::language>},
    {"length", 1, MakeBy<LengthVerifier, &temper::v1::RubricPart::length>},
    {"citation", 1, MakeBy<CitationVerifier, &temper::v1::RubricPart::citation>},
    {"repetition", 1, MakeBy<RepetitionVerifier, &temper::v1::RubricPart::repetition>},
};

}  // namespace
const std::vector<std::string>& VerifierNames() {
  static const std::vector<std::string>& names = *[] {
    auto* listed = new std::vector<std::string>;
    for (const Entry& entry : kTable) listed->push_back(entry.name);
    return listed;
  }();
  return names;
}

VerifierOr MakeVerifier(const temper::v1::RubricPart& part) {
  for (const Entry& entry : kTable) {
    if (part.verifier() == entry.name) return entry.make(part);
  }
  const std::string nearest = NearestName(part.verifier(), VerifierNames());
  return absl::InvalidArgumentError(
      absl::StrCat("verifier: found ", Quoted(part.verifier()), ", expected ",
                   absl::StrJoin(VerifierNames(), " or "),
                   nearest.empty() ? "" : absl::StrCat("; did you mean \"", nearest, "\"?")));
}

}  // namespace temper::reward
