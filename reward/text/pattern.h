// Regular expressions of strangers: RE2 only, and never more work than was agreed.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "re2/re2.h"

namespace temper::reward {

// INVALID_ARGUMENT "<place>: ..." for a pattern that is too long or not RE2.
absl::StatusOr<std::unique_ptr<const re2::RE2>> CompilePattern(const std::string& pattern,
                                                               const std::string& place,
                                                               bool ignore_case = false);

// Whether the pattern matches the text, or a part of it; nothing when that could take over 2^31
// steps (bytes of the text times instructions of the pattern).
std::optional<bool> Matches(const re2::RE2& pattern, std::string_view text, bool partial);

}  // namespace temper::reward
