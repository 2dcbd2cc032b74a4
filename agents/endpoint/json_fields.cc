// One getter for each kind of value.
#include "agents/endpoint/json_fields.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "base/nearest_name.h"

namespace temper::agents {

using nlohmann::ordered_json;

JsonFields::JsonFields(const ordered_json& object, std::string path)
    : object_(object), path_(std::move(path)) {
  if (!object_.is_object()) {
    problem_ = absl::InvalidArgumentError(
        absl::StrCat(path_, ": must be an object, is ", object_.type_name()));
  }
}

const ordered_json* JsonFields::Find(std::string_view key) {
  known_.emplace_back(key);
  if (!object_.is_object()) return nullptr;
  const auto found = object_.find(known_.back());
  return found == object_.end() ? nullptr : &*found;
}

std::string JsonFields::PathOf(std::string_view key) const {
  return absl::StrCat(path_, path_.ends_with(' ') ? "" : ".", std::string(key));
}

void JsonFields::Merge(const absl::Status& status) {
  if (problem_.ok()) problem_ = status;
}

void JsonFields::Refuse(std::string_view key, std::string_view why) {
  Merge(absl::InvalidArgumentError(absl::StrCat(PathOf(key), ": ", std::string(why))));
}

void JsonFields::RefuseName(std::string_view key, std::string_view value,
                            const std::vector<std::string>& known) {
  Refuse(key, absl::StrCat("unknown value \"", std::string(value), "\"", Suggestion(value, known)));
}

std::string JsonFields::Text(std::string_view key, std::string otherwise) {
  const ordered_json* const value = Find(key);
  if (value == nullptr) return otherwise;
  if (value->is_string()) return value->get<std::string>();
  Refuse(key, absl::StrCat("must be a text, is ", value->dump()));
  return otherwise;
}

std::string JsonFields::RequiredText(std::string_view key) {
  std::string text = Text(key);
  if (text.empty()) Refuse(key, "is missing, and needed here");
  return text;
}

bool JsonFields::Flag(std::string_view key, bool otherwise) {
  const ordered_json* const value = Find(key);
  if (value == nullptr) return otherwise;
  if (value->is_boolean()) return value->get<bool>();
  Refuse(key, absl::StrCat("must be true or false, is ", value->dump()));
  return otherwise;
}

int64_t JsonFields::Whole(std::string_view key, int64_t otherwise, int64_t least, int64_t most) {
  const ordered_json* const value = Find(key);
  if (value == nullptr) return otherwise;
  if (value->is_number_integer()) {
    const bool fits = !value->is_number_unsigned() || value->get<uint64_t>() <= INT64_MAX;
    const int64_t number = fits ? value->get<int64_t>() : INT64_MAX;
    if (fits && number >= least && number <= most) return number;
  }
  Refuse(key,
         absl::StrCat("must be a whole number in ", least, " .. ", most, ", is ", value->dump()));
  return otherwise;
}

double JsonFields::Number(std::string_view key, double otherwise, double least, double most) {
  const ordered_json* const value = Find(key);
  if (value == nullptr) return otherwise;
  if (value->is_number()) {
    const double number = value->get<double>();
    if (number >= least && number <= most) return number;
  }
  Refuse(key, absl::StrCat("must be a number in ", least, " .. ", most, ", is ", value->dump()));
  return otherwise;
}

absl::Status JsonFields::Finish() {
  if (!problem_.ok()) return problem_;
  for (const auto& entry : object_.items()) {
    if (std::find(known_.begin(), known_.end(), entry.key()) != known_.end()) continue;
    return absl::InvalidArgumentError(
        absl::StrCat(PathOf(entry.key()), ": unknown key", Suggestion(entry.key(), known_)));
  }
  return absl::OkStatus();
}

}  // namespace temper::agents
