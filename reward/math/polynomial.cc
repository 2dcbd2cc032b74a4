// A fraction is kept as numerator and denominator and never cancelled: no gcd, so the work is known
// beforehand.
#include "reward/math/polynomial.h"

#include <flint/fmpq.h>
#include <flint/fmpq_mpoly.h>

#include <algorithm>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "reward/math/rational.h"

namespace temper::reward::math {
namespace {

// Owns FLINT's description of the ring Q[unknowns].
class Ring {
 public:
  explicit Ring(int unknowns) { fmpq_mpoly_ctx_init(context_, unknowns, ORD_LEX); }
  ~Ring() { fmpq_mpoly_ctx_clear(context_); }
  Ring(const Ring&) = delete;
  Ring& operator=(const Ring&) = delete;
  const fmpq_mpoly_ctx_struct* get() const { return context_; }

 private:
  fmpq_mpoly_ctx_t context_;
};

class Polynomial {
 public:
  explicit Polynomial(const Ring& ring) : ring_(&ring) { fmpq_mpoly_init(poly_, ring.get()); }
  Polynomial(const Polynomial& other) : Polynomial(*other.ring_) {
    fmpq_mpoly_set(poly_, other.poly_, ring_->get());
  }
  Polynomial& operator=(const Polynomial& other) {
    fmpq_mpoly_set(poly_, other.poly_, ring_->get());
    return *this;
  }
  ~Polynomial() { fmpq_mpoly_clear(poly_, ring_->get()); }

  fmpq_mpoly_struct* get() { return poly_; }
  const fmpq_mpoly_struct* get() const { return poly_; }
  const Ring& ring() const { return *ring_; }
  long terms() const { return fmpq_mpoly_length(poly_, ring_->get()); }
  bool zero() const { return fmpq_mpoly_is_zero(poly_, ring_->get()) != 0; }

 private:
  const Ring* ring_;
  fmpq_mpoly_t poly_;
};

struct Fraction {
  Polynomial above;
  Polynomial below;
};

// FLINT's own fraction for the span of a call.
class Q {
 public:
  explicit Q(const mpq_class& value) {
    fmpq_init(q_);
    fmpq_set_mpq(q_, value.get_mpq_t());
  }
  ~Q() { fmpq_clear(q_); }
  Q(const Q&) = delete;
  Q& operator=(const Q&) = delete;
  const fmpq* get() const { return q_; }

 private:
  fmpq_t q_;
};

// An unknown with unknown^degree = value, where degree > 0.
struct Unknown {
  std::string key;
  int degree = 0;
  mpq_class value;
  bool free = true;  // a symbol: takes any value
};

class Builder {
 public:
  explicit Builder(Fuel& fuel) : fuel_(fuel) {}

  // First pass: which unknowns there are. False: too many.
  bool Collect(const Expr& expr) {
    if (!fuel_.Spend(1)) return false;
    mpq_class value;
    if (expr.kind == Kind::kNumber) return true;
    if (IsOperation(expr)) {
      for (size_t i = 0; i < expr.args.size(); ++i) {
        if (expr.kind == Kind::kPower && i == 1) continue;
        if (expr.kind == Kind::kFunction && i == 1) continue;
        if (!Collect(*expr.args[i])) return false;
      }
      return true;
    }
    return Index(expr) >= 0;
  }

  const std::vector<Unknown>& unknowns() const { return unknowns_; }

  // Second pass. Nothing: a limit was met or a denominator vanishes.
  std::optional<Fraction> Build(const Expr& expr, const Ring& ring) {
    if (!fuel_.Spend(1)) return std::nullopt;
    if (expr.kind == Kind::kNumber) return ConstantOf(expr.value, ring);
    if (!IsOperation(expr)) {
      const int index = Index(expr);
      if (index < 0) return std::nullopt;
      Fraction made = *ConstantOf(1, ring);
      fmpq_mpoly_gen(made.above.get(), index, ring.get());
      return made;
    }
    std::optional<Fraction> first = Build(*expr.args[0], ring);
    if (!first.has_value()) return std::nullopt;
    switch (expr.kind) {
      case Kind::kNegate:
        fmpq_mpoly_neg(first->above.get(), first->above.get(), ring.get());
        return first;
      case Kind::kPercent: {
        const Q hundredth(mpq_class(1, 100));
        fmpq_mpoly_scalar_mul_fmpq(first->above.get(), first->above.get(), hundredth.get(),
                                   ring.get());
        return first;
      }
      case Kind::kPower:
        return Power(std::move(*first), expr.args[1]->value.get_num().get_si());
      case Kind::kFunction:
        return FallingFactorial(std::move(*first), expr.args[1]->value.get_num().get_si());
      case Kind::kDivide: {
        std::optional<Fraction> second = Build(*expr.args[1], ring);
        if (!second.has_value()) return std::nullopt;
        std::swap(second->above, second->below);
        if (second->below.zero()) return std::nullopt;
        return Multiply(*first, *second);
      }
      default:
        break;
    }
    for (size_t i = 1; i < expr.args.size(); ++i) {
      std::optional<Fraction> next = Build(*expr.args[i], ring);
      if (!next.has_value()) return std::nullopt;
      first = expr.kind == Kind::kAdd ? Add(*first, *next) : Multiply(*first, *next);
      if (!first.has_value()) return std::nullopt;
    }
    return first;
  }

