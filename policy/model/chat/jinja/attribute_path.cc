// Cut at dots, followed key by key.
#include "policy/model/chat/jinja/attribute_path.h"

#include <optional>

#include "base/status_macros.h"
#include "policy/model/chat/jinja/numbers.h"
#include "policy/model/chat/jinja/operations.h"
#include "policy/model/chat/jinja/text_edit.h"

namespace temper::model::jinja {

absl::StatusOr<std::vector<Value>> PathOf(Meter& meter, const Value& attribute) {
  std::vector<Value> path;
  const Text* text = attribute.text();
  if (text == nullptr) {
    if (!attribute.is_none()) path.push_back(attribute);
    return path;
  }
  const std::string dot = ".";
  TEMPER_ASSIGN_OR_RETURN(const std::vector<Text> parts,
                          Split(meter, *text, &dot, -1, /*from_right=*/false));
  for (const Text& part : parts) {
    const std::optional<int64_t> index = ParseIndex(part.bytes());
    path.push_back(index.has_value() ? Value::Int(*index) : Value::String(part));
  }
  return path;
}

absl::StatusOr<Value> Follow(Meter& meter, Value value, const std::vector<Value>& path,
                             const Value* otherwise) {
  for (const Value& key : path) {
    TEMPER_ASSIGN_OR_RETURN(value, Item(meter, value, key));
    if (otherwise != nullptr && value.is_undefined()) value = *otherwise;
  }
  return value;
}

}  // namespace temper::model::jinja
