// An explicit table: a new verifier is one file and one line here.
#include "reward/registry.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/nearest_name.h"
#include "base/status_macros.h"
#include "google/protobuf/descriptor.h"
#include "reward/answer_verifier.h"
#include "reward/code/code_verifier.h"
#include "reward/form/length_verifier.h"
#include "reward/form/repetition_verifier.h"
#include "reward/form/thinking_verifier.h"
#include "reward/format_verifier.h"
#include "reward/instruction/instruction_verifier.h"
#include "reward/json/json_schema_verifier.h"
#include "reward/json/tool_call_verifier.h"
#include "reward/language/language_verifier.h"
#include "reward/math/math_verifier.h"
#include "reward/remote/judge_verifier.h"
#include "reward/remote/remote_verifier.h"
#include "reward/remote/reward_model_verifier.h"
#include "reward/text/choice_verifier.h"
#include "reward/text/citation_verifier.h"
#include "reward/text/match_verifier.h"
#include "temper/v1/run_spec.pb.h"

namespace temper::reward {
namespace {

using VerifierOr = absl::StatusOr<std::unique_ptr<const Verifier>>;
using temper::v1::RubricPart;

VerifierOr MakeAnswer(const RubricPart& part) {
  TEMPER_ASSIGN_OR_RETURN(AnswerExtractor extractor,
                          AnswerExtractor::Create(part.extract(), part.marker()));
  return std::make_unique<const AnswerVerifier>(std::move(extractor));
}

absl::Duration CallTimeout(const RubricPart& part) {
  return absl::Seconds(part.has_timeout_seconds() ? part.timeout_seconds() : 120);
}

VerifierOr MakeJudge(const RubricPart& part) {
  return JudgeVerifier::Create(part.judge(), CallTimeout(part));
}

VerifierOr MakeRewardModel(const RubricPart& part) {
  return RewardModelVerifier::Create(part.reward_model(), CallTimeout(part));
}

VerifierOr MakeRemote(const RubricPart& part) {
  return RemoteVerifier::Create(part.remote(), CallTimeout(part));
}

VerifierOr MakeFormat(const RubricPart& part) { return FormatVerifier::Create(part.pattern()); }

VerifierOr MakeChoice(const RubricPart& part) {
  return ChoiceVerifier::Create(part.choice(), part.extract(), part.marker());
}

VerifierOr MakeMatch(const RubricPart& part) {
  return MatchVerifier::Create(part.match(), part.extract(), part.marker());
}

// For a verifier that reads one message of settings and nothing else.
template <typename V, auto kOptions>
VerifierOr MakeBy(const RubricPart& part) {
  return V::Create((part.*kOptions)());
}

VerifierOr MakeMath(const temper::v1::RubricPart& part) {
  TEMPER_ASSIGN_OR_RETURN(AnswerExtractor extractor,
                          AnswerExtractor::Create(part.extract(), part.marker()));
  TEMPER_ASSIGN_OR_RETURN(const math::Policy policy, math::ReadPolicy(part.math()));
  return std::make_unique<const MathVerifier>(std::move(extractor), policy);
}

struct Entry {
  const char* name;
  const char* purpose;
  VerifierKind kind;
  VerifierOr (*make)(const RubricPart&);
};

constexpr Entry kTable[] = {
    {"answer",
     "the final answer is the gold one: the same number, or the same text",
     {.version = 1, .needs_gold = true, .final_answer = true},
     MakeAnswer},
    {"math",
     "the final answer has the value of the gold one: exact mathematics",
     {.version = 1, .needs_gold = true, .final_answer = true},
     MakeMath},
    {"code",
     "a program passes its tests, in a sandbox",
     {.version = 1, .lane = Lane::kSandbox},
     MakeBy<CodeVerifier, &RubricPart::code>},
    {"judge",
     "a language model grades, compares or says yes or no",
     {.version = 1, .lane = Lane::kRemote},
     MakeJudge},
    {"reward_model",
     "the value of a model with a reward head",
     {.version = 1, .lane = Lane::kRemote},
     MakeRewardModel},
    {"remote",
     "your own server of VerifierService",
     {.version = 1, .lane = Lane::kRemote},
     MakeRemote},
    {"format", "the whole response matches a pattern", {.version = 1}, MakeFormat},
    {"choice",
     "the letter of a multiple-choice question",
     {.version = 1, .needs_gold = true, .final_answer = true},
     MakeChoice},
    {"match",
     "exact text, a number, a pattern, or one of several",
     {.version = 1, .final_answer = true},
     MakeMatch},
    {"instruction",
     "instructions that a program can check (IFEval, IFBench)",
     {.version = 1},
     MakeBy<InstructionVerifier, &RubricPart::instruction>},
    {"json_schema",
     "one JSON document that a schema accepts",
     {.version = 1},
     MakeBy<JsonSchemaVerifier, &RubricPart::json_schema>},
    {"tool_call",
     "the calls of tools that were expected",
     {.version = 1},
     MakeBy<ToolCallVerifier, &RubricPart::tool_call>},
    {"thinking",
     "the tags around a thought, and an answer after it",
     {.version = 1},
     MakeBy<ThinkingVerifier, &RubricPart::thinking>},
    {"language",
     "the language an answer is written in",
     {.version = 1},
     MakeBy<LanguageVerifier, &RubricPart::language>},
    {"length",
     "overlong shaping, and bounds on the length",
     {.version = 1},
     MakeBy<LengthVerifier, &RubricPart::length>},
    {"citation",
     "cites passages that were given, and no others",
     {.version = 1},
     MakeBy<CitationVerifier, &RubricPart::citation>},
    {"repetition",
     "does not say n-grams again",
     {.version = 1},
     MakeBy<RepetitionVerifier, &RubricPart::repetition>},
};

absl::StatusOr<const Entry*> Find(const std::string& name) {
  for (const Entry& entry : kTable) {
    if (name == entry.name) return &entry;
  }
  const std::string nearest = NearestName(name, VerifierNames());
  return absl::InvalidArgumentError(absl::StrCat(
      "verifier: found ", Quoted(name), ", expected one of ", absl::StrJoin(VerifierNames(), ", "),
      nearest.empty() ? "" : absl::StrCat("; did you mean \"", nearest, "\"?")));
}

// A setting of another verifier is a mistake that would otherwise pass in silence.
absl::Status CheckSettings(const RubricPart& part, const Entry& entry) {
  const google::protobuf::Reflection* reflection = part.GetReflection();
  std::vector<const google::protobuf::FieldDescriptor*> given;
  reflection->ListFields(part, &given);
  for (const google::protobuf::FieldDescriptor* field : given) {
    const std::string& name = field->name();
    const bool settings =
        field->message_type() != nullptr && !field->is_repeated() && name != part.verifier();
    const bool of_format = name == "pattern" && part.verifier() != "format";
    const bool of_answers = (name == "extract" || name == "marker") && !entry.kind.final_answer;
    if (settings || of_format || of_answers) {
      return absl::InvalidArgumentError(
          absl::StrCat(name, ": verifier \"", part.verifier(), "\" does not read it; remove it"));
    }
  }
  return absl::OkStatus();
}

}  // namespace

const std::vector<std::string>& VerifierNames() {
  static const std::vector<std::string>& names = *[] {
    auto* listed = new std::vector<std::string>;
    for (const Entry& entry : kTable) listed->push_back(entry.name);
    return listed;
  }();
  return names;
}

absl::StatusOr<VerifierKind> KindOf(const std::string& verifier) {
  TEMPER_ASSIGN_OR_RETURN(const Entry* entry, Find(verifier));
  return entry->kind;
}

std::string_view PurposeOf(const std::string& verifier) {
  const auto found = Find(verifier);
  return found.ok() ? (*found)->purpose : "";
}

VerifierOr MakeVerifier(const RubricPart& part) {
  TEMPER_ASSIGN_OR_RETURN(const Entry* entry, Find(part.verifier()));
  TEMPER_RETURN_IF_ERROR(CheckSettings(part, *entry));
  return entry->make(part);
}

}  // namespace temper::reward
