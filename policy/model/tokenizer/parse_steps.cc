// Reads the pre-tokenizer, post-processor and decoder of a tokenizer.json.
#include <array>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"
#include "nlohmann/json.hpp"
#include "policy/model/tokenizer/tables.h"

namespace temper::model {
namespace {

using Json = nlohmann::json;

// What ByteLevel splits by when use_regex is set: GPT-2's words.
constexpr char kGpt2Words[] =
    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)";

constexpr std::array<std::pair<const char*, SplitStep::Behavior>, 5> kBehaviors = {
    {{"Removed", SplitStep::Behavior::kRemoved},
     {"Isolated", SplitStep::Behavior::kIsolated},
     {"MergedWithPrevious", SplitStep::Behavior::kMergedWithPrevious},
     {"MergedWithNext", SplitStep::Behavior::kMergedWithNext},
     {"Contiguous", SplitStep::Behavior::kContiguous}}};

absl::StatusOr<TextPattern> CompileAt(const JsonAt& at, std::string_view pattern) {
  absl::StatusOr<TextPattern> compiled = TextPattern::Compile(pattern);
  if (compiled.ok()) return compiled;
  return WrongAt(
      at, "",
      absl::StrCat("a pattern that can be compiled: ", std::string(compiled.status().message())));
}

absl::StatusOr<SplitStep> ParseSplit(const JsonAt& at) {
  SplitStep step;
  TEMPER_ASSIGN_OR_RETURN(const std::string behavior, TextAt(at, "behavior"));
  bool known = false;
  for (const auto& [name, value] : kBehaviors) {
    if (behavior != name) continue;
    step.behavior = value;
    known = true;
  }
  if (!known) {
    return WrongAt(at, "behavior",
                   "Removed, Isolated, MergedWithPrevious, MergedWithNext or Contiguous");
  }
  TEMPER_ASSIGN_OR_RETURN(step.invert, FlagAt(at, "invert", false));
  const JsonAt pattern{ValueAt(at, "pattern"), at.path + ".pattern"};
  TEMPER_ASSIGN_OR_RETURN(const std::string regex, TextAt(pattern, "Regex"));
  TEMPER_ASSIGN_OR_RETURN(const std::string literal, TextAt(pattern, "String"));
  if (regex.empty() == literal.empty()) return WrongAt(pattern, "", "either Regex or String");
  TEMPER_ASSIGN_OR_RETURN(
      TextPattern compiled,
      CompileAt({pattern.value, pattern.path}, literal.empty() ? regex : EscapedPattern(literal)));
  step.pattern.push_back(std::move(compiled));
  return step;
}

absl::StatusOr<SplitStep> ParseDigits(const JsonAt& at) {
  SplitStep step;
  TEMPER_ASSIGN_OR_RETURN(const bool individual, FlagAt(at, "individual_digits", false));
  step.behavior = individual ? SplitStep::Behavior::kIsolated : SplitStep::Behavior::kContiguous;
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

// `bytes` turns true at ByteLevel, which has to be the last step.
absl::Status ParseStep(const JsonAt& at, Splitter& splitter, bool& bytes) {
  TEMPER_ASSIGN_OR_RETURN(const std::string type, TextAt(at, "type"));
  if (type == "Sequence") {
    const Json& list = ValueAt(at, "pretokenizers");
    if (!list.is_array()) return WrongAt(at, "pretokenizers", "a list");
    for (size_t i = 0; i < list.size(); ++i) {
      TEMPER_RETURN_IF_ERROR(
          ParseStep({list[i], absl::StrCat(at.path, ".pretokenizers[", i, "]")}, splitter, bytes));
    }
    return absl::OkStatus();
  }
  if (bytes) return WrongAt(at, "type", "nothing after ByteLevel");
  absl::StatusOr<SplitStep> step =
      WrongAt(at, "type", "Sequence, Split, Digits or ByteLevel; others are not supported");
  if (type == "Split") step = ParseSplit(at);
  if (type == "Digits") step = ParseDigits(at);
  if (type == "ByteLevel") step = ParseByteLevel(at);
  TEMPER_RETURN_IF_ERROR(step.status());
  bytes = type == "ByteLevel";
  splitter.Add(*std::move(step));
  return absl::OkStatus();
}

absl::Status ParseTemplate(const JsonAt& at, TokenizerTables& tables) {
  const Json& single = ValueAt(at, "single");
  if (!single.is_array()) return WrongAt(at, "single", "a list");
  const JsonAt specials{ValueAt(at, "special_tokens"), at.path + ".special_tokens"};
  bool text_seen = false;
  for (size_t i = 0; i < single.size(); ++i) {
    const JsonAt piece{single[i], absl::StrCat(at.path, ".single[", i, "]")};
    if (!ValueAt(piece, "Sequence").is_null() && !text_seen) {
      text_seen = true;
      continue;
    }
    const JsonAt token{ValueAt(piece, "SpecialToken"), piece.path + ".SpecialToken"};
    TEMPER_ASSIGN_OR_RETURN(const std::string name, TextAt(token, "id"));
    const JsonAt special{ValueAt(specials, name.c_str()),
                         absl::StrCat(specials.path, "[\"", name, "\"]")};
    const Json& ids = ValueAt(special, "ids");
    if (!ids.is_array()) return WrongAt(special, "ids", "the ids of a special token");
    for (const Json& id : ids) {
      if (!id.is_number_unsigned() || id.get<uint64_t>() >= tables.bytes.size()) {
        return WrongAt(special, "ids", "ids of the vocabulary");
      }
      (text_seen ? tables.after : tables.before).push_back(id.get<int32_t>());
    }
  }
  return text_seen ? absl::OkStatus() : WrongAt(at, "single", "a place for the text (Sequence)");
}

}  // namespace

absl::Status ParseSplitter(const JsonAt& pre_tokenizer, Splitter& splitter) {
  bool bytes = false;
  TEMPER_RETURN_IF_ERROR(ParseStep(pre_tokenizer, splitter, bytes));
  return bytes ? absl::OkStatus() : WrongAt(pre_tokenizer, "", "a ByteLevel step at the end");
}

absl::Status ParsePostProcessor(const JsonAt& at, TokenizerTables& tables) {
  if (at.value.is_null()) return absl::OkStatus();
  TEMPER_ASSIGN_OR_RETURN(const std::string type, TextAt(at, "type"));
  if (type == "ByteLevel") return absl::OkStatus();  // concerns offsets only
  if (type == "TemplateProcessing") return ParseTemplate(at, tables);
  if (type != "Sequence") {
    return WrongAt(at, "type",
                   "TemplateProcessing, ByteLevel or Sequence; others are not supported");
  }
  const Json& list = ValueAt(at, "processors");
  if (!list.is_array()) return WrongAt(at, "processors", "a list");
  for (size_t i = 0; i < list.size(); ++i) {
    const JsonAt step{list[i], absl::StrCat(at.path, ".processors[", i, "]")};
    if (!tables.before.empty() || !tables.after.empty()) {
      return WrongAt(step, "type", "nothing after TemplateProcessing");
    }
    TEMPER_RETURN_IF_ERROR(ParsePostProcessor(step, tables));
  }
  return absl::OkStatus();
}

absl::Status CheckDecoder(const JsonAt& at) {
  TEMPER_ASSIGN_OR_RETURN(const std::string type, TextAt(at, "type"));
  if (type == "ByteLevel") return absl::OkStatus();
  const Json& list = ValueAt(at, "decoders");
  if (type == "Sequence" && list.is_array() && list.size() == 1) {
    return CheckDecoder({list[0], at.path + ".decoders[0]"});
  }
  return WrongAt(at, "", "a decoder of type ByteLevel");
}

}  // namespace temper::model
