// Numbers as Python writes and reads them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace temper::model::jinja {

// The shortest digits that read back as the same number: "1.0", "1e-07", "inf", "nan".
std::string FloatText(double value);

// int(text, base), float(text): empty when Python would raise ValueError; an error for an integer
// beyond 64 bits.
absl::StatusOr<std::optional<int64_t>> ParseInteger(std::string_view text, int base);
// Decimal digits alone: an index. Empty for anything else, and beyond 18 digits.
std::optional<int64_t> ParseIndex(std::string_view text);
std::optional<double> ParseReal(std::string_view text);

}  // namespace temper::model::jinja
