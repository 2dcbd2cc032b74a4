// Folds bottom up; a step costs what its operands are long.
#include "reward/math/rational.h"

#include <algorithm>
#include <string_view>
#include <utility>
#include <vector>

namespace temper::reward::math {
namespace {

size_t Bits(const mpz_class& z) { return mpz_sizeinbase(z.get_mpz_t(), 2); }
size_t Bits(const mpq_class& q) { return std::max(Bits(q.get_num()), Bits(q.get_den())); }

bool IsInteger(const mpq_class& q) { return q.get_den() == 1; }

Fold Checked(const mpq_class& value) {
  return Bits(value) <= kIntegerBitsMax ? Fold::kValue : Fold::kTooLarge;
}

// The exact root where there is one; odd roots of negative numbers are real.
bool ExactRoot(const mpq_class& of, unsigned long index, mpq_class& root) {
  if (of < 0 && index % 2 == 0) return false;
  mpz_class above;
  mpz_class below;
  if (mpz_root(above.get_mpz_t(), of.get_num().get_mpz_t(), index) == 0) return false;
  if (mpz_root(below.get_mpz_t(), of.get_den().get_mpz_t(), index) == 0) return false;
  root = mpq_class(above, below);
  return true;
}

Fold Factorial(const mpq_class& n, mpq_class& value, unsigned long step) {
  constexpr long kMost = 7000;  // 7000! has fewer than 1e5 bits
  if (!IsInteger(n)) return Fold::kIrrational;
  if (n < 0) return Fold::kUndefined;
  if (n > kMost) return Fold::kTooLarge;
  mpz_class product;
  if (step == 1) {
    mpz_fac_ui(product.get_mpz_t(), n.get_num().get_ui());
  } else {
    mpz_2fac_ui(product.get_mpz_t(), n.get_num().get_ui());
  }
  value = product;
  return Fold::kValue;
}

Fold Binomial(const mpq_class& n, const mpq_class& k, mpq_class& value) {
  constexpr long kMost = 50000;
  if (!IsInteger(n) || !IsInteger(k)) return Fold::kIrrational;
  if (k < 0 || (n >= 0 && k > n)) {
    value = 0;
    return Fold::kValue;
  }
  const mpq_class least = n >= 0 ? std::min(k, mpq_class(n - k)) : k;
  // C(n, k) has at most k * bits(n) bits.
  if (abs(n) > kMost || least * Bits(n) > kIntegerBitsMax) return Fold::kTooLarge;
  mpz_class chosen;
  mpz_bin_ui(chosen.get_mpz_t(), n.get_num().get_mpz_t(), least.get_num().get_ui());
  value = chosen;
  return Fold::kValue;
}

mpz_class FloorOf(const mpq_class& q) {
  mpz_class floor;
  mpz_fdiv_q(floor.get_mpz_t(), q.get_num().get_mpz_t(), q.get_den().get_mpz_t());
  return floor;
}

Fold Logarithm(const mpq_class& of, const mpq_class& base, mpq_class& value) {
  if (of <= 0 || base <= 0 || base == 1) return Fold::kIrrational;
  mpq_class power = 1;
  const bool grows = (base > 1) == (of >= 1);
  const mpq_class factor = grows ? base : mpq_class(1 / base);
  constexpr int kMost = 64;
  for (int n = 0; n <= kMost; ++n) {
    if (power == of) {
      value = grows ? n : -n;
      return Fold::kValue;
    }
    power *= factor;
    if (Bits(power) > Bits(of) + Bits(base) + 64) break;
  }
  return Fold::kIrrational;
}

Fold Apply(std::string_view name, const std::vector<mpq_class>& args, mpq_class& value) {
  const mpq_class& x = args[0];
  if (name == "factorial") return Factorial(x, value, 1);
  if (name == "factorial2") return Factorial(x, value, 2);
  if (name == "abs" || name == "norm") {
    value = abs(x);
  } else if (name == "floor") {
    value = FloorOf(x);
  } else if (name == "ceil") {
    value = -FloorOf(-x);
  } else if (name == "sgn") {
    value = sgn(x);
  } else if (name == "sqrt" && x >= 0) {
    return ExactRoot(x, 2, value) ? Fold::kValue : Fold::kIrrational;
  } else if (name == "log" && args.size() == 1) {
    return Logarithm(x, 10, value);
  } else if (name == "log" && args.size() == 2) {
    return Logarithm(x, args[1], value);
  } else if (name == "root" && args.size() == 2) {
    const mpq_class& n = args[1];
    if (!IsInteger(n) || n < 2 || n > 1000) return Fold::kIrrational;
    return ExactRoot(x, n.get_num().get_ui(), value) ? Fold::kValue : Fold::kIrrational;
  } else if (name == "binom" && args.size() == 2) {
    return Binomial(x, args[1], value);
  } else if (name == "mod" && args.size() == 2) {
    if (args[1] == 0) return Fold::kUndefined;
    value = x - args[1] * FloorOf(x / args[1]);
  } else if (name == "min") {
    value = *std::min_element(args.begin(), args.end());
  } else if (name == "max") {
    value = *std::max_element(args.begin(), args.end());
  } else if (name == "gcd" || name == "lcm") {
    mpz_class joint = name == "gcd" ? 0 : 1;
    for (const mpq_class& arg : args) {
      if (!IsInteger(arg)) return Fold::kIrrational;
      joint = name == "gcd" ? mpz_class(gcd(joint, arg.get_num()))
                            : mpz_class(lcm(joint, arg.get_num()));
      if (Bits(joint) > kIntegerBitsMax) return Fold::kTooLarge;
    }
    value = joint;
  } else if ((name == "sin" || name == "tan" || name == "arcsin" || name == "arctan" ||
              name == "sinh" || name == "tanh") &&
             x == 0) {
    value = 0;
  } else if ((name == "cos" || name == "exp" || name == "cosh") && x == 0) {
    value = 1;
  } else if ((name == "ln" && args.size() == 1) && x == 1) {
    value = 0;
  } else {
    return Fold::kIrrational;
  }
  return Fold::kValue;
}

// \sum_{k=a}^{b} and \prod, term by term.
Fold FoldRunning(const Expr& expr, Fuel& fuel, mpq_class& value) {
  constexpr long kTermsMax = 2000;
  mpq_class from;
  mpq_class to;
  if (const Fold fold = FoldRational(*expr.args[2], fuel, from); fold != Fold::kValue) return fold;
  if (const Fold fold = FoldRational(*expr.args[3], fuel, to); fold != Fold::kValue) return fold;
  if (!IsInteger(from) || !IsInteger(to)) return Fold::kIrrational;
  if (to - from > kTermsMax) return Fold::kTooLarge;
  const bool sum = expr.name == "sum";
  value = sum ? 0 : 1;
  for (mpq_class k = from; k <= to; ++k) {
    mpq_class term;
    const ExprPtr body = Substitute(expr.args[0], expr.args[1]->name, Number(k));
    if (const Fold fold = FoldRational(*body, fuel, term); fold != Fold::kValue) return fold;
    value = sum ? mpq_class(value + term) : mpq_class(value * term);
    if (Bits(value) > kIntegerBitsMax) return Fold::kTooLarge;
  }
  return Fold::kValue;
}

}  // namespace

Fold PowerRational(const mpq_class& base, const mpq_class& exponent, mpq_class& value) {
  if (!IsInteger(exponent)) {
    if (exponent.get_den() > 1000 || base < 0) return Fold::kIrrational;
    mpq_class root;
    if (!ExactRoot(base, exponent.get_den().get_ui(), root)) return Fold::kIrrational;
    return PowerRational(root, mpq_class(exponent.get_num()), value);
  }
  if (base == 0) {
    if (exponent < 0) return Fold::kUndefined;
    value = exponent == 0 ? 1 : 0;
    return Fold::kValue;
  }
  if (base == 1 || base == -1) {
    value = base == 1 || mpz_even_p(exponent.get_num().get_mpz_t()) ? 1 : -1;
    return Fold::kValue;
  }
  // Before anything is multiplied: bits of the base times the exponent bound the result.
  const mpz_class steps = abs(exponent.get_num());
  if (steps * Bits(base) > kIntegerBitsMax) return Fold::kTooLarge;
  mpz_class above;
  mpz_class below;
  mpz_pow_ui(above.get_mpz_t(), base.get_num().get_mpz_t(), steps.get_ui());
  mpz_pow_ui(below.get_mpz_t(), base.get_den().get_mpz_t(), steps.get_ui());
  value = exponent >= 0 ? mpq_class(above, below) : mpq_class(below, above);
  value.canonicalize();
  return Fold::kValue;
}

Fold FoldRational(const Expr& expr, Fuel& fuel, mpq_class& value) {
  if (!fuel.Spend(1)) return Fold::kTooLarge;
  if (expr.kind == Kind::kNumber) {
    value = expr.value;
    return Fold::kValue;
  }
  if (expr.kind == Kind::kFunction && (expr.name == "sum" || expr.name == "prod")) {
    return FoldRunning(expr, fuel, value);
  }
  const bool arithmetic = expr.kind == Kind::kAdd || expr.kind == Kind::kMul ||
                          expr.kind == Kind::kNegate || expr.kind == Kind::kDivide ||
                          expr.kind == Kind::kPower || expr.kind == Kind::kFunction ||
                          expr.kind == Kind::kPercent;
  if (!arithmetic || expr.args.empty()) return Fold::kIrrational;
  std::vector<mpq_class> args(expr.args.size());
  // An undefined part makes the whole undefined, an irrational one may still be.
  Fold worst = Fold::kValue;
  for (size_t i = 0; i < args.size(); ++i) {
    const Fold fold = FoldRational(*expr.args[i], fuel, args[i]);
    if (fold == Fold::kUndefined || fold == Fold::kTooLarge) return fold;
    if (fold != Fold::kValue) worst = fold;
    if (fold == Fold::kValue && !fuel.Spend(static_cast<long>(Bits(args[i]) / 1024))) {
      return Fold::kTooLarge;
    }
  }
  if (expr.kind == Kind::kDivide && worst != Fold::kValue && args[1] == 0 &&
      expr.args[1]->kind == Kind::kNumber) {
    return Fold::kUndefined;
  }
  if (worst != Fold::kValue) return worst;
  switch (expr.kind) {
    case Kind::kAdd:
      value = 0;
      for (const mpq_class& arg : args) {
        value += arg;
        if (Bits(value) > kIntegerBitsMax) return Fold::kTooLarge;
      }
      return Fold::kValue;
    case Kind::kMul:
      value = 1;
      for (const mpq_class& arg : args) {
        value *= arg;
        if (Bits(value) > kIntegerBitsMax) return Fold::kTooLarge;
      }
      return Fold::kValue;
    case Kind::kNegate:
      value = -args[0];
      return Fold::kValue;
    case Kind::kDivide:
      if (args[1] == 0) return Fold::kUndefined;
      value = args[0] / args[1];
      return Checked(value);
    case Kind::kPercent:
      value = args[0] / 100;
      return Checked(value);
    case Kind::kPower:
      return PowerRational(args[0], args[1], value);
    default:
      return Apply(expr.name, args, value);
  }
}

}  // namespace temper::reward::math
