// Finds what somebody probably meant to type.
#pragma once

#include <span>
#include <string>
#include <string_view>

namespace temper {

// The known name with the smallest edit distance, or "" when none is near.
std::string NearestName(std::string_view typed, std::span<const std::string> known);

// "; did you mean \"x\"?" or, when nothing is near and the list is short, "; expected one of a, b,
// c".
std::string Suggestion(std::string_view typed, std::span<const std::string> known);

}  // namespace temper
