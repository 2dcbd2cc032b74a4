// How close to zero a number made of radicals can be without being zero.
#pragma once

#include <optional>

#include "reward/math/expr.h"

namespace temper::reward::math {

// b such that the value of the tree is 0 or at least 2^-b in size; nothing where it holds more than
// fractions, + - * /, whole and fractional powers and roots. The bound of Burnikel, Funke,
// Mehlhorn, Schirra and Schmitt (ESA 2001), in logarithms rounded up.
std::optional<double> SeparationBits(const Expr& expr);

}  // namespace temper::reward::math
