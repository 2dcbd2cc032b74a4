// Pointers are walked by hand: nlohmann's throw.
#include "agents/select/judgement/rubric_rule.h"

#include <optional>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "agents/select/judgement/reply_text.h"
#include "agents/select/pattern.h"
#include "base/status_macros.h"
#include "nlohmann/json.hpp"
#include "re2/re2.h"

namespace temper::agents {
namespace {

// What a pointer names, or null.
const nlohmann::ordered_json* Walk(const nlohmann::ordered_json& root, const std::string& pointer) {
  const nlohmann::ordered_json* at = &root;
  const std::vector<std::string> steps = absl::StrSplit(pointer, '/');
  for (size_t i = 1; i < steps.size(); ++i) {
    const std::string key = absl::StrReplaceAll(steps[i], {{"~1", "/"}, {"~0", "~"}});
    uint32_t index = 0;
    if (at->is_object() && at->contains(key)) {
      at = &(*at)[key];
    } else if (at->is_array() && absl::SimpleAtoi(key, &index) && index < at->size()) {
      at = &(*at)[index];
    } else {
      return nullptr;
    }
  }
  return at;
}

absl::StatusOr<double> LastMatch(std::string_view text, const re2::RE2& pattern) {
  const std::optional<std::string> found = LastGroup(pattern, text);
  if (!found.has_value()) {
    return absl::InvalidArgumentError(
        absl::StrCat("no match of ", HeadOf(pattern.pattern()), " in the reply ", HeadOf(text)));
  }
  const std::optional<double> number = ReadDecimal(*found);
  if (number.has_value()) return *number;
  return absl::InvalidArgumentError(absl::StrCat(HeadOf(pattern.pattern()), " found ",
                                                 HeadOf(*found), ", which is no number, in ",
                                                 HeadOf(text)));
}

}  // namespace

absl::StatusOr<RubricRule> RubricRule::Pattern(const std::string& pattern) {
  TEMPER_ASSIGN_OR_RETURN(std::shared_ptr<const re2::RE2> compiled, CompileReadingPattern(pattern));
  return RubricRule(std::move(compiled), "");
}

absl::StatusOr<RubricRule> RubricRule::Pointer(const std::string& pointer) {
  if (pointer.empty() || pointer[0] != '/') {
    return absl::InvalidArgumentError(
        absl::StrCat(HeadOf(pointer), " is no JSON pointer, expected one such as \"/score\""));
  }
  return RubricRule(nullptr, pointer);
}

absl::StatusOr<double> RubricRule::Read(std::string_view reply) const {
  const std::string_view answer = AfterThinking(reply);
  if (pattern_ != nullptr) return LastMatch(answer, *pattern_);
  TEMPER_ASSIGN_OR_RETURN(const auto object, LastObjectWith(answer, {}));
  const nlohmann::ordered_json* value = Walk(object, pointer_);
  if (value == nullptr) {
    return absl::InvalidArgumentError(
        absl::StrCat("nothing at ", HeadOf(pointer_), " in the reply ", HeadOf(answer)));
  }
  const auto number = NumberOf(*value, pointer_);
  if (number.ok()) return *number;
  return absl::InvalidArgumentError(
      absl::StrCat(std::string(number.status().message()), ", in the reply ", HeadOf(answer)));
}

}  // namespace temper::agents
