// What is wrong with a dataset line is said with the path of the value.
#include "reward/text/metadata.h"

#include "absl/strings/str_cat.h"
#include "base/json_text.h"
#include "base/status_macros.h"
#include "reward/verifier.h"

namespace temper::reward {

absl::StatusOr<nlohmann::json> ParseMetadata(std::string_view metadata) {
  if (metadata.empty()) return nlohmann::json::object();
  TEMPER_ASSIGN_OR_RETURN(nlohmann::json parsed, ParseJson(metadata, "metadata"));
  if (!parsed.is_object()) {
    return absl::InvalidArgumentError(
        absl::StrCat("metadata: found ", parsed.type_name(), ", expected an object"));
  }
  return parsed;
}

const nlohmann::json* FindKey(const nlohmann::json& metadata,
                              std::initializer_list<const char*> keys) {
  for (const char* key : keys) {
    const auto found = metadata.find(key);
    if (found != metadata.end() && !found->is_null()) return &*found;
  }
  return nullptr;
}

absl::Status WrongValue(std::string_view key, const nlohmann::json& found,
                        std::string_view expected) {
  const std::string shown = found.dump(-1, ' ', true, nlohmann::json::error_handler_t::replace);
  return absl::InvalidArgumentError(absl::StrCat("metadata.", std::string(key), ": found ",
                                                 Quoted(shown), ", expected ",
                                                 std::string(expected)));
}

absl::StatusOr<std::vector<std::string>> ReadStrings(const nlohmann::json& list,
                                                     std::string_view key) {
  if (!list.is_array()) return WrongValue(key, list, "a list of strings");
  std::vector<std::string> strings;
  for (size_t i = 0; i < list.size(); ++i) {
    if (!list[i].is_string()) {
      return WrongValue(absl::StrCat(std::string(key), "[", i, "]"), list[i], "a string");
    }
    strings.push_back(list[i].get<std::string>());
  }
  return strings;
}

}  // namespace temper::reward
