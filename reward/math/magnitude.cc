// Bounds from the top of the tree down to its numbers; every step rounds down.
#include "reward/math/magnitude.h"

#include <algorithm>
#include <cmath>

namespace temper::reward::math {
namespace {

constexpr double kUnknown = 0;
constexpr double kMost = 1e300;

// |q| lies in [2^low, 2^(low + 2)).
double Log2Of(const mpq_class& q) {
  return static_cast<double>(mpz_sizeinbase(q.get_num().get_mpz_t(), 2)) -
         static_cast<double>(mpz_sizeinbase(q.get_den().get_mpz_t(), 2)) - 1;
}

bool IsPositive(const Expr& expr) {
  if (expr.kind == Kind::kNumber) return expr.value > 0;
  return expr.kind == Kind::kPower && IsPositive(*expr.args[0]);
}

// base^exponent with base >= 2: exponent * log2(base).
double OfPower(const Expr& base, const Expr& exponent) {
  if (base.kind != Kind::kNumber || base.value < 2) return kUnknown;
  if (!IsPositive(exponent) && exponent.kind != Kind::kAdd) return kUnknown;
  const double size = Log2AtLeast(exponent);
  if (size <= 0) return kUnknown;
  // A sum is positive where its large term is.
  if (exponent.kind == Kind::kAdd && !IsPositive(*exponent.args[0])) return kUnknown;
  return size > 900 ? kMost
                    : std::max(1.0, std::floor(std::log2(base.value.get_d()))) * std::exp2(size);
}

// A large first term and numbers that are far smaller.
double OfSum(const Expr& sum) {
  const double first = Log2AtLeast(*sum.args[0]);
  for (size_t i = 1; i < sum.args.size(); ++i) {
    const Expr* term = sum.args[i].get();
    if (term->kind == Kind::kNegate) term = term->args[0].get();
    if (term->kind != Kind::kNumber || Log2Of(term->value) + 2 > first - 8) return kUnknown;
  }
  return sum.args.size() < 100 ? first - 1 : kUnknown;
}

}  // namespace

double Log2AtLeast(const Expr& expr) {
  switch (expr.kind) {
    case Kind::kNumber:
      return expr.value == 0 ? kUnknown : Log2Of(expr.value);
    case Kind::kNegate:
      return Log2AtLeast(*expr.args[0]);
    case Kind::kPower:
      return OfPower(*expr.args[0], *expr.args[1]);
    case Kind::kAdd:
      return OfSum(expr);
    case Kind::kDivide: {
      const Expr& below = *expr.args[1];
      if (below.kind != Kind::kNumber || below.value == 0) return kUnknown;
      return Log2AtLeast(*expr.args[0]) - (Log2Of(below.value) + 2);
    }
    case Kind::kFunction: {
      // n! > 2^n for n > 3.
      const bool factorial = expr.name == "factorial" && expr.args[0]->kind == Kind::kNumber &&
                             expr.args[0]->value.get_den() == 1 && expr.args[0]->value > 3;
      return factorial ? std::exp2(std::min(Log2AtLeast(*expr.args[0]), 900.0)) : kUnknown;
    }
    default:
      return kUnknown;
  }
}

}  // namespace temper::reward::math
