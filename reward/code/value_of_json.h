// JSON as a Value: with the digits of its numbers, which other readers of JSON lose.
#pragma once

#include <string_view>

#include "absl/status/statusor.h"
#include "reward/code/value.h"

namespace temper::reward {

// JSON as Python's json.loads reads it, integers of any size included. INVALID_ARGUMENT for what is
// no JSON, and for what nests deeper than kLiteralDepthMax.
absl::StatusOr<Value> ValueOfJson(std::string_view text);
// The entry of a dict; nullptr when there is none, or `value` is no dict.
const Value* Find(const Value& value, std::string_view key);

}  // namespace temper::reward
