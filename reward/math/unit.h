// Units of measure, and words that only say what is counted.
#pragma once

#include <gmpxx.h>

#include <optional>
#include <string>
#include <string_view>

namespace temper::reward::math {

struct UnitOfMeasure {
  std::string dimension;  // "m^2", "m*s^-1", "$", ...: equal for units that convert
  mpq_class scale = 1;    // how many of the base unit one of it is
};

// "cm", "cm^2", "cm²", "square feet", "miles per hour", "km/h", "m s^{-1}"; nothing where a word is
// no unit. Currencies are dimensions of their own.
std::optional<UnitOfMeasure> ReadUnit(std::string_view text);

// "%", "percent", "pct", "percentage".
bool IsPercentWord(std::string_view word);

// A word that, after a number, only says what is counted: "apples", "students", "ways".
bool IsLabelWord(std::string_view word);

}  // namespace temper::reward::math
