// Regular expressions of a graph file: RE2, of a bounded length.
#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "re2/re2.h"

namespace temper::agents {

// INVALID_ARGUMENT: longer than 4096 bytes, or not RE2; the words say where it goes wrong.
absl::StatusOr<std::shared_ptr<const re2::RE2>> CompilePattern(const std::string& pattern);

}  // namespace temper::agents
