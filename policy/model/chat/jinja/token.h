// The words of a template.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace temper::model::jinja {

struct Token {
  enum class Kind {
    kData,           // text outside of tags, white space already trimmed
    kBlockBegin,     // {%
    kBlockEnd,       // %}
    kVariableBegin,  // {{
    kVariableEnd,    // }}
    kName,
    kString,  // unescaped
    kInteger,
    kFloat,
    kOperator,
    kEnd,
  };

  Kind kind = Kind::kEnd;
  std::string text;
  size_t at = 0;  // byte in the source
  int64_t integer = 0;
  double real = 0.0;

  bool IsName(std::string_view name) const { return kind == Kind::kName && text == name; }
  bool IsOperator(std::string_view sign) const { return kind == Kind::kOperator && text == sign; }
};

// Line breaks as \n, without one at the end: what Tokenize() and places refer to.
std::string NormalizeNewlines(std::string_view source);

// "LINE:COLUMN" of a byte, both from 1; columns count bytes.
std::string PlaceOf(std::string_view source, size_t at);

// Splits as Jinja does with trim_blocks and lstrip_blocks set. Errors begin with the place.
// `source` is normalised and valid UTF-8.
absl::StatusOr<std::vector<Token>> Tokenize(std::string_view source);

}  // namespace temper::model::jinja
