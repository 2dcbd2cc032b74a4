// A JSON document as it was written: numbers are exact fractions, no key stands twice.
#pragma once

#include <gmpxx.h>

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace temper::reward {

struct JsonMember;

struct JsonValue {
  enum class Kind : uint8_t { kNull, kBoolean, kNumber, kString, kArray, kObject };

  Kind kind = Kind::kNull;
  bool truth = false;
  std::optional<mpq_class> number;  // of a number
  std::string text;                 // of a string
  std::vector<JsonValue> items;
  std::vector<JsonMember> members;  // in the order of their names

  bool IsInteger() const { return number.has_value() && number->get_den() == 1; }
  // The member of that name, or null.
  const JsonValue* Find(std::string_view name) const;
  // "null", "boolean", "integer", "number", "string", "array", "object".
  const char* TypeName() const;
};

struct JsonMember {
  std::string name;
  JsonValue value;
};

struct JsonLimits {
  size_t bytes_max = size_t{1} << 20;
  int depth_max = 64;  // at most 256
};

// Exactly one document with nothing but blanks around it. INVALID_ARGUMENT says what is wrong:
// syntax, a key twice in one object, too deep, too long, a number that is too large to hold (over
// 1e308, or of more than 16 KiB).
absl::StatusOr<JsonValue> ParseJsonValue(std::string_view text, const JsonLimits& limits);

// The same of what a dataset or a spec holds: messages begin with "<place>: ".
absl::StatusOr<JsonValue> ParseJsonAt(std::string_view text, const JsonLimits& limits,
                                      std::string_view place);

// Of metadata: they were checked when the dataset was read.
inline constexpr JsonLimits kMetadataLimits = {.bytes_max = ~size_t{0}, .depth_max = 256};

// 1 == 1.0, the order of keys means nothing, that of items does.
bool Equal(const JsonValue& a, const JsonValue& b);

// Equal values, and only they, have the same text.
std::string CanonicalText(const JsonValue& value);

// One line that shows a value in a reason: cut, printable.
std::string Shown(const JsonValue& value);

}  // namespace temper::reward
