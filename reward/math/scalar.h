// Are two formulas the same number or function? Exactly where that can be decided, by certified
// probing elsewhere.
#pragma once

#include <string>

#include "reward/math/expr.h"
#include "reward/math/fuel.h"

namespace temper::reward::math {

enum class Verdict { kEqual, kNotEqual, kUndecided };

struct Finding {
  Verdict verdict = Verdict::kUndecided;
  bool proven = false;  // kEqual: exact; probing alone makes it only likely
  std::string reason;
};

struct Tolerance {
  // A gold number with at least this many decimals counts as rounded: half a unit of its last place
  // is let pass. Negative: never.
  int gold_places_min = 3;
  // An answer with at least this many significant digits may be the rounded value of an exact gold.
  int answer_digits_min = 10;
  double relative = 0;  // of the gold; only where it is above 0
};

// `seed` follows from the inputs. Keeps `gold` and `answer` apart for Tolerance only.
Finding CompareScalars(const Expr& gold, const Expr& answer, const Tolerance& tolerance,
                       uint64_t seed, Fuel& fuel);

// Is gold = c * answer as equations (both sides mean "= 0")? With `positive`, c must be above zero,
// as for an inequality.
Finding CompareZeros(const Expr& gold, const Expr& answer, bool positive, uint64_t seed,
                     Fuel& fuel);

// -1, 0 or 1 as a is below, equal to or above b; `known` is false when that cannot be told.
// Infinite ends are in order.
int Order(const Expr& a, const Expr& b, uint64_t seed, Fuel& fuel, bool& known);

}  // namespace temper::reward::math
