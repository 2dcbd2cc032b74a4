// Fractions, then polynomials, then probing.
#include "reward/math/scalar.h"

#include <flint/fmpq.h>

#include <cmath>
#include <optional>
#include <set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "reward/math/ball.h"
#include "reward/math/magnitude.h"
#include "reward/math/polynomial.h"
#include "reward/math/rational.h"
#include "reward/math/separation.h"

namespace temper::reward::math {
namespace {

constexpr int kPoints = 8;
// Few bits are cheap: twice as many points, for what holds only where some symbol is positive.
constexpr int kPointsFirst = 16;
constexpr int kTriesMax = 32;
constexpr long kBitsFirst = 128;
constexpr long kBitsMost = 1024;

Finding Equal(std::string reason, bool proven = true) {
  return {Verdict::kEqual, proven, std::move(reason)};
}
Finding NotEqual(std::string reason, bool proven = true) {
  return {Verdict::kNotEqual, proven, std::move(reason)};
}
Finding Undecided(std::string reason) { return {Verdict::kUndecided, false, std::move(reason)}; }

mpq_class PowerOfTen(int exponent) {
  mpz_class power;
  mpz_ui_pow_ui(power.get_mpz_t(), 10, static_cast<unsigned long>(std::abs(exponent)));
  return exponent >= 0 ? mpq_class(power) : mpq_class(1, power);
}

// The number under signs that was written as digits; null for anything computed.
const Expr* WrittenNumber(const Expr& expr) {
  const Expr* at = &expr;
  while (at->kind == Kind::kNegate) at = at->args[0].get();
  return at->kind == Kind::kNumber && at->written ? at : nullptr;
}

// How far the answer may be from the gold; 0: not at all.
mpq_class Allowed(const Expr& gold, const mpq_class* gold_value, const Expr& answer,
                  const Tolerance& tolerance) {
  mpq_class allowed = 0;
  const Expr* wanted = WrittenNumber(gold);
  const Expr* given = WrittenNumber(answer);
  const bool decimal_gold = wanted != nullptr && wanted->places >= 0;
  if (decimal_gold && tolerance.gold_places_min >= 0 &&
      wanted->places >= tolerance.gold_places_min) {
    // Of two decimals the longer must round to the gold; the shorter is just another number.
    const bool shorter = given != nullptr && given->places < wanted->places;
    if (!shorter) allowed = PowerOfTen(-wanted->places) / 2;
  }
  // The last of an answer's many digits may have been cut off or rounded.
  if (!decimal_gold && wanted == nullptr && given != nullptr && given->places > 0 &&
      given->significant >= tolerance.answer_digits_min) {
    allowed = PowerOfTen(-given->places);
  }
  if (tolerance.relative > 0 && std::isfinite(tolerance.relative) && gold_value != nullptr) {
    const mpq_class relative = abs(*gold_value) * mpq_class(tolerance.relative);
    if (relative > allowed) allowed = relative;
  }
  return allowed;
}

Ball BallOf(const mpq_class& value) {
  Ball ball;
  fmpq_t q;
  fmpq_init(q);
  fmpq_set_mpq(q, value.get_mpq_t());
  acb_set_fmpq(ball.get(), q, kBitsMost);
  fmpq_clear(q);
  return ball;
}

// |a - b| <= allowed, or cannot be told from it.
bool Within(const Ball& a, const Ball& b, const mpq_class& allowed) {
  Ball difference;
  acb_sub(difference.get(), a.get(), b.get(), kBitsMost);
  arb_t size;
  arb_init(size);
  acb_abs(size, difference.get(), kBitsMost);
  const Ball limit = BallOf(allowed);
  const bool within = arb_le(size, acb_realref(limit.get())) != 0;
  arb_clear(size);
  return within;
}

// Probes where the symbols have values: `judge` says whether two values agree.
struct Probe {
  const Expr& gold;
  const Expr& answer;
  uint64_t seed;
  Fuel& fuel;
  bool constant;
  std::set<std::string> whole;

