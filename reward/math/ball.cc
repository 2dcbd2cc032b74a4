// One case for each kind of node; what Arb cannot bound comes back as undefined.
#include "reward/math/ball.h"

#include <flint/fmpq.h>

#include <string_view>
#include <utility>
#include <vector>

#include "reward/math/ball_functions.h"
#include "reward/math/rational.h"

namespace temper::reward::math {
namespace {

uint64_t Mix(uint64_t x) {
  x += 0x9e3779b97f4a7c15;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
  x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
  return x ^ (x >> 31);
}

uint64_t HashOf(std::string_view text, uint64_t seed) {
  uint64_t hash = seed;
  for (const char c : text) hash = Mix(hash ^ static_cast<unsigned char>(c));
  return Mix(hash);
}

class Evaluator {
 public:
  Evaluator(const Point& point, long bits, Fuel& fuel)
      : point_(point), bits_(bits), fuel_(fuel), cost_(1 + bits / 128) {}

  bool Value(const Expr& expr, Ball& out) {
    if (!fuel_.Spend(cost_)) {
      out_of_range = true;
      return false;
    }
    if (!Compute(expr, out)) return false;
    return Bounded(out);
  }

  bool left_reals = false;
  bool out_of_range = false;

 private:
  bool Bounded(const Ball& ball) {
    if (!acb_is_finite(ball.get())) return false;
    for (const arb_struct* part : {acb_realref(ball.get()), acb_imagref(ball.get())}) {
      if (arf_is_zero(arb_midref(part))) continue;
      if (fmpz_cmp_si(ARF_EXPREF(arb_midref(part)), kMagnitudeBitsMax) > 0 ||
          fmpz_cmp_si(ARF_EXPREF(arb_midref(part)), -kMagnitudeBitsMax) < 0) {
        out_of_range = true;
        return false;
      }
    }
    return true;
  }

  void Set(Ball& out, const mpq_class& value) {
    fmpq_t q;
    fmpq_init(q);
    fmpq_set_mpq(q, value.get_mpq_t());
    acb_set_fmpq(out.get(), q, bits_);
    fmpq_clear(q);
  }

  bool Compute(const Expr& expr, Ball& out) {
    switch (expr.kind) {
      case Kind::kNumber:
        if (!fuel_.Spend(
                static_cast<long>(mpz_sizeinbase(expr.value.get_num().get_mpz_t(), 2) / 4096))) {
          return false;
        }
        Set(out, expr.value);
        return true;
      case Kind::kSymbol:
        return OfSymbol(expr.name, out);
      case Kind::kConstant:
        return OfConstant(expr, out);
      case Kind::kAdd:
      case Kind::kMul:
        return Fold(expr, out);
      case Kind::kNegate:
        if (!Value(*expr.args[0], out)) return false;
        acb_neg(out.get(), out.get());
        return true;
      case Kind::kPercent:
        if (!Value(*expr.args[0], out)) return false;
        acb_div_ui(out.get(), out.get(), 100, bits_);
        return true;
      case Kind::kDegree: {
        if (!Value(*expr.args[0], out)) return false;
        Ball pi;
        acb_const_pi(pi.get(), bits_);
        acb_mul(out.get(), out.get(), pi.get(), bits_);
        acb_div_ui(out.get(), out.get(), 180, bits_);
        return true;
      }
      case Kind::kDivide: {
        Ball below;
        if (!Value(*expr.args[0], out) || !Value(*expr.args[1], below)) return false;
        if (acb_contains_zero(below.get())) return false;
        acb_div(out.get(), out.get(), below.get(), bits_);
        return true;
      }
      case Kind::kPower:
        return Power(*expr.args[0], *expr.args[1], out);
      case Kind::kFunction:
        return Function(expr, out);
      default:
        return false;
    }
  }

  bool Fold(const Expr& expr, Ball& out) {
    if (!Value(*expr.args[0], out)) return false;
    Ball next;
    for (size_t i = 1; i < expr.args.size(); ++i) {
      if (!Value(*expr.args[i], next)) return false;
      if (expr.kind == Kind::kAdd) {
        acb_add(out.get(), out.get(), next.get(), bits_);
      } else {
        acb_mul(out.get(), out.get(), next.get(), bits_);
      }
    }
    return true;
  }

