// What judges' replies have in common: thinking before the answer, JSON somewhere in prose, numbers
// that must be numbers.
//
// The readers beside this file give a value or INVALID_ARGUMENT with the head of the reply: never a
// neutral number. All are linear in the reply; any thread.
#pragma once

#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "nlohmann/json_fwd.hpp"

namespace temper::agents {

// What follows the last "</think>". A reply that opens with "<think>" and never closes it has no
// answer: empty.
std::string_view AfterThinking(std::string_view reply);

// The beginning of a text for messages: in quotes, on one line, valid UTF-8, with "..." where more
// follows.
std::string HeadOf(std::string_view text);

// "7", "-3.25", "+1e-2", with blanks around; nothing for anything else: no "inf", "nan",
// hexadecimal or trailing words, and nothing that overflows.
std::optional<double> ReadDecimal(std::string_view text);

// The last JSON object in a text that has all of `keys`: alone, in prose or in a fence.
// INVALID_ARGUMENT: there is none.
absl::StatusOr<nlohmann::ordered_json> LastObjectWith(std::string_view text,
                                                      std::initializer_list<const char*> keys);

// A number, or a text that ReadDecimal reads. INVALID_ARGUMENT, "key: ..." otherwise.
absl::StatusOr<double> NumberOf(const nlohmann::ordered_json& value, std::string_view key);

}  // namespace temper::agents
