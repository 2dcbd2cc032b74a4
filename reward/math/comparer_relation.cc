// Equations, inequalities and sets; which kind may stand for which.
#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "reward/math/comparer.h"
#include "reward/math/region.h"

namespace temper::reward::math {
namespace {

Finding NotEqual(std::string reason) { return {Verdict::kNotEqual, false, std::move(reason)}; }

// What may stand before "=" without being an equation: x, f(x), AB, |AB|, S_1 : S_2, (p, q), words.
bool IsName(const Expr& expr) {
  const auto all_names = [&expr] {
    return std::all_of(expr.args.begin(), expr.args.end(),
                       [](const ExprPtr& arg) { return IsName(*arg); });
  };
  switch (expr.kind) {
    case Kind::kSymbol:
    case Kind::kText:
      return true;
    case Kind::kConstant:
      return expr.name == "e" || expr.name == "i";
    case Kind::kMul: {
      // f(x), f(2), P(A), f^{-1}(x): the first factor is a letter.
      const Expr& head = *expr.args[0];
      const bool inverse = head.kind == Kind::kPower && head.args[0]->kind == Kind::kSymbol &&
                           head.args[1]->kind == Kind::kNegate;
      if (!IsName(head) && !inverse) return false;
      return std::all_of(expr.args.begin() + 1, expr.args.end(), [](const ExprPtr& arg) {
        return IsName(*arg) || arg->kind == Kind::kNumber ||
               (arg->kind == Kind::kNegate && arg->args[0]->kind == Kind::kNumber);
      });
    }
    case Kind::kRatio:
    case Kind::kBracketed:
    case Kind::kDivide:
      return all_names();
    case Kind::kFunction:
      return (expr.name == "abs" || expr.name == "norm" || expr.name == "max" ||
              expr.name == "min" || expr.name == "gcd" || expr.name == "lcm" ||
              expr.name == "det" || expr.name == "arg" || expr.name == "Re" || expr.name == "Im") &&
             all_names();
    default:
      return false;
  }
}

bool IsEquation(const Expr& expr) {
  return expr.kind == Kind::kRelation &&
         std::all_of(expr.ops.begin(), expr.ops.end(),
                     [](const std::string& op) { return op == "=" || op == "approx"; });
}

bool IsInequality(const Expr& expr) { return expr.kind == Kind::kRelation && !IsEquation(expr); }

// The last exact value of a chain: 1/3 in "x = 3/9 = 1/3 \approx 0.33".
const ExprPtr& LastValue(const Expr& chain) {
  for (size_t i = 0; i < chain.ops.size(); ++i) {
    if (chain.ops[i] != "approx") continue;
    // "x \approx 11" has no other value than that.
    return chain.args[i == 0 && IsName(*chain.args[0]) ? 1 : i];
  }
  return chain.args.back();
}

bool NoSymbols(const Expr& expr) { return SymbolsOf(expr).empty(); }

// y, f(x), g(t): heads of a function's formula.
bool IsFunctionHead(const Expr& name) {
  if (name.kind == Kind::kSymbol) return name.name == "y" || name.name == "z";
  return name.kind == Kind::kMul && name.args.size() == 2 && name.args[0]->kind == Kind::kSymbol &&
         name.args[1]->kind == Kind::kSymbol;
}

ExprPtr Difference(const ExprPtr& a, const ExprPtr& b) {
  return Make(Kind::kAdd, {a, Make(Kind::kNegate, {b})});
}

// Sets that are written as sets, not as the answer to an inequality.
bool IsSetLike(const Expr& expr) {
  if (expr.kind == Kind::kSetOf || expr.kind == Kind::kBuilder) return true;
  if (expr.kind == Kind::kConstant) return expr.name == "R" || expr.name == "emptyset";
  return false;
}

bool HasInequality(const Expr& expr) {
  if (expr.kind == Kind::kList) {
    return std::any_of(expr.args.begin(), expr.args.end(),
                       [](const ExprPtr& arg) { return HasInequality(*arg); });
  }
  return IsInequality(expr);
}

bool IsMembership(const Expr& expr) {
  return expr.kind == Kind::kRelation && expr.ops.size() == 1 && expr.ops[0] == "in";
}

}  // namespace

std::optional<Assignment> AsAssignment(const Expr& expr) {
  if (!IsEquation(expr)) return std::nullopt;
  if (IsName(*expr.args[0])) return Assignment{expr.args[0], LastValue(expr)};
  if (expr.ops.size() == 1 && NoSymbols(*expr.args[0]) && IsName(*expr.args[1])) {
    return Assignment{expr.args[1], expr.args[0]};
  }
  return std::nullopt;
}

std::optional<Finding> Comparer::CompareRelations(const ExprPtr& gold, const ExprPtr& answer) {
  const bool gold_set = HasInequality(*gold) || IsSetLike(*gold);
  const bool answer_set = HasInequality(*answer) || IsSetLike(*answer);
  if (gold_set || answer_set) {
    // D = (0, 1) u (2, 3)
    if (const auto named = AsAssignment(*answer); named.has_value()) {
      return Compare(gold, named->value);
    }
    if (const auto named = AsAssignment(*gold); named.has_value()) {
      return Compare(named->value, answer);
    }
    const bool asks = HasInequality(*gold) && !IsMembership(*gold);
    if (!asks && HasInequality(*answer) && !IsMembership(*answer) && !policy_.relation_for_set) {
      return NotEqual("a relation where the gold answer is a set");
    }
    std::string gold_symbol;
    std::string answer_symbol;
    const RegionPtr left = AsRegion(*gold, gold_symbol, fuel_);
    const RegionPtr right = AsRegion(*answer, answer_symbol, fuel_);
    if (left != nullptr && right != nullptr) {
      if (!gold_symbol.empty() && !answer_symbol.empty() && gold_symbol != answer_symbol) {
        return NotEqual("a relation of another variable");
      }
      const Finding found = CompareRegions(*left, *right, seed_, fuel_);
      if (found.verdict != Verdict::kUndecided) return found;
    }
    if (Key(*gold) == Key(*answer)) return Finding{Verdict::kEqual, true, "the same expression"};
    if (IsMembership(*gold) && IsMembership(*answer)) {
      const Finding element = Compare(gold->args[0], answer->args[0]);
      if (element.verdict != Verdict::kEqual) return element;
      return Compare(gold->args[1], answer->args[1]);
    }
    if (IsMembership(*gold)) return Compare(gold->args[1], answer);
    if (IsMembership(*answer)) return Compare(gold, answer->args[1]);
    if (gold->kind == Kind::kRelation && answer->kind == Kind::kRelation) {
      return CompareInequalities(*gold, *answer);
    }
    if (gold->kind == Kind::kRelation && gold->ops.size() == 2 &&
        answer->kind == Kind::kBracketed && answer->args.size() == 2) {
      // a < x < b and (a, b), whatever a and b are.
      const bool low_open = gold->ops[0] == "<";
      const bool high_open = gold->ops[1] == "<";
      const std::string name = absl::StrCat(low_open ? "(" : "[", high_open ? ")" : "]");
      return Compare(Make(Kind::kBracketed, {gold->args[0], gold->args[2]}, name), answer);
    }
    if (gold->kind == Kind::kSetOf && answer->kind == Kind::kSetOf && gold->name == answer->name) {
      return CompareOrdered(gold->args, answer->args, "union");
    }
    if (gold->kind == Kind::kList && answer->kind == Kind::kList) {
      return CompareUnordered(gold->args, answer->args);
    }
    return NotEqual("another kind of set or relation");
  }
  const bool gold_equation = IsEquation(*gold);
  const bool answer_equation = IsEquation(*answer);
  if (gold_equation && answer_equation) return CompareEquations(gold, answer);
  if (!gold_equation && !answer_equation) return std::nullopt;
  const ExprPtr& equation = gold_equation ? gold : answer;
  const ExprPtr& other = gold_equation ? answer : gold;
  // "p = 5, q = 2" is a list of assignments, not one.
  if (other->kind == Kind::kList) return std::nullopt;
  const std::optional<Assignment> assignment = AsAssignment(*equation);
  ExprPtr value = assignment.has_value() ? assignment->value : nullptr;
  if (value == nullptr && NoSymbols(*equation->args[0]) && NoSymbols(*LastValue(*equation))) {
    value = LastValue(*equation);
  }
  if (value == nullptr) return NotEqual("an equation against a value");
  return gold_equation ? Compare(value, other) : Compare(other, value);
}

Finding Comparer::CompareEquations(const ExprPtr& gold, const ExprPtr& answer) {
  const std::optional<Assignment> wanted = AsAssignment(*gold);
  const std::optional<Assignment> given = AsAssignment(*answer);
  if (wanted.has_value() && given.has_value()) {
    const bool same_name = Key(*wanted->name) == Key(*given->name);
    if (same_name) return Compare(wanted->value, given->value);
    const bool heads = IsFunctionHead(*wanted->name) && IsFunctionHead(*given->name);
    if (heads && !NoSymbols(*wanted->value)) {
      const Finding values = Compare(wanted->value, given->value);
      if (values.verdict == Verdict::kEqual) return values;
    }
  }
  const auto scalar = [](const Expr& e) {
    return e.kind != Kind::kBracketed && e.kind != Kind::kSet && e.kind != Kind::kList &&
           e.kind != Kind::kMatrix && e.kind != Kind::kText && e.kind != Kind::kQuantity;
  };
  const ExprPtr& gold_value = LastValue(*gold);
  const ExprPtr& answer_value = LastValue(*answer);
  if (!scalar(*gold->args[0]) || !scalar(*answer->args[0]) || !scalar(*gold_value) ||
      !scalar(*answer_value)) {
    if (Key(*gold) == Key(*answer)) return {Verdict::kEqual, true, "the same expression"};
    if (gold->ops.size() != answer->ops.size()) return NotEqual("another equation");
    return CompareOrdered(gold->args, answer->args, "equation");
  }
  const ExprPtr left = Difference(gold->args[0], gold_value);
  const ExprPtr right = Difference(answer->args[0], answer_value);
  return CompareZeros(*left, *right, false, seed_, fuel_);
}

// Part by part, each as "d < 0" or "d <= 0", in any order.
Finding Comparer::CompareInequalities(const Expr& gold, const Expr& answer) {
  struct Part {
    ExprPtr below_zero;
    std::string op;
  };
  const auto parts = [](const Expr& chain) {
    std::vector<Part> out;
    for (size_t i = 0; i < chain.ops.size(); ++i) {
      const bool greater = chain.ops[i] == ">" || chain.ops[i] == ">=";
      const ExprPtr& a = chain.args[i];
      const ExprPtr& b = chain.args[i + 1];
      const std::string op = greater ? (chain.ops[i] == ">" ? "<" : "<=") : chain.ops[i];
      out.push_back({greater ? Difference(b, a) : Difference(a, b), op});
    }
    return out;
  };
  const std::vector<Part> wanted = parts(gold);
  std::vector<Part> given = parts(answer);
  if (wanted.size() != given.size()) return NotEqual("another number of inequalities");
  Finding all{Verdict::kEqual, true, "the same inequalities"};
  for (const Part& part : wanted) {
    bool found = false;
    for (size_t i = 0; i < given.size() && !found; ++i) {
      if (given[i].op != part.op) continue;
      const bool positive = part.op != "!=" && part.op != "=";
      const Finding one =
          CompareZeros(*part.below_zero, *given[i].below_zero, positive, seed_, fuel_);
      if (one.verdict != Verdict::kEqual) continue;
      all.proven = all.proven && one.proven;
      found = true;
      given.erase(given.begin() + static_cast<long>(i));
    }
    if (!found) return NotEqual("another inequality");
  }
  return all;
}

}  // namespace temper::reward::math