  // A fraction that the name, the seed and the number of the point fix. Even points are positive,
  // of the odd ones every other is negative, and in the rest signs are mixed: what holds only for
  // some signs is found out. Sizes differ, so that some point suits a logarithm, an arcsine or a
  // root.
  bool OfSymbol(const std::string& name, Ball& out) {
    if (const auto it = point_.fixed.find(name); it != point_.fixed.end()) {
      Set(out, it->second);
      return true;
    }
    const uint64_t hash = HashOf(name, Mix(point_.seed ^ static_cast<uint64_t>(point_.number)));
    if (point_.whole != nullptr && point_.whole->contains(name)) {
      Set(out, mpq_class(static_cast<unsigned long>(11 + hash % 30)));
      return true;
    }
    constexpr unsigned long kDenominator = 10007;
    constexpr unsigned long kScales[] = {4, 1, 12, 1};
    const unsigned long most = kScales[(point_.number / 2) % 4] * kDenominator;
    mpq_class value(most / 4 + 1 + hash % (most / 4 * 3), kDenominator);
    value.canonicalize();
    // A bit of the name, and in the next such point its opposite.
    const int mixed = point_.number / 4;
    const bool bit = ((HashOf(name, 0) >> (mixed / 2)) % 2 == 1) == (mixed % 2 == 0);
    const bool negative = point_.number % 4 == 1 || (point_.number % 4 == 3 && bit);
    if (negative) value = -value;
    Set(out, value);
    return true;
  }

  bool OfConstant(const Expr& expr, Ball& out) {
    if (expr.name == "pi") {
      acb_const_pi(out.get(), bits_);
    } else if (expr.name == "e") {
      acb_set_ui(out.get(), 1);
      acb_exp(out.get(), out.get(), bits_);
    } else if (expr.name == "i") {
      acb_onei(out.get());
    } else {
      return false;
    }
    return true;
  }

  static bool IsReal(const Ball& ball) { return acb_is_real(ball.get()) != 0; }
  static bool IsNegative(const Ball& ball) {
    return IsReal(ball) && arb_is_negative(acb_realref(ball.get())) != 0;
  }

  // Principal values, but the real root where an odd root of a negative number is asked for.
  bool Power(const Expr& base, const Expr& exponent, Ball& out) {
    Ball power;
    if (IsConstant(base, "e")) {
      if (!Value(exponent, power)) return false;
      if (!fuel_.Spend(10 * cost_)) return false;
      acb_exp(out.get(), power.get(), bits_);
      return true;
    }
    if (!Value(base, out)) return false;
    mpq_class folded;
    const bool rational = FoldRational(exponent, fuel_, folded) == math::Fold::kValue;
    if (!fuel_.Spend(10 * cost_)) return false;
    if (rational && folded.get_den() == 1 && folded.get_num().fits_slong_p() != 0) {
      const long n = folded.get_num().get_si();
      if (n < 0 && acb_contains_zero(out.get())) return false;
      if (IsReal(out)) {
        fmpz_t k;
        fmpz_init_set_si(k, n);
        arb_pow_fmpz(acb_realref(out.get()), acb_realref(out.get()), k, bits_);
        fmpz_clear(k);
      } else {
        acb_pow_si(out.get(), out.get(), n, bits_);
      }
      return true;
    }
    if (rational && IsNegative(out) && mpz_odd_p(folded.get_den().get_mpz_t()) != 0) {
      acb_neg(out.get(), out.get());
      Set(power, folded);
      acb_pow(out.get(), out.get(), power.get(), bits_);
      if (mpz_odd_p(folded.get_num().get_mpz_t()) != 0) acb_neg(out.get(), out.get());
      return true;
    }
    if (!Value(exponent, power)) return false;
    if (IsNegative(out) && !IsWhole(power)) left_reals = true;
    if (acb_contains_zero(out.get())) {
      // 0^x is 0 for x > 0.
      if (!acb_is_zero(out.get()) || !arb_is_positive(acb_realref(power.get()))) return false;
      return true;
    }
    acb_pow(out.get(), out.get(), power.get(), bits_);
    return true;
  }

  static bool IsWhole(const Ball& ball) { return acb_is_int(ball.get()) != 0; }

