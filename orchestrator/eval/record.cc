// Finds by key, complains by name.
#include "orchestrator/eval/record.h"

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"

namespace temper::eval {

using json = nlohmann::ordered_json;

const json* Record::Find(std::initializer_list<const char*> keys) const {
  for (const char* key : keys) {
    const auto found = line_.find(key);
    if (found != line_.end() && !found->is_null()) return &*found;
  }
  return nullptr;
}

absl::StatusOr<std::string> Record::Text(std::initializer_list<const char*> keys) const {
  const json* value = Find(keys);
  const char* name = *keys.begin();
  if (value == nullptr) {
    return absl::InvalidArgumentError(absl::StrCat("lacks \"", name, "\"; found ", KeysOf(line_)));
  }
  for (const char* key : keys) {
    if (line_.contains(key) && &line_[key] == value) name = key;
  }
  std::string text;
  if (value->is_string()) {
    text = value->get<std::string>();
  } else if (value->is_number()) {
    text = value->dump();
  } else {
    return absl::InvalidArgumentError(
        absl::StrCat("\"", name, "\": found ", value->type_name(), ", expected a string"));
  }
  if (text.find_first_not_of(" \t\r\n") == std::string::npos) {
    return absl::InvalidArgumentError(absl::StrCat("\"", name, "\" is blank"));
  }
  return text;
}

std::string Record::TextOrNothing(std::initializer_list<const char*> keys) const {
  const absl::StatusOr<std::string> text = Text(keys);
  return text.ok() ? *text : "";
}

absl::StatusOr<std::vector<std::string>> Record::Texts(const char* key, size_t least) const {
  const json* list = Find({key});
  const absl::Status wrong = absl::InvalidArgumentError(
      absl::StrCat("\"", key, "\": expected a list of at least ", least, " strings"));
  if (list == nullptr || !list->is_array() || list->size() < least) return wrong;
  std::vector<std::string> texts;
  for (const json& text : *list) {
    if (!text.is_string()) return wrong;
    texts.push_back(text.get<std::string>());
  }
  return texts;
}

std::string KeysOf(const json& line) {
  constexpr size_t kShownMax = 12;
  std::string keys;
  size_t shown = 0;
  for (const auto& [key, value] : line.items()) {
    if (shown++ == kShownMax) return keys + ", ...";
    absl::StrAppend(&keys, keys.empty() ? "" : ", ", "\"", key, "\"");
  }
  return keys.empty() ? "no keys" : keys;
}

std::string Dump(const json& value) {
  return value.dump(-1, ' ', false, json::error_handler_t::replace);
}

}  // namespace temper::eval
