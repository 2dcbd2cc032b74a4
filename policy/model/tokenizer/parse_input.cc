// Reads what happens to text before it is merged: the normalizer and the pre-tokenizer.
#include <array>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "nlohmann/json.hpp"
#include "policy/model/tokenizer/tables.h"

namespace temper::model {
namespace {

using Behavior = SplitStep::Behavior;

// What ByteLevel splits by when use_regex is set: GPT-2's words.
constexpr char kGpt2Words[] =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";

constexpr std::array<std::pair<const char*, Behavior>, 5> kBehaviors = {
    {{"Removed", Behavior::kRemoved},
     {"Isolated", Behavior::kIsolated},
     {"MergedWithPrevious", Behavior::kMergedWithPrevious},
     {"MergedWithNext", Behavior::kMergedWithNext},
     {"Contiguous", Behavior::kContiguous}}};

constexpr std::array<std::pair<const char*, NormalForm>, 4> kForms = {
    {{"NFC", NormalForm::kNfc},
     {"NFD", NormalForm::kNfd},
     {"NFKC", NormalForm::kNfkc},
     {"NFKD", NormalForm::kNfkd}}};

absl::StatusOr<TextPattern> CompileAt(const JsonAt& at, std::string_view pattern) {
  absl::StatusOr<TextPattern> compiled = TextPattern::Compile(pattern);
  if (compiled.ok()) return compiled;
  return WrongAt(
      at, "",
      absl::StrCat("a pattern that can be compiled: ", std::string(compiled.status().message())));
}

absl::StatusOr<Behavior> ParseBehavior(const JsonAt& at) {
  TEMPER_ASSIGN_OR_RETURN(const std::string behavior, TextAt(at, "behavior"));
  for (const auto& [name, value] : kBehaviors) {
    if (behavior == name) return value;
  }
  return WrongAt(at, "behavior",
                 "Removed, Isolated, MergedWithPrevious, MergedWithNext or Contiguous");
}

absl::StatusOr<SplitStep> ParseSplit(const JsonAt& at) {
  SplitStep step;
  TEMPER_ASSIGN_OR_RETURN(step.behavior, ParseBehavior(at));
  TEMPER_ASSIGN_OR_RETURN(step.invert, FlagAt(at, "invert", false));
  TEMPER_ASSIGN_OR_RETURN(TextPattern pattern, ParsePattern(at["pattern"]));
  step.pattern.push_back(std::move(pattern));
  return step;
}

absl::StatusOr<SplitStep> ParseDigits(const JsonAt& at) {
  SplitStep step;
  TEMPER_ASSIGN_OR_RETURN(const bool individual, FlagAt(at, "individual_digits", false));
  step.behavior = individual ? Behavior::kIsolated : Behavior::kContiguous;
  TEMPER_ASSIGN_OR_RETURN(TextPattern digit, CompileAt(at, "\\p{N}"));
  step.pattern.push_back(std::move(digit));
  return step;
}

absl::StatusOr<SplitStep> ParseByteLevel(const JsonAt& at) {
  SplitStep step;
  TEMPER_ASSIGN_OR_RETURN(step.add_prefix_space, FlagAt(at, "add_prefix_space", true));
  TEMPER_ASSIGN_OR_RETURN(const bool use_regex, FlagAt(at, "use_regex", true));
  if (use_regex) {
    TEMPER_ASSIGN_OR_RETURN(TextPattern words, CompileAt(at, kGpt2Words));
    step.pattern.push_back(std::move(words));
  }
  return step;
}

absl::Status AddNormalizer(const JsonAt& at, const std::string& type, Normalizer& steps) {
  for (const auto& [name, form] : kForms) {
    if (type != name) continue;
    steps.Add(form);
    return absl::OkStatus();
  }
  if (type == "Prepend") {
    TEMPER_ASSIGN_OR_RETURN(std::string text, TextAt(at, "prepend"));
    steps.Add(PrependStep{std::move(text)});
    return absl::OkStatus();
  }
  if (type == "Replace") {
    TEMPER_ASSIGN_OR_RETURN(ReplaceStep replace, ParseReplace(at));
    steps.Add(std::move(replace));
    return absl::OkStatus();
  }
  return WrongAt(at, "type",
                 "NFC, NFD, NFKC, NFKD, Prepend, Replace or Sequence; others are not supported");
}

}  // namespace

absl::StatusOr<TextPattern> ParsePattern(const JsonAt& at) {
  TEMPER_ASSIGN_OR_RETURN(const std::string regex, TextAt(at, "Regex"));
  TEMPER_ASSIGN_OR_RETURN(const std::string literal, TextAt(at, "String"));
  if (regex.empty() == literal.empty()) return WrongAt(at, "", "either Regex or String");
  return CompileAt(at, literal.empty() ? regex : EscapedPattern(literal));
}

absl::StatusOr<ReplaceStep> ParseReplace(const JsonAt& at) {
  TEMPER_ASSIGN_OR_RETURN(TextPattern pattern, ParsePattern(at["pattern"]));
  TEMPER_ASSIGN_OR_RETURN(std::string content, TextAt(at, "content"));
  const bool regex = !at["pattern"]["Regex"].value.is_null();
  if (regex && content.find('$') != std::string::npos) {
    return WrongAt(at, "content", "text without $: groups are not supported");
  }
  return ReplaceStep{std::move(pattern), std::move(content)};
}

absl::Status ParseNormalizer(const JsonAt& at, Normalizer& steps) {
  if (at.value.is_null()) return absl::OkStatus();
  TEMPER_ASSIGN_OR_RETURN(const std::string type, TextAt(at, "type"));
  if (steps.steps() >= kStepsMax)
    return WrongAt(at, absl::StrCat("more than ", kStepsMax, " steps"));
  if (type != "Sequence") return AddNormalizer(at, type, steps);
  const JsonAt list = at["normalizers"];
  TEMPER_ASSIGN_OR_RETURN(const size_t size, SizeAt(list, kStepsMax, "a list"));
  for (size_t i = 0; i < size; ++i) TEMPER_RETURN_IF_ERROR(ParseNormalizer(list[i], steps));
  return absl::OkStatus();
}

absl::Status ParseSplitter(const JsonAt& at, Splitter& splitter, bool& byte_level) {
  if (at.value.is_null()) return absl::OkStatus();
  TEMPER_ASSIGN_OR_RETURN(const std::string type, TextAt(at, "type"));
  if (type == "Sequence") {
    const JsonAt list = at["pretokenizers"];
    TEMPER_ASSIGN_OR_RETURN(const size_t size, SizeAt(list, kStepsMax, "a list"));
    for (size_t i = 0; i < size; ++i) {
      TEMPER_RETURN_IF_ERROR(ParseSplitter(list[i], splitter, byte_level));
    }
    return absl::OkStatus();
  }
  if (byte_level) return WrongAt(at, "type", "nothing after ByteLevel");
  if (splitter.steps() >= kStepsMax)
    return WrongAt(at, absl::StrCat("more than ", kStepsMax, " steps"));
  absl::StatusOr<SplitStep> step =
      WrongAt(at, "type", "Sequence, Split, Digits or ByteLevel; others are not supported");
  if (type == "Split") step = ParseSplit(at);
  if (type == "Digits") step = ParseDigits(at);
  if (type == "ByteLevel") step = ParseByteLevel(at);
  TEMPER_RETURN_IF_ERROR(step.status());
  byte_level = type == "ByteLevel";
  splitter.Add(*std::move(step));
  return absl::OkStatus();
}

}  // namespace temper::model
