// Looks ids up, and reads arguments with words for what is wrong.
#include "reward/instruction/instruction.h"

#include <cmath>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/nearest_name.h"
#include "base/status_macros.h"
#include "reward/text/code_points.h"
#include "reward/verifier.h"

namespace temper::reward {
namespace {

// Larger counts cannot be reached, and are a mistake.
constexpr double kCountMax = 1e9;

std::vector<std::span<const InstructionEntry>> Tables() {
  return {IfevalTextInstructions(),  IfevalFormatInstructions(),  IfbenchCountInstructions(),
          IfbenchWordInstructions(), IfbenchFormatInstructions(), IfbenchCustomInstructions()};
}

}  // namespace

const nlohmann::json* Arguments::Find(const char* key) const {
  read_.insert(key);
  if (!values_.is_object()) return nullptr;
  const auto found = values_.find(key);
  return found == values_.end() || found->is_null() ? nullptr : &*found;
}

absl::Status Arguments::Wrong(const char* key, const std::string& expected) const {
  const nlohmann::json* found = Find(key);
  const std::string shown =
      found == nullptr ? "nothing"
                       : found->dump(-1, ' ', true, nlohmann::json::error_handler_t::replace);
  return absl::InvalidArgumentError(
      absl::StrCat(PlaceOf(key), ": found ", Quoted(shown), ", expected ", expected));
}

absl::StatusOr<double> Arguments::Number(const char* key) const {
  const nlohmann::json* found = Find(key);
  if (found == nullptr || !found->is_number()) return Wrong(key, "a number");
  const double number = found->get<double>();
  if (!(number >= 0 && number <= kCountMax)) return Wrong(key, "0 to 1e9");
  return number;
}

absl::StatusOr<size_t> Arguments::Count(const char* key, size_t least) const {
  TEMPER_ASSIGN_OR_RETURN(const double number, Number(key));
  if (number != std::floor(number) || number < static_cast<double>(least)) {
    return Wrong(key, absl::StrCat("a whole number of ", least, " or more"));
  }
  return static_cast<size_t>(number);
}

absl::StatusOr<std::string> Arguments::Text(const char* key) const {
  const nlohmann::json* found = Find(key);
  if (found == nullptr || !found->is_string() || found->get_ref<const std::string&>().empty()) {
    return Wrong(key, "text");
  }
  return found->get<std::string>();
}

absl::StatusOr<std::u32string> Arguments::Points(const char* key) const {
  TEMPER_ASSIGN_OR_RETURN(const std::string text, Text(key));
  return Decoded(text);
}

absl::StatusOr<std::vector<std::string>> Arguments::Texts(const char* key) const {
  const nlohmann::json* found = Find(key);
  if (found == nullptr || !found->is_array() || found->empty())
    return Wrong(key, "a list of texts");
  std::vector<std::string> texts;
  for (const nlohmann::json& text : *found) {
    if (!text.is_string() || text.get_ref<const std::string&>().empty()) {
      return Wrong(key, "a list of texts");
    }
    texts.push_back(text.get<std::string>());
  }
  return texts;
}

absl::StatusOr<bool> Arguments::AtLeast(const char* key) const {
  TEMPER_ASSIGN_OR_RETURN(const std::string relation, Text(key));
  if (relation == "at least") return true;
  if (relation == "less than") return false;
  return Wrong(key, "\"at least\" or \"less than\"");
}

absl::Status Arguments::CheckAllRead() const {
  if (!values_.is_object()) return absl::OkStatus();
  for (const auto& [key, value] : values_.items()) {
    if (!value.is_null() && read_.count(key) == 0) {
      return absl::InvalidArgumentError(
          absl::StrCat(place_, ": this instruction does not read ", Quoted(key), "; remove it"));
    }
  }
  return absl::OkStatus();
}

const std::vector<std::string>& InstructionIds() {
  static const std::vector<std::string>& ids = *[] {
    auto* listed = new std::vector<std::string>;
    for (const auto& table : Tables()) {
      for (const InstructionEntry& entry : table) listed->push_back(entry.id);
    }
    return listed;
  }();
  return ids;
}

CheckOr MakeInstruction(const std::string& id, const nlohmann::json& values,
                        const std::string& place) {
  if (!values.is_null() && !values.is_object()) {
    return absl::InvalidArgumentError(
        absl::StrCat(place, ": found ", values.type_name(), ", expected an object"));
  }
  for (const auto& table : Tables()) {
    for (const InstructionEntry& entry : table) {
      if (id != entry.id) continue;
      const Arguments arguments(values, place);
      CheckOr check = entry.make(arguments);
      if (check.ok()) TEMPER_RETURN_IF_ERROR(arguments.CheckAllRead());
      return check;
    }
  }
  const std::string nearest = NearestName(id, InstructionIds());
  return absl::InvalidArgumentError(
      absl::StrCat("instruction ", Quoted(id), " is not known; expected one of the ",
                   InstructionIds().size(), " of IFEval and IFBench",
                   nearest.empty() ? "" : absl::StrCat("; did you mean \"", nearest, "\"?")));
}

}  // namespace temper::reward
