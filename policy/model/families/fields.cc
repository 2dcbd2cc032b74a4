// Every field checked once, with words for what is wrong.
#include "policy/model/families/fields.h"

#include "absl/strings/str_cat.h"

namespace temper::model {
namespace {

std::string Range(int64_t least, int64_t most) {
  return absl::StrCat("a whole number from ", least, " to ", most);
}

}  // namespace

std::string Shown(const Json& value) {
  std::string text = value.dump(-1, ' ', false, Json::error_handler_t::replace);
  if (text.size() > 60) text = text.substr(0, 57) + "...";
  return text;
}

void Fields::Refuse(std::string_view field, std::string_view words) {
  if (!status_.ok()) return;
  status_ = absl::InvalidArgumentError(
      absl::StrCat(place_, ": ", path_, std::string(field), ": ", std::string(words)));
}

void Fields::Adopt(const absl::Status& status) {
  if (status_.ok()) status_ = status;
}

const Json* Fields::Find(Names names, std::string* found) const {
  for (const char* name : names) {
    const auto at = object_.find(name);
    if (at == object_.end() || at->is_null()) continue;
    if (found != nullptr) *found = name;
    return &*at;
  }
  return nullptr;
}

int64_t Fields::Integer(Names names, int64_t least, int64_t most, std::optional<int64_t> fallback) {
  std::string name;
  const Json* value = Find(names, &name);
  if (value != nullptr) return IntegerOf(*value, name, least, most);
  if (fallback.has_value()) return *fallback;
  Refuse(*names.begin(), absl::StrCat("missing; expected ", Range(least, most)));
  return least;
}

int64_t Fields::IntegerOf(const Json& value, std::string_view name, int64_t least, int64_t most) {
  const bool fits = value.is_number_unsigned()
                        ? value.get<uint64_t>() <= static_cast<uint64_t>(most)
                        : value.is_number_integer();
  if (fits) {
    const int64_t number = value.get<int64_t>();
    if (number >= least && number <= most) return number;
  }
  Refuse(name, absl::StrCat("found ", Shown(value), ", expected ", Range(least, most)));
  return least;
}

double Fields::Number(Names names, double least, double most, std::optional<double> fallback) {
  std::string name;
  const Json* value = Find(names, &name);
  const std::string range = absl::StrCat("a number from ", least, " to ", most);
  if (value == nullptr) {
    if (!fallback.has_value()) Refuse(*names.begin(), absl::StrCat("missing; expected ", range));
    return fallback.value_or(least);
  }
  if (value->is_number()) {
    const double number = value->get<double>();
    if (number >= least && number <= most) return number;
  }
  Refuse(name, absl::StrCat("found ", Shown(*value), ", expected ", range));
  return fallback.value_or(least);
}

bool Fields::Flag(Names names, bool fallback) {
  std::string name;
  const Json* value = Find(names, &name);
  if (value == nullptr) return fallback;
  if (value->is_boolean()) return value->get<bool>();
  Refuse(name, absl::StrCat("found ", Shown(*value), ", expected true or false"));
  return fallback;
}

void Fields::Only(Names names, const Json& expected, std::string_view why) {
  std::string name;
  const Json* value = Find(names, &name);
  if (value == nullptr || *value == expected) return;
  Refuse(name, absl::StrCat("found ", Shown(*value), ", expected ", expected.dump(), ": ",
                            std::string(why)));
}

void Fields::CheckDivides(std::string_view whole_name, int64_t whole, std::string_view part_name,
                          int64_t part) {
  if (whole % part == 0) return;
  Refuse(whole_name, absl::StrCat("found ", whole, ", expected a multiple of ",
                                  std::string(part_name), " = ", part));
}

}  // namespace temper::model
