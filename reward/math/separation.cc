// Every value is a quotient of two algebraic integers; what bounds all their conjugates is carried
// up the tree.
#include "reward/math/separation.h"

#include <algorithm>
#include <cmath>
#include <set>
#include <string>

namespace temper::reward::math {
namespace {

// log2 of bounds of numerator and denominator.
struct Sizes {
  double above = 0;
  double below = 0;
};

double Log2UpperOf(const mpz_class& z) {
  return static_cast<double>(mpz_sizeinbase(z.get_mpz_t(), 2));
}

Sizes OfNumber(const mpq_class& q) {
  return {q == 0 ? 0 : Log2UpperOf(q.get_num()), Log2UpperOf(q.get_den())};
}

class Bounds {
 public:
  std::optional<Sizes> Of(const Expr& expr) {
    switch (expr.kind) {
      case Kind::kNumber:
        return OfNumber(expr.value);
      case Kind::kConstant:
        if (expr.name != "i") return std::nullopt;
        return AddRoot(expr, 2, Sizes{});
      case Kind::kNegate:
        return Of(*expr.args[0]);
      case Kind::kAdd:
      case Kind::kMul:
      case Kind::kDivide:
        return OfOperation(expr);
      case Kind::kPower:
        return OfPower(expr);
      case Kind::kFunction:
        if (expr.name == "sqrt" && expr.args.size() == 1) return OfRoot(expr, 2);
        if (expr.name == "root" && expr.args[1]->kind == Kind::kNumber) {
          const mpq_class& index = expr.args[1]->value;
          const bool whole = index.get_den() == 1 && index >= 2 && index <= 64;
          return whole ? OfRoot(expr, index.get_num().get_si()) : std::nullopt;
        }
        return std::nullopt;
      default:
        return std::nullopt;
    }
  }

  // Degree of the field that all roots lie in, at most.
  double degree() const { return degree_; }

 private:
  std::optional<Sizes> OfOperation(const Expr& expr) {
    std::optional<Sizes> total = Of(*expr.args[0]);
    for (size_t i = 1; i < expr.args.size() && total.has_value(); ++i) {
      const std::optional<Sizes> next = Of(*expr.args[i]);
      if (!next.has_value()) return std::nullopt;
      if (expr.kind == Kind::kAdd) {
        const double above = 1 + std::max(total->above + next->below, total->below + next->above);
        total = Sizes{above, total->below + next->below};
      } else if (expr.kind == Kind::kMul) {
        total = Sizes{total->above + next->above, total->below + next->below};
      } else {
        total = Sizes{total->above + next->below, total->below + next->above};
      }
    }
    return total;
  }

  std::optional<Sizes> OfPower(const Expr& expr) {
    const Expr* exponent = expr.args[1].get();
    mpq_class power;
    const bool negative = exponent->kind == Kind::kNegate;
    if (negative) exponent = exponent->args[0].get();
    if (exponent->kind == Kind::kDivide && exponent->args[0]->kind == Kind::kNumber &&
        exponent->args[1]->kind == Kind::kNumber && exponent->args[1]->value != 0) {
      power = exponent->args[0]->value / exponent->args[1]->value;
    } else if (exponent->kind == Kind::kNumber) {
      power = exponent->value;
    } else {
      return std::nullopt;
    }
    if (abs(power) > 64 || power.get_den() > 64) return std::nullopt;
    std::optional<Sizes> base = Of(*expr.args[0]);
    if (!base.has_value()) return std::nullopt;
    const double times = std::abs(power.get_num().get_d());
    Sizes raised{base->above * times, base->below * times};
    if ((power < 0) != negative) std::swap(raised.above, raised.below);
    if (power.get_den() == 1) return raised;
    return AddRoot(expr, power.get_den().get_si(), raised);
  }

  std::optional<Sizes> OfRoot(const Expr& expr, long index) {
    const std::optional<Sizes> radicand = Of(*expr.args[0]);
    if (!radicand.has_value()) return std::nullopt;
    return AddRoot(expr, index, *radicand);
  }

  // The root of U/L is that of U L^(k-1), an algebraic integer, over L.
  Sizes AddRoot(const Expr& expr, long index, const Sizes& of) {
    if (roots_.insert(Key(expr)).second) degree_ *= static_cast<double>(index);
    const double k = static_cast<double>(index);
    return {(of.above + (k - 1) * of.below) / k, of.below};
  }

  std::set<std::string> roots_;
  double degree_ = 1;
};

}  // namespace

std::optional<double> SeparationBits(const Expr& expr) {
  Bounds bounds;
  const std::optional<Sizes> sizes = bounds.Of(expr);
  if (!sizes.has_value()) return std::nullopt;
  return (bounds.degree() - 1) * sizes->above + sizes->below + 1;
}

}  // namespace temper::reward::math
