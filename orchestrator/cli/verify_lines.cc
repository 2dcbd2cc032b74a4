// Text of others: every key is looked at before it is believed.
#include "orchestrator/cli/verify_lines.h"

#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/json_text.h"
#include "base/status_macros.h"
#include "nlohmann/json.hpp"

namespace temper::cli {
namespace {

// The text under `key`, a number as it is written in JSON; empty when the key is absent. Anything
// else is refused.
absl::StatusOr<std::optional<std::string>> Text(const nlohmann::ordered_json& line, const char* key,
                                                const std::string& place) {
  const auto found = line.find(key);
  if (found == line.end()) return std::nullopt;
  if (found->is_string()) return found->get<std::string>();
  if (found->is_number()) return found->dump();
  return absl::InvalidArgumentError(absl::StrCat(place, ": ", key, ": found ", found->type_name(),
                                                 ", expected a string or a number"));
}

}  // namespace

absl::StatusOr<temper::v1::ScoreItem> ParseVerifyLine(std::string_view text,
                                                      const std::string& place, bool needs_gold) {
  TEMPER_ASSIGN_OR_RETURN(nlohmann::ordered_json line, ParseOrderedJson(text, place));
  if (!line.is_object()) {
    return absl::InvalidArgumentError(
        absl::StrCat(place, ": found ", line.type_name(), ", expected an object"));
  }
  TEMPER_ASSIGN_OR_RETURN(std::optional<std::string> gold, Text(line, "gold", place));
  TEMPER_ASSIGN_OR_RETURN(std::optional<std::string> response, Text(line, "response", place));
  // "answer" is the response's where there is a gold answer to compare with, else the problem's.
  TEMPER_ASSIGN_OR_RETURN(std::optional<std::string> answer, Text(line, "answer", place));
  TEMPER_ASSIGN_OR_RETURN(std::optional<std::string> code, Text(line, "code", place));
  if (!gold.has_value() && response.has_value()) gold = std::exchange(answer, std::nullopt);
  if (needs_gold && !gold.has_value()) {
    return absl::InvalidArgumentError(absl::StrCat(
        place, R"(: expected {"gold": ..., "answer": ...} or {"gold": ..., "response": ...})"));
  }
  if (response.has_value() + answer.has_value() + code.has_value() != 1) {
    return absl::InvalidArgumentError(
        absl::StrCat(place, needs_gold ? R"(: expected one of "answer" and "response")"
                                       : R"(: expected one of "response", "code" and "answer")"));
  }
  temper::v1::ScoreItem item;
  item.set_answer(gold.value_or(""));
  item.set_extracted(!response.has_value());
  item.set_response(response.value_or(answer.value_or(code.value_or(""))));
  TEMPER_ASSIGN_OR_RETURN(const std::optional<std::string> prompt, Text(line, "prompt", place));
  item.set_prompt(prompt.value_or(""));
  TEMPER_ASSIGN_OR_RETURN(const std::optional<std::string> task, Text(line, "task", place));
  item.set_task(task.value_or(""));
  for (const char* key : {"gold", "response", "answer", "code"}) line.erase(key);
  if (!line.empty()) {
    item.set_metadata_json(
        line.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace));
  }
  return item;
}

std::string VerdictOf(const temper::v1::ScoreResult& result) {
  if (result.has_score()) return result.score().parts(0).verdict();
  return result.outcome_case() == temper::v1::ScoreResult::kInvalid ? "invalid" : "internal_error";
}

std::string ToVerifyLine(const temper::v1::ScoreResult& result) {
  nlohmann::ordered_json shown = {{"verdict", VerdictOf(result)}};
  if (result.has_score()) {
    const temper::v1::ScorePart& part = result.score().parts(0);
    shown["score"] = result.score().value();
    shown["reason"] = part.reason();
    if (!part.details_json().empty()) {
      shown["details"] =
          nlohmann::ordered_json::parse(part.details_json(), nullptr, /*allow_exceptions=*/false);
    }
  } else {
    shown["reason"] = result.outcome_case() == temper::v1::ScoreResult::kInvalid
                          ? result.invalid()
                          : result.internal_error();
  }
  return shown.dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

}  // namespace temper::cli
