// How Python writes values: str() and repr().
#pragma once

#include "absl/status/statusor.h"
#include "policy/model/chat/jinja/value.h"

namespace temper::model::jinja {

// str(value): a string is itself; of others, strings inside are quoted.
absl::StatusOr<Text> ToText(Meter& meter, const Value& value);
// repr(value).
absl::StatusOr<Text> ToRepr(Meter& meter, const Value& value);

}  // namespace temper::model::jinja