  // Replaces powers of unknowns that are algebraic.
  void Reduce(Polynomial& poly) const {
    for (size_t index = 0; index < unknowns_.size(); ++index) {
      if (unknowns_[index].degree > 0) ReduceOne(poly, static_cast<int>(index));
    }
  }

 private:
  // Nodes that this normal form looks into.
  static bool IsOperation(const Expr& expr) {
    switch (expr.kind) {
      case Kind::kAdd:
      case Kind::kMul:
      case Kind::kNegate:
      case Kind::kDivide:
      case Kind::kPercent:
        return true;
      case Kind::kPower:
        return expr.args[1]->kind == Kind::kNumber && expr.args[1]->value.get_den() == 1 &&
               abs(expr.args[1]->value) <= kPowerMax;
      case Kind::kFunction:
        return expr.name == "binom" && expr.args.size() == 2 &&
               expr.args[1]->kind == Kind::kNumber && expr.args[1]->value.get_den() == 1 &&
               expr.args[1]->value >= 0 && expr.args[1]->value <= 20;
      default:
        return false;
    }
  }

  int Index(const Expr& expr) {
    const std::string key = Key(expr);
    for (size_t i = 0; i < unknowns_.size(); ++i) {
      if (unknowns_[i].key == key) return static_cast<int>(i);
    }
    if (unknowns_.size() >= static_cast<size_t>(kUnknownsMax)) return -1;
    Unknown unknown{key, 0, 0, expr.kind == Kind::kSymbol};
    mpq_class radicand;
    mpq_class index = 2;
    if (IsConstant(expr, "i")) {
      unknown.degree = 2;
      unknown.value = -1;
    } else if (expr.kind == Kind::kFunction && (expr.name == "sqrt" || expr.name == "root") &&
               FoldRational(*expr.args[0], fuel_, radicand) == Fold::kValue &&
               (expr.name == "sqrt" || FoldRational(*expr.args[1], fuel_, index) == Fold::kValue) &&
               index.get_den() == 1 && index >= 2 && index <= 100) {
      unknown.degree = static_cast<int>(index.get_num().get_si());
      unknown.value = radicand;
    }
    unknowns_.push_back(std::move(unknown));
    return static_cast<int>(unknowns_.size()) - 1;
  }

  static std::optional<Fraction> ConstantOf(const mpq_class& value, const Ring& ring) {
    Fraction made{Polynomial(ring), Polynomial(ring)};
    const Q q(value);
    fmpq_mpoly_set_fmpq(made.above.get(), q.get(), ring.get());
    fmpq_mpoly_set_si(made.below.get(), 1, ring.get());
    return made;
  }

  // False: too long, or its coefficients are.
  bool Within(const Polynomial& poly) {
    return poly.terms() <= kTermsMax && CoefficientBits(poly) <= kCoefficientBitsMax;
  }

  static long CoefficientBits(const Polynomial& poly) {
    const fmpq* content = poly.get()->content;
    const long bits = std::max(static_cast<long>(fmpz_bits(fmpq_numref(content))),
                               static_cast<long>(fmpz_bits(fmpq_denref(content))));
    long most = 0;
    const fmpz_mpoly_struct* zpoly = poly.get()->zpoly;
    for (long i = 0; i < zpoly->length; ++i) {
      most = std::max(most, static_cast<long>(fmpz_bits(zpoly->coeffs + i)));
    }
    return bits + most;
  }

