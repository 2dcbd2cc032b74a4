// The tables of filters and tests, by name.
#pragma once

#include <string_view>

#include "absl/status/statusor.h"
#include "policy/model/chat/jinja/value.h"

namespace temper::model::jinja {

using Filter = absl::StatusOr<Value> (*)(Meter& meter, const Value& input,
                                         const Arguments& arguments);
using Test = absl::StatusOr<bool> (*)(Meter& meter, const Value& input, const Arguments& arguments);

// Null when there is no filter or test of that name.
Filter FindFilter(std::string_view name);
Test FindTest(std::string_view name);

// The parts of the table: filters that make texts and numbers, those of lists, those that compare.
Filter FindTextFilter(std::string_view name);
Filter FindOrderFilter(std::string_view name);
Filter FindListFilter(std::string_view name);

absl::StatusOr<Value> CallFilter(Meter& meter, std::string_view name, const Value& input,
                                 const Arguments& arguments);
absl::StatusOr<bool> CallTest(Meter& meter, std::string_view name, const Value& input,
                              const Arguments& arguments);

}  // namespace temper::model::jinja
