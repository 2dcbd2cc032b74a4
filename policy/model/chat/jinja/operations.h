// What expressions do with values: iterate, index, slice, look up, calculate.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "policy/model/chat/jinja/value.h"

namespace temper::model::jinja {

// What `for` goes through: items, keys of a dict, characters of a string; nothing when undefined.
absl::StatusOr<std::vector<Value>> Items(Meter& meter, const Value& value);
// len(value).
absl::StatusOr<int64_t> Length(Meter& meter, const Value& value);

// value.name: a method first, then a key; undefined when there is neither. Names that begin with
// two underscores are refused.
absl::StatusOr<Value> Attribute(const Value& value, std::string_view name);
// The method alone: undefined for keys.
absl::StatusOr<Value> Method(const Value& value, std::string_view name);
// value[key]: a key or an index first, then a method.
absl::StatusOr<Value> Item(Meter& meter, const Value& value, const Value& key);
// value[begin:end:step], with None for what was left out.
absl::StatusOr<Value> Slice(Meter& meter, const Value& value, const Value& begin, const Value& end,
                            const Value& step);

// + - * / // % ** of Python; integers beyond 64 bits are an error.
absl::StatusOr<Value> Calculate(Meter& meter, std::string_view sign, const Value& a,
                                const Value& b);
absl::StatusOr<Value> Negate(const Value& value);
// a sign b, for == != < <= > >= in and not in.
absl::StatusOr<bool> Compare(Meter& meter, std::string_view sign, const Value& a, const Value& b);

// Repeats a text; negative counts are none.
absl::StatusOr<Value> RepeatText(Meter& meter, const Text& text, int64_t count);

}  // namespace temper::model::jinja
