// The keys of a dataset line that verifiers read beside the gold answer.
#pragma once

#include <initializer_list>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "nlohmann/json.hpp"

namespace temper::reward {

// An object; nothing at all reads as {}. INVALID_ARGUMENT begins with "metadata".
absl::StatusOr<nlohmann::json> ParseMetadata(std::string_view metadata);

// The value of the first key that is there and not null, or null.
const nlohmann::json* FindKey(const nlohmann::json& metadata,
                              std::initializer_list<const char*> keys);

// A list of strings. INVALID_ARGUMENT: "metadata.<key>[2]: found 5, expected a string".
absl::StatusOr<std::vector<std::string>> ReadStrings(const nlohmann::json& list,
                                                     std::string_view key);

// "metadata.<key>: found <value>, expected <expected>".
absl::Status WrongValue(std::string_view key, const nlohmann::json& found,
                        std::string_view expected);

}  // namespace temper::reward
