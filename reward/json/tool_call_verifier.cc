// Calls are compared by a text that only equal calls share.
#include "reward/json/tool_call_verifier.h"

#include <algorithm>
#include <map>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "reward/answer_extractor.h"
#include "temper/v1/text_verifiers.pb.h"

namespace temper::reward {
namespace {

absl::StatusOr<std::vector<ToolCall>> Expected(std::string_view text) {
  const absl::Status missing = absl::InvalidArgumentError(
      "metadata.tool_calls: missing; verifier \"tool_call\" needs the list of calls expected");
  if (text.empty()) return missing;
  TEMPER_ASSIGN_OR_RETURN(const JsonValue metadata, ParseJsonAt(text, kMetadataLimits, "metadata"));
  for (const char* key : {"tool_calls", "expected_calls"}) {
    const JsonValue* listed = metadata.Find(key);
    if (listed == nullptr || listed->kind == JsonValue::Kind::kNull) continue;
    const std::string place = absl::StrCat("metadata.", key);
    if (listed->kind != JsonValue::Kind::kArray) {
      return absl::InvalidArgumentError(
          absl::StrCat(place, ": found ", Shown(*listed), ", expected a list of calls"));
    }
    std::vector<ToolCall> calls;
    for (size_t i = 0; i < listed->items.size(); ++i) {
      TEMPER_ASSIGN_OR_RETURN(ToolCall call,
                              ReadToolCall(listed->items[i], absl::StrCat(place, "[", i, "]")));
      calls.push_back(std::move(call));
    }
    return calls;
  }
  return missing;
}

std::string TextOf(const ToolCall& call) {
  return absl::StrCat(call.name.size(), "\"", call.name, "\"", CanonicalText(call.arguments));
}

struct Comparison {
  size_t matching = 0;
  const ToolCall* wanting = nullptr;  // the first call expected that was not made
};

Comparison InOrder(const std::vector<ToolCall>& expected, const std::vector<ToolCall>& made) {
  Comparison comparison;
  for (size_t i = 0; i < expected.size(); ++i) {
    if (i < made.size() && TextOf(expected[i]) == TextOf(made[i])) {
      ++comparison.matching;
    } else if (comparison.wanting == nullptr) {
      comparison.wanting = &expected[i];
    }
  }
  return comparison;
}

Comparison InAnyOrder(const std::vector<ToolCall>& expected, const std::vector<ToolCall>& made) {
  std::map<std::string, int> left;
  for (const ToolCall& call : made) ++left[TextOf(call)];
  Comparison comparison;
  for (const ToolCall& call : expected) {
    const auto found = left.find(TextOf(call));
    if (found != left.end() && found->second > 0) {
      --found->second;
      ++comparison.matching;
    } else if (comparison.wanting == nullptr) {
      comparison.wanting = &call;
    }
  }
  return comparison;
}

}  // namespace

absl::StatusOr<std::unique_ptr<const Verifier>> ToolCallVerifier::Create(
    const temper::v1::ToolCallOptions& options) {
  auto verifier = std::unique_ptr<ToolCallVerifier>(new ToolCallVerifier);
  if (options.format() == "hermes") {
    verifier->format_ = ToolCallFormat::kHermes;
  } else if (options.format() == "nemotron") {
    verifier->format_ = ToolCallFormat::kNemotron;
  } else if (options.format() == "json") {
    verifier->format_ = ToolCallFormat::kJson;
  } else if (!options.format().empty() && options.format() != "auto") {
    return absl::InvalidArgumentError(absl::StrCat("tool_call.format: found ",
                                                   Quoted(options.format()),
                                                   ", expected auto, hermes, nemotron or json"));
  }
  if (!options.order().empty() && options.order() != "any" && options.order() != "given") {
    return absl::InvalidArgumentError(absl::StrCat(
        "tool_call.order: found ", Quoted(options.order()), ", expected any or given"));
  }
  verifier->in_order_ = options.order() == "given";
  verifier->fraction_ = options.fraction();
  return verifier;
}

absl::StatusOr<Judgement> ToolCallVerifier::Judge(const Response& response) const {
  TEMPER_ASSIGN_OR_RETURN(const std::vector<ToolCall> expected, Expected(response.metadata));
  const auto made = ReadToolCalls(WithoutThinking(response.text), format_);
  if (!made.ok()) {
    return Judgement{std::string(kNotEqual), 0, Quoted(std::string(made.status().message()))};
  }
  const Comparison comparison = in_order_ ? InOrder(expected, *made) : InAnyOrder(expected, *made);
  const size_t most = std::max(expected.size(), made->size());
  if (comparison.matching == most) {
    return Judgement{std::string(kEqual), 1, absl::StrCat("all of ", most, " calls are right")};
  }
  std::string reason = absl::StrCat(comparison.matching, " of ", expected.size(),
                                    " expected calls match, ", made->size(), " were made");
  if (comparison.wanting != nullptr) {
    absl::StrAppend(&reason, "; wanting is ", Quoted(comparison.wanting->name));
  }
  const double share = static_cast<double>(comparison.matching) / static_cast<double>(most);
  return Judgement{std::string(kNotEqual), fraction_ ? share : 0, reason};
}

}  // namespace temper::reward
