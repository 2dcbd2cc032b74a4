// Values as JSON, in the words of Python's json.dumps(), and back.
#pragma once

#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "nlohmann/json_fwd.hpp"
#include "policy/model/chat/jinja/value.h"

namespace temper::model::jinja {

struct JsonStyle {
  bool ascii = false;
  bool sorted = false;
  std::optional<std::string> indent;  // what a level is indented by; none: one line
  std::string item_separator = ", ";
  std::string key_separator = ": ";
};
absl::StatusOr<Text> ToJson(Meter& meter, const Value& value, const JsonStyle& style);
// Strings are marked as input. Integers beyond 64 bits are an error that names them.
absl::StatusOr<Value> FromJson(const nlohmann::ordered_json& json);

}  // namespace temper::model::jinja
