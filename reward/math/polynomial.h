// Rational functions over Q in normal form, with FLINT: proves that two formulas are one.
#pragma once

#include "reward/math/expr.h"
#include "reward/math/fuel.h"

namespace temper::reward::math {

// Most terms of a polynomial, most unknowns, and the largest power that is multiplied out.
inline constexpr long kTermsMax = 2000;
inline constexpr int kUnknownsMax = 24;
inline constexpr long kPowerMax = 200;

enum class Zero {
  kYes,      // a - b vanishes identically: proven
  kNo,       // it does not: proven; only symbols occur in it
  kUnknown,  // roots, functions or constants occur, or a limit was met
};

// Is a - b zero? Everything that is no polynomial operation (sin x, sqrt(2), x^n) is an unknown of
// its own; i^2 = -1 and powers of roots of fractions are reduced.
Zero DifferenceIsZero(const Expr& a, const Expr& b, Fuel& fuel);

// Is a = c * b for a nonzero rational c, once denominators are multiplied away? `positive`: c must
// be above zero, and no denominator that is not constant may have been multiplied away.
Zero IsMultiple(const Expr& a, const Expr& b, bool positive, Fuel& fuel);

// a * symbol + b with fractions a != 0 and b; false when the tree is no such thing.
bool AsLinear(const Expr& expr, const std::string& symbol, Fuel& fuel, mpq_class& a, mpq_class& b);

}  // namespace temper::reward::math