  Probe(const Expr& g, const Expr& a, uint64_t s, Fuel& f)
      : gold(g), answer(a), seed(s), fuel(f), whole(WholeSymbols(g, a)) {
    const auto symbolic = [](const Expr& e) {
      return e.kind == Kind::kSymbol ||
             (e.kind == Kind::kFunction &&
              (e.name == "sum" || e.name == "prod" || e.name.rfind("open ", 0) == 0));
    };
    constant = !Any(g, symbolic) && !Any(a, symbolic);
  }

  // Values of both at one point; false where the point is of no use.
  // A point where a root or logarithm of a negative number is taken is of none, unless `complex`.
  bool At(int number, long bits, bool complex, Evaluation& left, Evaluation& right) const {
    const Point point{seed, number, &whole, {}};
    left = Evaluate(gold, point, bits, fuel);
    if (!left.defined) return false;
    right = Evaluate(answer, point, bits, fuel);
    if (!right.defined) return false;
    if (constant) return true;
    return complex ? left.left_reals == right.left_reals : !left.left_reals && !right.left_reals;
  }
};

// A ball that says little: fewer than 64 correct bits, and not as good as zero.
bool Vague(const Ball& ball) {
  constexpr long kBitsMin = 64;
  if (acb_rel_accuracy_bits(ball.get()) >= kBitsMin) return false;
  mag_t size;
  mag_init(size);
  acb_get_mag(size, ball.get());
  const bool tiny = mag_cmp_2exp_si(size, -200) < 0;
  mag_clear(size);
  return !tiny;
}

// Proves that two numbers made of radicals are equal: closer than different ones can be.
bool IsZeroBySeparation(const Expr& gold, const Expr& answer, Fuel& fuel) {
  constexpr double kBitsProvenMax = 8192;
  const ExprPtr difference =
      Make(Kind::kAdd,
           {std::make_shared<Expr>(gold), Make(Kind::kNegate, {std::make_shared<Expr>(answer)})});
  const std::optional<double> separation = SeparationBits(*difference);
  if (!separation.has_value() || *separation > kBitsProvenMax) return false;
  const long bits = static_cast<long>(*separation) + 2;
  const Evaluation value = Evaluate(*difference, {}, 2 * bits + 256, fuel);
  if (!value.defined) return false;
  mag_t size;
  mag_init(size);
  acb_get_mag(size, value.value.get());
  const bool zero = mag_cmp_2exp_si(size, -bits) < 0;
  mag_clear(size);
  return zero;
}

// With `complex`, principal values count; what they prove holds for real formulas no longer.
Finding ProbeEqual(const Expr& gold, const Expr& answer, bool complex, uint64_t seed, Fuel& fuel) {
  const Probe probe(gold, answer, seed, fuel);
  const int tries = probe.constant ? 1 : kTriesMax;
  for (const long bits : {kBitsFirst, kBitsMost}) {
    const int wanted = probe.constant ? 1 : bits == kBitsFirst ? kPointsFirst : kPoints;
    int valid = 0;
    for (int number = 0; number < tries && valid < wanted; ++number) {
      Evaluation left;
      Evaluation right;
      if (!probe.At(number, bits, complex, left, right)) {
        if (fuel.empty()) return Undecided("out of steps");
        if (probe.constant && bits == kBitsMost) {
          // What has a value is below 2^kMagnitudeBitsMax.
          const Expr& other = left.defined ? answer : gold;
          const bool one =
              left.defined || Evaluate(answer, {seed, 0, nullptr, {}}, bits, fuel).defined;
          if (one && Log2AtLeast(other) > kMagnitudeBitsMax) return NotEqual("far larger");
          if (left.out_of_range || right.out_of_range) return Undecided("a number out of range");
          if (left.defined) return NotEqual("the answer is undefined", false);
          return Undecided("the gold answer has no value");
        }
        continue;
      }
      if (acb_overlaps(left.value.get(), right.value.get()) == 0) {
        return NotEqual(absl::StrCat("certainly different values at ", bits, " bits"), !complex);
      }
      if (bits == kBitsMost && (Vague(left.value) || Vague(right.value))) continue;
      ++valid;
    }
    if (bits == kBitsMost && valid < std::min(wanted, kPoints / 2)) {
      if (!complex && !probe.constant) return ProbeEqual(gold, answer, true, seed, fuel);
      return Undecided("too few points where both have a value");
    }
  }
  const bool one = probe.constant;
  if (one && IsZeroBySeparation(gold, answer, fuel)) return Equal("equal by a separation bound");
  return Equal(absl::StrCat("the same values at ", one ? 1 : kPoints, one ? " point" : " points",
                            " to ", kBitsMost, " bits: equal with overwhelming probability"),
               false);
}

bool HasInfinity(const Expr& expr) {
  return Any(expr, [](const Expr& e) { return IsConstant(e, "inf"); });
}

// Things a number or a function is never made of.
bool Numeric(const Expr& expr) {
  return !Any(expr, [](const Expr& e) {
    switch (e.kind) {
      case Kind::kNumber:
      case Kind::kSymbol:
      case Kind::kAdd:
      case Kind::kMul:
      case Kind::kNegate:
      case Kind::kDivide:
      case Kind::kPower:
      case Kind::kFunction:
      case Kind::kPercent:
      case Kind::kDegree:
        return false;
      case Kind::kConstant:
        return e.name != "pi" && e.name != "e" && e.name != "i";
      default:
        return true;
    }
  });
}

// Sums over F_k compare by their text; inside them nothing needs a value.
bool Comparable(const Expr& expr) {
  if (expr.kind == Kind::kFunction &&
      (expr.name == "sum" || expr.name == "prod" || expr.name.rfind("open ", 0) == 0)) {
    return true;
  }
  Expr bare = expr;
  bare.args.clear();
  if (!Numeric(bare)) return false;
  for (const ExprPtr& arg : expr.args) {
    if (!Comparable(*arg)) return false;
  }
  return true;
}

// -1 or 1 for minus and plus infinity, 0 for anything else.
int InfiniteSign(const Expr& expr) {
  if (IsConstant(expr, "inf")) return 1;
  if (expr.kind == Kind::kNegate && IsConstant(*expr.args[0], "inf")) return -1;
  return 0;
}

}  // namespace

Finding CompareScalars(const Expr& gold, const Expr& answer, const Tolerance& tolerance,
                       uint64_t seed, Fuel& fuel) {
  if (HasInfinity(gold) || HasInfinity(answer)) {
    return Key(gold) == Key(answer) ? Equal("the same infinity")
                                    : NotEqual("infinite against another value");
  }
  mpq_class wanted;
  mpq_class given;
  const Fold gold_fold = FoldRational(gold, fuel, wanted);
  const Fold answer_fold = FoldRational(answer, fuel, given);
  if (gold_fold == Fold::kUndefined) return Undecided("the gold answer divides by zero");
  if (answer_fold == Fold::kUndefined) return NotEqual("the answer divides by zero");
  const bool exact = gold_fold == Fold::kValue;
  const mpq_class allowed = Allowed(gold, exact ? &wanted : nullptr, answer, tolerance);
  if (exact && answer_fold == Fold::kValue) {
    if (wanted == given) return Equal("the same number");
    if (allowed > 0 && abs(wanted - given) <= allowed) return Equal("the same number when rounded");
    return NotEqual("another number");
  }
  if (!Comparable(gold) || !Comparable(answer)) {
    return Key(gold) == Key(answer) ? Equal("the same expression")
                                    : NotEqual("different kinds of answers", false);
  }
  if (Key(gold) == Key(answer)) return Equal("the same expression");
  if (allowed > 0) {
    const Point point{seed, 0, nullptr, {}};
    if (SymbolsOf(gold).empty() && SymbolsOf(answer).empty()) {
      const Evaluation left = Evaluate(gold, point, kBitsMost, fuel);
      const Evaluation right = Evaluate(answer, point, kBitsMost, fuel);
      if (left.defined && right.defined && Within(left.value, right.value, allowed)) {
        return Equal("the same number when rounded");
      }
    }
  }
  const Zero zero = DifferenceIsZero(gold, answer, fuel);
  if (zero == Zero::kYes) return Equal("identical once multiplied out");
  if (zero == Zero::kNo) return NotEqual("different once multiplied out");
  return ProbeEqual(gold, answer, false, seed, fuel);
}

Finding CompareZeros(const Expr& gold, const Expr& answer, bool positive, uint64_t seed,
                     Fuel& fuel) {
  const Zero multiple = IsMultiple(gold, answer, positive, fuel);
  if (multiple == Zero::kYes) return Equal("the same up to a constant factor");
  if (multiple == Zero::kNo) return NotEqual("not the same up to a constant factor");
  if (!Comparable(gold) || !Comparable(answer)) {
    return NotEqual("different kinds of relations", false);
  }
  const Probe probe(gold, answer, seed, fuel);
  if (probe.constant) return Undecided("a relation between constants");
  Ball ratio;
  int valid = 0;
  for (int number = 0; number < kTriesMax && valid < kPoints; ++number) {
    Evaluation left;
    Evaluation right;
    if (!probe.At(number, kBitsMost, false, left, right)) {
      if (fuel.empty()) return Undecided("out of steps");
      continue;
    }
    if (acb_contains_zero(right.value.get())) continue;
    Ball here;
    acb_div(here.get(), left.value.get(), right.value.get(), kBitsMost);
    if (acb_contains_zero(here.get()) || Vague(here)) continue;
    if (valid == 0) {
      ratio = here;
    } else if (acb_overlaps(ratio.get(), here.get()) == 0) {
      return NotEqual("their ratio is certainly not constant");
    }
    ++valid;
  }
  if (valid < kPoints / 2) return Undecided("too few points where both have a value");
  if (positive && !(acb_is_real(ratio.get()) && arb_is_positive(acb_realref(ratio.get())))) {
    return NotEqual("their ratio is not positive");
  }
  return Equal("their ratio is constant with overwhelming probability", false);
}

int Order(const Expr& a, const Expr& b, uint64_t seed, Fuel& fuel, bool& known) {
  known = true;
  const int infinite_a = InfiniteSign(a);
  const int infinite_b = InfiniteSign(b);
  if (infinite_a != 0 || infinite_b != 0) {
    return infinite_a == infinite_b ? 0 : infinite_a < infinite_b ? -1 : 1;
  }
  mpq_class left;
  mpq_class right;
  if (FoldRational(a, fuel, left) == Fold::kValue && FoldRational(b, fuel, right) == Fold::kValue) {
    return left < right ? -1 : left > right ? 1 : 0;
  }
  if (!SymbolsOf(a).empty() || !SymbolsOf(b).empty()) {
    known = Key(a) == Key(b);
    return 0;
  }
  const Point point{seed, 0, nullptr, {}};
  const Evaluation value_a = Evaluate(a, point, kBitsMost, fuel);
  const Evaluation value_b = Evaluate(b, point, kBitsMost, fuel);
  known = value_a.defined && value_b.defined && acb_is_real(value_a.value.get()) &&
          acb_is_real(value_b.value.get());
  if (!known) return 0;
  if (arb_lt(acb_realref(value_a.value.get()), acb_realref(value_b.value.get()))) return -1;
  if (arb_gt(acb_realref(value_a.value.get()), acb_realref(value_b.value.get()))) return 1;
  return 0;
}

}  // namespace temper::reward::math