  bool Function(const Expr& expr, Ball& out) {
    const std::string& name = expr.name;
    if (name == "sum" || name == "prod") return Running(expr, out);
    if (name.rfind("open ", 0) == 0) return OfSymbol(Key(expr), out);
    if (!Value(*expr.args[0], out)) return false;
    if (!fuel_.Spend((name == "factorial" || name == "binom" ? 200 : 10) * cost_)) return false;
    if (name == "ln" || name == "log") return Logarithm(expr, out);
    if (name == "sqrt" || name == "root") return Root(expr, out);
    if (const BallFunction function = FindBallFunction(name);
        function != nullptr && expr.args.size() == 1) {
      if (name == "arcsin" || name == "arccos") {
        arb_t one;
        arb_init(one);
        arb_one(one);
        Ball size(out);
        arb_abs(acb_realref(size.get()), acb_realref(size.get()));
        if (IsReal(out) && arb_gt(acb_realref(size.get()), one) != 0) left_reals = true;
        arb_clear(one);
      }
      function(out.get(), out.get(), bits_);
      return true;
    }
    if (name == "abs" || name == "norm") {
      arb_t size;
      arb_init(size);
      acb_abs(size, out.get(), bits_);
      acb_set_arb(out.get(), size);
      arb_clear(size);
      return true;
    }
    if (name == "Re" || name == "Im") {
      const Ball whole(out);
      acb_set_arb(out.get(), name == "Re" ? acb_realref(whole.get()) : acb_imagref(whole.get()));
      return true;
    }
    if (name == "conj") {
      acb_conj(out.get(), out.get());
      return true;
    }
    if (name == "arg") {
      const Ball whole(out);
      if (acb_contains_zero(whole.get())) return false;
      acb_zero(out.get());
      acb_arg(acb_realref(out.get()), whole.get(), bits_);
      return true;
    }
    if (!IsReal(out)) return false;
    return RealFunction(expr, out);
  }

  bool RealFunction(const Expr& expr, Ball& out) {
    const std::string& name = expr.name;
    arb_struct* x = acb_realref(out.get());
    if (name == "floor" || name == "ceil") {
      arb_t rounded;
      arb_init(rounded);
      if (name == "floor") {
        arb_floor(rounded, x, bits_);
      } else {
        arb_ceil(rounded, x, bits_);
      }
      const bool sure = arb_is_exact(rounded) != 0;
      arb_set(x, rounded);
      arb_clear(rounded);
      return sure;
    }
    if (name == "sgn") {
      arb_sgn(x, x);
      return arb_is_exact(x) != 0;
    }
    if (name == "min" || name == "max") {
      Ball next;
      for (size_t i = 1; i < expr.args.size(); ++i) {
        if (!Value(*expr.args[i], next) || !IsReal(next)) return false;
        if (name == "min") {
          arb_min(x, x, acb_realref(next.get()), bits_);
        } else {
          arb_max(x, x, acb_realref(next.get()), bits_);
        }
      }
      return true;
    }
    if (name == "mod" && expr.args.size() == 2) {
      Ball modulus;
      if (!Value(*expr.args[1], modulus) || !IsReal(modulus)) return false;
      if (arb_contains_zero(acb_realref(modulus.get()))) return false;
      Ball times(out);
      arb_div(acb_realref(times.get()), x, acb_realref(modulus.get()), bits_);
      arb_floor(acb_realref(times.get()), acb_realref(times.get()), bits_);
      if (!arb_is_exact(acb_realref(times.get()))) return false;
      arb_submul(x, acb_realref(times.get()), acb_realref(modulus.get()), bits_);
      return true;
    }
    if (name == "binom" && expr.args.size() == 2) return Binomial(*expr.args[1], out);
    return false;
  }

  // n! / k! / (n - k)!
  bool Binomial(const Expr& lower, Ball& out) {
    Ball k;
    if (!Value(lower, k) || !IsReal(k)) return false;
    Ball rest;
    acb_sub(rest.get(), out.get(), k.get(), bits_);
    for (Ball* part : {&out, &k, &rest}) {
      FindBallFunction("factorial")(part->get(), part->get(), bits_);
    }
    acb_mul(k.get(), k.get(), rest.get(), bits_);
    if (!acb_is_finite(k.get()) || acb_contains_zero(k.get())) return false;
    acb_div(out.get(), out.get(), k.get(), bits_);
    return true;
  }