  bool Product(Polynomial& out, const Polynomial& a, const Polynomial& b) {
    const long pairs = a.terms() * b.terms();
    constexpr long kPairsMax = 200000;
    if (pairs > kPairsMax || !fuel_.Spend(1 + pairs / 8)) return false;
    fmpq_mpoly_mul(out.get(), a.get(), b.get(), a.ring().get());
    return Within(out);
  }

  std::optional<Fraction> Multiply(const Fraction& a, const Fraction& b) {
    Fraction made{Polynomial(a.above.ring()), Polynomial(a.above.ring())};
    if (!Product(made.above, a.above, b.above)) return std::nullopt;
    if (!Product(made.below, a.below, b.below)) return std::nullopt;
    return made;
  }

  std::optional<Fraction> Add(const Fraction& a, const Fraction& b) {
    const Ring& ring = a.above.ring();
    Fraction made{Polynomial(ring), Polynomial(ring)};
    if (fmpq_mpoly_equal(a.below.get(), b.below.get(), ring.get()) != 0) {
      fmpq_mpoly_add(made.above.get(), a.above.get(), b.above.get(), ring.get());
      made.below = a.below;
      if (!Within(made.above)) return std::nullopt;
      return made;
    }
    Polynomial left(ring);
    Polynomial right(ring);
    if (!Product(left, a.above, b.below) || !Product(right, b.above, a.below)) return std::nullopt;
    if (!Product(made.below, a.below, b.below)) return std::nullopt;
    fmpq_mpoly_add(made.above.get(), left.get(), right.get(), ring.get());
    if (!Within(made.above)) return std::nullopt;
    return made;
  }

  std::optional<Fraction> Power(Fraction base, long exponent) {
    if (exponent < 0) {
      if (base.above.zero()) return std::nullopt;
      std::swap(base.above, base.below);
      exponent = -exponent;
    }
    std::optional<Fraction> power = ConstantOf(1, base.above.ring());
    for (long bit = 1L << 10; bit > 0; bit >>= 1) {
      power = Multiply(*power, *power);
      if (power.has_value() && (exponent & bit) != 0) power = Multiply(*power, base);
      if (!power.has_value()) return std::nullopt;
    }
    return power;
  }

  // n (n-1) ... (n-k+1) / k!
  std::optional<Fraction> FallingFactorial(Fraction n, long k) {
    std::optional<Fraction> product = ConstantOf(1, n.above.ring());
    for (long i = 0; i < k; ++i) {
      std::optional<Fraction> factor = Add(n, *ConstantOf(-i, n.above.ring()));
      if (!factor.has_value()) return std::nullopt;
      product = Multiply(*product, *factor);
      if (!product.has_value()) return std::nullopt;
      product = Multiply(*product, *ConstantOf(mpq_class(1, i + 1), n.above.ring()));
      if (!product.has_value()) return std::nullopt;
    }
    return product;
  }

  // unknown^e becomes unknown^(e mod degree) * value^(e div degree).
  void ReduceOne(Polynomial& poly, int index) const {
    const Ring& ring = poly.ring();
    const Unknown& unknown = unknowns_[static_cast<size_t>(index)];
    Polynomial reduced(ring);
    std::vector<ulong> exponents(unknowns_.size());
    for (long i = 0; i < poly.terms(); ++i) {
      fmpq_t coefficient;
      fmpq_init(coefficient);
      fmpq_mpoly_get_term_coeff_fmpq(coefficient, poly.get(), i, ring.get());
      fmpq_mpoly_get_term_exp_ui(exponents.data(), poly.get(), i, ring.get());
      ulong& exponent = exponents[static_cast<size_t>(index)];
      const ulong times = exponent / static_cast<ulong>(unknown.degree);
      exponent %= static_cast<ulong>(unknown.degree);
      mpq_class power;
      mpq_class already;
      fmpq_get_mpq(already.get_mpq_t(), coefficient);
      fmpq_clear(coefficient);
      if (PowerRational(unknown.value, mpq_class(static_cast<long>(times)), power) !=
          Fold::kValue) {
        return;
      }
      const Q term(already * power);
      Polynomial one(ring);
      fmpq_mpoly_push_term_fmpq_ui(one.get(), term.get(), exponents.data(), ring.get());
      fmpq_mpoly_add(reduced.get(), reduced.get(), one.get(), ring.get());
    }
    poly = reduced;
  }

