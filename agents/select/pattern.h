// Regular expressions of a graph file: RE2, of a bounded length.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "re2/re2.h"

namespace temper::agents {

// INVALID_ARGUMENT: longer than 4096 bytes, or not RE2; the words say where it goes wrong.
absl::StatusOr<std::shared_ptr<const re2::RE2>> CompilePattern(const std::string& pattern);

// The same for one with exactly one group, around what is read.
absl::StatusOr<std::shared_ptr<const re2::RE2>> CompileReadingPattern(const std::string& pattern);
// The group's text of the last match; nothing where there is none.
std::optional<std::string> LastGroup(const re2::RE2& pattern, std::string_view text);

}  // namespace temper::agents
