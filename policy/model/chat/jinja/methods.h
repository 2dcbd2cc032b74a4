// Methods of strings, lists and dicts, of loops and cyclers: the whole of what a dot can reach.
#pragma once

#include <string_view>

#include "absl/status/statusor.h"
#include "policy/model/chat/jinja/value.h"

namespace temper::model::jinja {

// Whether Python's type has a method of this name, ours or not.
bool HasMethod(const Value& receiver, std::string_view name);
// Whether it would change the receiver: refused, as in the sandbox of transformers.
bool ChangesReceiver(const Value& receiver, std::string_view name);

absl::StatusOr<Value> CallMethod(Meter& meter, const Value& receiver, std::string_view name,
                                 const Arguments& arguments);
// The strings' share of CallMethod().
absl::StatusOr<Value> CallTextMethod(Meter& meter, const Text& text, std::string_view name,
                                     const Arguments& arguments);

}  // namespace temper::model::jinja
