// How Python writes values: str(), repr(), and json.dumps(); and how it reads numbers.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "nlohmann/json_fwd.hpp"
#include "policy/model/chat/jinja/value.h"

namespace temper::model::jinja {

// The shortest digits that read back as the same number: "1.0", "1e-07", "inf", "nan".
std::string FloatText(double value);

// str(value): a string is itself; of others, strings inside are quoted.
absl::StatusOr<Text> ToText(Meter& meter, const Value& value);
// repr(value).
absl::StatusOr<Text> ToRepr(Meter& meter, const Value& value);

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

// int(text, base), float(text): empty when Python would raise ValueError; an error for an integer
// beyond 64 bits.
absl::StatusOr<std::optional<int64_t>> ParseInteger(std::string_view text, int base);
// Decimal digits alone: an index. Empty for anything else, and beyond 18 digits.
std::optional<int64_t> ParseIndex(std::string_view text);
std::optional<double> ParseReal(std::string_view text);

}  // namespace temper::model::jinja
