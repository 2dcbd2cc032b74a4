// Parses JSON that somebody else wrote, with words for what is wrong.
#pragma once

#include <string_view>

#include "absl/status/statusor.h"
#include "nlohmann/json_fwd.hpp"

namespace temper {

// Syntax errors say "<place>:<line>:<column>: ..."; duplicate keys, and nesting over 64 levels, are
// refused.
absl::StatusOr<nlohmann::json> ParseJson(std::string_view text, std::string_view place);
// The same, with keys in the order of the text.
absl::StatusOr<nlohmann::ordered_json> ParseOrderedJson(std::string_view text,
                                                        std::string_view place);

}  // namespace temper
