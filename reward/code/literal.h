// Plain values as they cross between processes: a strict subset of Python's literals.
//
//   value := None | True | False | integer | float | inf | -inf | nan | string | bytes
//          | [v, ...] | (v, ...) | {v: v, ...} | set([v, ...]) | frozenset([v, ...])
//          | complex(float, float) | range(integer, integer, integer)
//          | Iterator([v, ...]) | Handle(integer)
//
// Strings are ASCII with Python's escapes. Nothing else is accepted, so what was accepted may be
// given to eval() of a process that we trust.
#pragma once

#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "reward/code/value.h"

namespace temper::reward {

inline constexpr int kLiteralDepthMax = 100;
inline constexpr size_t kLiteralValuesMax = 1'000'000;
inline constexpr size_t kLiteralDigitsMax = 100'000;  // reading more takes Python long

// INVALID_ARGUMENT with the byte where it goes wrong. Linear in the text.
absl::StatusOr<Value> ParseLiteral(std::string_view text);

std::string WriteLiteral(const Value& value);
// A string as a literal. Bytes that are no UTF-8 become U+FFFD.
std::string StringLiteral(std::string_view utf8);

}  // namespace temper::reward
