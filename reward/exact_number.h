// Numbers as people and models write them, held exactly as fractions.
#pragma once

#include <gmpxx.h>

#include <optional>
#include <string>
#include <string_view>

namespace temper::reward {

// Longest text that is read as a number, and largest decimal exponent: both bound the work.
inline constexpr size_t kNumberBytesMax = 16 << 10;
inline constexpr long kExponentMax = 10000;

struct ExactNumber {
  mpq_class value;
  bool percent = false;  // "50%" is not "50" and not "0.5"

  bool operator==(const ExactNumber& other) const {
    return percent == other.percent && value == other.value;
  }
};

// Writing that means nothing: surrounding and repeated blanks, $ signs, LaTeX spaces, a \text{...}
// or \(...\) around the whole, U+2212 for minus, a full stop at the end. Linear; what is left is
// compared or parsed.
std::string NormaliseAnswer(std::string_view answer);

// `text` is normalised. Reads sign, digits with leading zeros ("0432"), thousands in groups of
// three ("1,234"), decimals, an exponent, "a/b", "\frac{a}{b}" and a percent sign. Nothing else is
// a number: not "1/0", "1,23", "1 2", "nan", "0x10", "5 or 6".
std::optional<ExactNumber> ParseNumber(std::string_view text);

}  // namespace temper::reward
