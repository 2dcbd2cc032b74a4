// The exact value of trees that are fractions; every power and factorial is guarded before it is
// computed.
#pragma once

#include <gmpxx.h>

#include "reward/math/expr.h"
#include "reward/math/fuel.h"

namespace temper::reward::math {

// Longest numerator or denominator in bits.
inline constexpr size_t kIntegerBitsMax = 100000;

enum class Fold {
  kValue,
  kIrrational,  // a symbol, a root, pi: not for us
  kUndefined,   // a division by zero
  kTooLarge,    // over kIntegerBitsMax, or out of fuel
};

// Writes `value` only with kValue.
Fold FoldRational(const Expr& expr, Fuel& fuel, mpq_class& value);

// base^exponent where both are fractions and the result is one (8^(2/3) = 4).
Fold PowerRational(const mpq_class& base, const mpq_class& exponent, mpq_class& value);

}  // namespace temper::reward::math