  bool Logarithm(const Expr& expr, Ball& out) {
    if (acb_contains_zero(out.get())) return false;
    if (IsNegative(out)) left_reals = true;
    acb_log(out.get(), out.get(), bits_);
    if (expr.name == "ln" && expr.args.size() == 1) return true;
    Ball base;
    if (expr.args.size() == 2) {
      if (!Value(*expr.args[1], base)) return false;
    } else {
      acb_set_ui(base.get(), 10);
    }
    if (acb_contains_zero(base.get())) return false;
    acb_log(base.get(), base.get(), bits_);
    if (acb_contains_zero(base.get())) return false;
    acb_div(out.get(), out.get(), base.get(), bits_);
    return true;
  }

  bool Root(const Expr& expr, Ball& out) {
    if (expr.name == "sqrt") {
      if (IsNegative(out)) left_reals = true;
      acb_sqrt(out.get(), out.get(), bits_);
      return true;
    }
    mpq_class index;
    if (FoldRational(*expr.args[1], fuel_, index) != math::Fold::kValue || index.get_den() != 1 ||
        index < 1 || index > 1000) {
      Ball power;
      if (!Value(*expr.args[1], power) || acb_contains_zero(power.get())) return false;
      if (acb_contains_zero(out.get())) return false;
      acb_inv(power.get(), power.get(), bits_);
      acb_pow(out.get(), out.get(), power.get(), bits_);
      return true;
    }
    const unsigned long n = index.get_num().get_ui();
    const bool negative = IsNegative(out);
    if (negative && n % 2 == 1) {
      acb_neg(out.get(), out.get());
      acb_root_ui(out.get(), out.get(), n, bits_);
      acb_neg(out.get(), out.get());
      return true;
    }
    if (negative) left_reals = true;
    acb_root_ui(out.get(), out.get(), n, bits_);
    return true;
  }

  // A sum with whole bounds is added up; any other is an unknown number.
  bool Running(const Expr& expr, Ball& out) {
    constexpr long kTermsMax = 500;
    mpq_class from;
    mpq_class to;
    const bool whole = FoldRational(*expr.args[2], fuel_, from) == math::Fold::kValue &&
                       FoldRational(*expr.args[3], fuel_, to) == math::Fold::kValue &&
                       from.get_den() == 1 && to.get_den() == 1;
    if (!whole) return OfSymbol(Key(expr), out);
    if (to - from > kTermsMax) {
      out_of_range = true;
      return false;
    }
    const bool sum = expr.name == "sum";
    Point inner = point_;
    acb_set_ui(out.get(), sum ? 0 : 1);
    Ball term;
    for (mpq_class k = from; k <= to; ++k) {
      inner.fixed[expr.args[1]->name] = k;
      Evaluator each(inner, bits_, fuel_);
      const bool defined = each.Value(*expr.args[0], term);
      left_reals = left_reals || each.left_reals;
      out_of_range = out_of_range || each.out_of_range;
      if (!defined) return false;
      if (sum) {
        acb_add(out.get(), out.get(), term.get(), bits_);
      } else {
        acb_mul(out.get(), out.get(), term.get(), bits_);
      }
    }
    return true;
  }

  const Point& point_;
  const long bits_;
  Fuel& fuel_;
  const long cost_;
};

}  // namespace

Evaluation Evaluate(const Expr& expr, const Point& point, long bits, Fuel& fuel) {
  Evaluator evaluator(point, bits, fuel);
  Evaluation evaluation;
  evaluation.defined = evaluator.Value(expr, evaluation.value);
  evaluation.left_reals = evaluator.left_reals;
  evaluation.out_of_range = evaluator.out_of_range;
  return evaluation;
}

std::set<std::string> WholeSymbols(const Expr& a, const Expr& b) {
  std::set<std::string> whole;
  const auto take = [&whole](const Expr& expr) {
    for (const std::string& name : SymbolsOf(expr)) whole.insert(name);
  };
  const auto visit = [&take](const Expr& expr) {
    const bool counts = expr.kind == Kind::kFunction &&
                        (expr.name.rfind("factorial", 0) == 0 || expr.name == "binom");
    if (counts) {
      for (const ExprPtr& arg : expr.args) take(*arg);
    }
    if (expr.kind == Kind::kPower && expr.args[0]->kind == Kind::kNegate) {
      const ExprPtr& under = expr.args[0]->args[0];
      if (under->kind == Kind::kNumber) take(*expr.args[1]);
    }
    return false;
  };
  Any(a, visit);
  Any(b, visit);
  return whole;
}

}  // namespace temper::reward::math