  static constexpr long kCoefficientBitsMax = 20000;
  Fuel& fuel_;
  std::vector<Unknown> unknowns_;
};

}  // namespace

Zero DifferenceIsZero(const Expr& a, const Expr& b, Fuel& fuel) {
  Builder builder(fuel);
  if (!builder.Collect(a) || !builder.Collect(b)) return Zero::kUnknown;
  const Ring ring(std::max<int>(1, static_cast<int>(builder.unknowns().size())));
  std::optional<Fraction> left = builder.Build(a, ring);
  if (!left.has_value()) return Zero::kUnknown;
  std::optional<Fraction> right = builder.Build(b, ring);
  if (!right.has_value()) return Zero::kUnknown;
  Polynomial cross(ring);
  Polynomial other(ring);
  const long pairs =
      left->above.terms() * right->below.terms() + right->above.terms() * left->below.terms();
  if (pairs > 400000 || !fuel.Spend(1 + pairs / 8)) return Zero::kUnknown;
  fmpq_mpoly_mul(cross.get(), left->above.get(), right->below.get(), ring.get());
  fmpq_mpoly_mul(other.get(), right->above.get(), left->below.get(), ring.get());
  fmpq_mpoly_sub(cross.get(), cross.get(), other.get(), ring.get());
  const bool free = std::all_of(builder.unknowns().begin(), builder.unknowns().end(),
                                [](const Unknown& unknown) { return unknown.free; });
  if (!free) {
    builder.Reduce(cross);
    // A denominator that is zero in disguise proves nothing.
    builder.Reduce(left->below);
    builder.Reduce(right->below);
    if (left->below.zero() || right->below.zero()) return Zero::kUnknown;
  }
  if (cross.zero()) return Zero::kYes;
  return free ? Zero::kNo : Zero::kUnknown;
}

Zero IsMultiple(const Expr& a, const Expr& b, bool positive, Fuel& fuel) {
  Builder builder(fuel);
  if (!builder.Collect(a) || !builder.Collect(b)) return Zero::kUnknown;
  const Ring ring(std::max<int>(1, static_cast<int>(builder.unknowns().size())));
  std::optional<Fraction> left = builder.Build(a, ring);
  if (!left.has_value()) return Zero::kUnknown;
  std::optional<Fraction> right = builder.Build(b, ring);
  if (!right.has_value()) return Zero::kUnknown;
  for (Fraction* side : {&*left, &*right}) {
    builder.Reduce(side->above);
    builder.Reduce(side->below);
    const bool constant = fmpq_mpoly_is_fmpq(side->below.get(), ring.get()) != 0;
    if (side->below.zero() || (positive && !constant)) return Zero::kUnknown;
    if (positive) {
      fmpq_mpoly_scalar_div_fmpq(side->above.get(), side->above.get(), side->below.get()->content,
                                 ring.get());
    }
  }
  const bool free = std::all_of(builder.unknowns().begin(), builder.unknowns().end(),
                                [](const Unknown& unknown) { return unknown.free; });
  const Zero no = free ? Zero::kNo : Zero::kUnknown;
  if (left->above.zero() || right->above.zero()) {
    return left->above.zero() && right->above.zero() ? Zero::kYes : no;
  }
  const bool same =
      fmpz_mpoly_equal(left->above.get()->zpoly, right->above.get()->zpoly, ring.get()->zctx) != 0;
  if (!same) return no;
  const bool signs = fmpq_sgn(left->above.get()->content) == fmpq_sgn(right->above.get()->content);
  return !positive || signs ? Zero::kYes : Zero::kNo;
}

bool AsLinear(const Expr& expr, const std::string& symbol, Fuel& fuel, mpq_class& a, mpq_class& b) {
  const ExprPtr tree = std::make_shared<Expr>(expr);
  const std::vector<std::string> names = SymbolsOf(expr);
  if (names.size() != 1 || names[0] != symbol) return false;
  // A line is known by two of its points; the identity proves that it is one.
  mpq_class at_zero;
  mpq_class at_one;
  if (FoldRational(*Substitute(tree, symbol, Number(0)), fuel, at_zero) != Fold::kValue) {
    return false;
  }
  if (FoldRational(*Substitute(tree, symbol, Number(1)), fuel, at_one) != Fold::kValue) {
    return false;
  }
  a = at_one - at_zero;
  b = at_zero;
  if (a == 0) return false;
  const ExprPtr line = Make(Kind::kAdd, {Make(Kind::kMul, {Number(a), Symbol(symbol)}), Number(b)});
  return DifferenceIsZero(expr, *line, fuel) == Zero::kYes;
}

}  // namespace temper::reward::math
