// Types and ranges, with words for what is wrong.
#include "base/openai_server/request_fields.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "base/openai_server/api_error.h"
#include "base/utf8.h"

namespace temper {
namespace {

// A client's value may be a megabyte.
std::string Shown(const RequestFields::Json& value) {
  constexpr size_t kShownMax = 60;
  if (value.is_structured()) return value.is_array() ? "a list" : "an object";
  if (value.is_string() && value.get_ref<const std::string&>().size() > kShownMax) {
    return "a long string";
  }
  return Dump(value);
}

}  // namespace

const RequestFields::Json* RequestFields::Find(std::string_view name) {
  known_.emplace_back(name);
  const auto found = object_.find(std::string(name));
  return found == object_.end() || found->is_null() ? nullptr : &*found;
}

std::optional<bool> RequestFields::Bool(std::string_view name) {
  const Json* value = Find(name);
  if (value == nullptr) return std::nullopt;
  if (value->is_boolean()) return value->get<bool>();
  Wrong(name, *value, "true or false");
  return std::nullopt;
}

std::optional<int64_t> RequestFields::Whole(std::string_view name, int64_t least, int64_t most) {
  const Json* value = Find(name);
  if (value == nullptr) return std::nullopt;
  // Some clients write 16.0.
  const double number = value->is_number() ? value->get<double>() : 0.5;
  if (number >= static_cast<double>(least) && number <= static_cast<double>(most) &&
      number == static_cast<double>(static_cast<int64_t>(number))) {
    return static_cast<int64_t>(number);
  }
  Wrong(name, *value,
        most == kWholeMax ? absl::StrCat("a whole number, at least ", least)
                          : absl::StrCat("a whole number from ", least, " to ", most));
  return std::nullopt;
}

std::optional<double> RequestFields::Number(std::string_view name, double least, double most) {
  const Json* value = Find(name);
  if (value == nullptr) return std::nullopt;
  if (value->is_number()) {
    const double number = value->get<double>();
    if (number >= least && number <= most) return number;
  }
  Wrong(name, *value, absl::StrCat("a number from ", least, " to ", most));
  return std::nullopt;
}

std::optional<std::string> RequestFields::Text(std::string_view name) {
  const Json* value = Find(name);
  if (value == nullptr) return std::nullopt;
  if (value->is_string()) return value->get<std::string>();
  Wrong(name, *value, "a string");
  return std::nullopt;
}

void RequestFields::Wrong(std::string_view name, const Json& found, std::string_view expected) {
  Refuse(name, absl::StrCat("found ", Shown(found), ", expected ", std::string(expected)));
}

void RequestFields::Refuse(std::string_view name, std::string_view message) {
  if (status_.ok()) status_ = FieldError(prefix_ + std::string(name), message);
}

std::string RequestFields::Unknown() const {
  for (const auto& [key, value] : object_.items()) {
    if (std::find(known_.begin(), known_.end(), key) == known_.end()) return key;
  }
  return "";
}

}  // namespace temper
