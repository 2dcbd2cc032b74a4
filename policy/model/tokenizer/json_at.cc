// Reading JSON values, and the words for what is wrong with them.
#include "policy/model/tokenizer/json_at.h"

#include "absl/strings/str_cat.h"
#include "base/utf8.h"
#include "nlohmann/json.hpp"

namespace temper::model {
namespace {

using Json = nlohmann::json;

constexpr size_t kShownMax = 60;

std::string Shown(const Json& value) {
  std::string text = value.dump(-1, ' ', false, Json::error_handler_t::replace);
  if (text.size() <= kShownMax) return text;
  text.resize(ValidUtf8Bytes(std::string_view(text).substr(0, kShownMax - 3)));
  return text + "...";
}

const Json& None() {
  static const Json& none = *new Json();
  return none;
}

}  // namespace

JsonAt JsonAt::operator[](const char* key) const {
  const std::string place = absl::StrCat(path, path.ends_with(": ") ? "" : ".", key);
  if (!value.is_object()) return {None(), place};
  const auto found = value.find(key);
  return {found == value.end() ? None() : *found, place};
}

JsonAt JsonAt::operator[](size_t index) const {
  const bool there = value.is_array() && index < value.size();
  return {there ? value[index] : None(), absl::StrCat(path, "[", index, "]")};
}

absl::Status WrongAt(const JsonAt& at, std::string_view key, std::string_view expected) {
  if (!key.empty()) return WrongAt(at[std::string(key).c_str()], "", expected);
  return WrongAt(at, absl::StrCat("found ", Shown(at.value), ", expected ", std::string(expected)));
}

absl::Status WrongAt(const JsonAt& at, std::string_view words) {
  return absl::InvalidArgumentError(absl::StrCat(at.path, ": ", std::string(words)));
}

std::string Quoted(std::string_view text) { return Shown(Json(text)); }

absl::StatusOr<bool> FlagAt(const JsonAt& at, const char* key, bool fallback) {
  const Json& value = at[key].value;
  if (value.is_null()) return fallback;
  if (!value.is_boolean()) return WrongAt(at, key, "true or false");
  return value.get<bool>();
}

absl::StatusOr<std::string> TextAt(const JsonAt& at, const char* key) {
  const Json& value = at[key].value;
  if (value.is_null()) return std::string();
  if (!value.is_string()) return WrongAt(at, key, "text");
  return value.get<std::string>();
}

absl::StatusOr<size_t> SizeAt(const JsonAt& list, size_t most, std::string_view expected) {
  if (!list.value.is_array()) return WrongAt(list, "", expected);
  if (list.value.size() > most) {
    return WrongAt(list,
                   absl::StrCat("found ", list.value.size(), " members, expected at most ", most));
  }
  return list.value.size();
}

}  // namespace temper::model
