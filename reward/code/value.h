// A value of Python or JSON, as it crosses between processes.
#pragma once

#include <string>
#include <vector>

namespace temper::reward {

struct Value {
  enum class Kind {
    kNone,
    kBool,
    kInteger,
    kFloat,
    kString,
    kBytes,
    kList,
    kTuple,
    kDict,
    kSet,
    kFrozenSet,
    kComplex,
    kRange,
    kIterator,
    kHandle
  };
  Kind kind = Kind::kNone;
  // Numbers: as written. Strings: UTF-8, a lone surrogate as its three bytes. Bytes: themselves.
  std::string text;
  std::vector<Value> items;  // of a dict: key, value, key, value, ...
};

// Python's == after tuples have become lists, as the published call-based tests compare: numbers by
// value, dicts and sets in any order. An integer key of a dict equals its decimal string, for the
// JSON of the expected value has no other keys.
bool SameValue(const Value& expected, const Value& found);

// An integer's digits; of a float only when it is one. False for what is no number.
bool IntegerDigits(const Value& value, std::string* digits);

}  // namespace temper::reward
