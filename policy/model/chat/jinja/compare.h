// Truth, equality, order and hashing, as in Python.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "policy/model/chat/jinja/value.h"

namespace temper::model::jinja {

bool Truth(const Value& value);
// Bool, int and float as numbers: 1 == 1.0 == true.
bool Equal(const Value& a, const Value& b);
// Negative, zero or positive; an error for values without an order, with the operator in it.
absl::StatusOr<int> Order(const Value& a, const Value& b, std::string_view sign);
// Equal values have equal keys. An error for what cannot be hashed.
absl::StatusOr<std::string> HashKey(const Value& value);
// The `in` operator.
absl::StatusOr<bool> Contains(Meter& meter, const Value& container, const Value& item);

// A number of any kind; false when it is none. Bools count as integers.
bool AsInteger(const Value& value, int64_t& number);
bool AsReal(const Value& value, double& number);

}  // namespace temper::model::jinja
