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
#include <vector>

#include "absl/status/statusor.h"

namespace temper::reward {

struct Value {
  enum class Kind {
    kNone, kBool, kInteger, kFloat, kString, kBytes, kList, kTuple, kDict, kSet, kFrozenSet,
    kComplex, kRange, kIterator, kHandle
  };
  Kind kind = Kind::kNone;
  // Numbers: as written. Strings: UTF-8, a lone surrogate as its three bytes. Bytes: themselves.
  std::string text;
  std::vector<Value> items;  // of a dict: key, value, key, value, ...
};

inline constexpr int kLiteralDepthMax = 100;
inline constexpr size_t kLiteralValuesMax = 1'000'000;
inline constexpr size_t kLiteralDigitsMax = 100'000;  // reading more takes Python long

// INVALID_ARGUMENT with the byte where it goes wrong. Linear in the text.
absl::StatusOr<Value> ParseLiteral(std::string_view text);

std::string WriteLiteral(const Value& value);
// A string as a literal. Bytes that are no UTF-8 become U+FFFD.
std::string StringLiteral(std::string_view utf8);

// JSON as Python's json.loads reads it, integers of any size included. INVALID_ARGUMENT for what is
// no JSON, and for what nests deeper than kLiteralDepthMax.
absl::StatusOr<Value> ParseJsonValue(std::string_view text);
// The entry of a dict; nullptr when there is none, or `value` is no dict.
const Value* Find(const Value& value, std::string_view key);

// Python's == after tuples have become lists, as the published call-based tests compare: numbers by
// value, dicts and sets in any order. An integer key of a dict equals its decimal string, for the
// JSON of the expected value has no other keys.
bool SameValue(const Value& expected, const Value& found);

}  // namespace temper::reward
