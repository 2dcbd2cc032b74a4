// "message.parts.0" as filters read it: keys to follow from each of their items.
#pragma once

#include <vector>

#include "absl/status/statusor.h"
#include "policy/model/chat/jinja/value.h"

namespace temper::model::jinja {

// "a.b.0" as the keys to follow; an integer is one key; None is none.
absl::StatusOr<std::vector<Value>> PathOf(Meter& meter, const Value& attribute);

// The value at the path's end. `otherwise`, where given, stands in for what is undefined.
absl::StatusOr<Value> Follow(Meter& meter, Value value, const std::vector<Value>& path,
                             const Value* otherwise = nullptr);

}  // namespace temper::model::jinja
