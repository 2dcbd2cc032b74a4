// Two regions are cut at all of their ends; in each piece both are there or not.
#include "reward/math/region.h"

#include <algorithm>
#include <utility>

#include "reward/math/polynomial.h"
#include "reward/math/rational.h"

namespace temper::reward::math {
namespace {

RegionPtr Interval(ExprPtr low, ExprPtr high, bool low_open, bool high_open) {
  auto region = std::make_shared<Region>();
  region->kind = Region::Kind::kInterval;
  region->low = std::move(low);
  region->high = std::move(high);
  region->low_open = low_open;
  region->high_open = high_open;
  return region;
}

RegionPtr Join(Region::Kind kind, RegionPtr left, RegionPtr right) {
  if (left == nullptr || right == nullptr) return nullptr;
  auto region = std::make_shared<Region>();
  region->kind = kind;
  region->left = std::move(left);
  region->right = std::move(right);
  return region;
}

ExprPtr Infinity(bool positive) {
  const ExprPtr infinity = Constant("inf");
  return positive ? infinity : Make(Kind::kNegate, {infinity});
}

RegionPtr AllReals() { return Interval(Infinity(false), Infinity(true), true, true); }

RegionPtr Point(const ExprPtr& at) { return Interval(at, at, false, false); }

// Everything but one point.
RegionPtr Except(const ExprPtr& at) {
  return Join(Region::Kind::kDifference, AllReals(), Point(at));
}

// { x : x op bound }
RegionPtr Ray(const std::string& op, const ExprPtr& bound) {
  if (op == "<") return Interval(Infinity(false), bound, true, true);
  if (op == "<=") return Interval(Infinity(false), bound, true, false);
  if (op == ">") return Interval(bound, Infinity(true), true, true);
  if (op == ">=") return Interval(bound, Infinity(true), false, true);
  if (op == "=") return Point(bound);
  if (op == "!=") return Except(bound);
  return nullptr;
}

std::string Flipped(const std::string& op) {
  if (op == "<") return ">";
  if (op == "<=") return ">=";
  if (op == ">") return "<";
  if (op == ">=") return "<=";
  return op;
}

bool IsBound(const Expr& expr) { return SymbolsOf(expr).empty(); }

// `side` is x, -x or a multiple and a shift of it; bound has no symbols.
RegionPtr OneSided(const Expr& side, std::string op, const ExprPtr& bound, std::string& symbol,
                   Fuel& fuel) {
  const std::vector<std::string> names = SymbolsOf(side);
  if (names.size() != 1 || (!symbol.empty() && symbol != names[0])) return nullptr;
  symbol = names[0];
  if (side.kind == Kind::kSymbol) return Ray(op, bound);
  if (side.kind == Kind::kFunction && side.name == "abs") {
    // |u| < c: -c < u < c; |u| > c: u < -c or u > c.
    const ExprPtr minus = Make(Kind::kNegate, {bound});
    mpq_class value;
    const bool negative = FoldRational(*bound, fuel, value) == Fold::kValue && value < 0;
    if (negative) return nullptr;
    RegionPtr upper = OneSided(*side.args[0], op, bound, symbol, fuel);
    RegionPtr lower = OneSided(*side.args[0], Flipped(op), minus, symbol, fuel);
    const bool inside = op == "<" || op == "<=" || op == "!=";
    return Join(inside ? Region::Kind::kIntersection : Region::Kind::kUnion, upper, lower);
  }
  mpq_class a;
  mpq_class b;
  if (!AsLinear(side, symbol, fuel, a, b)) return nullptr;
  // a x + b op c: x op (c - b) / a, turned round where a < 0.
  if (a < 0) op = Flipped(op);
  const ExprPtr shifted = Make(Kind::kAdd, {bound, Number(-b)});
  const ExprPtr solved = Make(Kind::kDivide, {shifted, Number(a)});
  const bool infinite = Any(*bound, [](const Expr& e) { return IsConstant(e, "inf"); });
  return infinite ? nullptr : Ray(op, solved);
}

RegionPtr OfRelation(const Expr& relation, std::string& symbol, Fuel& fuel) {
  RegionPtr all;
  for (size_t i = 0; i < relation.ops.size(); ++i) {
    const ExprPtr& left = relation.args[i];
    const ExprPtr& right = relation.args[i + 1];
    const std::string& op = relation.ops[i];
    RegionPtr one;
    if (op == "in") {
      if (left->kind != Kind::kSymbol || (!symbol.empty() && symbol != left->name)) return nullptr;
      symbol = left->name;
      one = AsRegion(*right, symbol, fuel);
    } else if (IsBound(*right)) {
      one = OneSided(*left, op, right, symbol, fuel);
    } else if (IsBound(*left)) {
      one = OneSided(*right, Flipped(op), left, symbol, fuel);
    } else {
      // x + 1 < 3 - x
      const ExprPtr difference = Make(Kind::kAdd, {left, Make(Kind::kNegate, {right})});
      one = OneSided(*difference, op, Number(0), symbol, fuel);
    }
    all = all == nullptr ? one : Join(Region::Kind::kIntersection, all, one);
    if (all == nullptr) return nullptr;
  }
  return all;
}

bool IsEmpty(const Region& region, Fuel& fuel);

RegionPtr Joined(const Expr& list, Region::Kind kind, std::string& symbol, Fuel& fuel) {
  RegionPtr all;
  for (const ExprPtr& arg : list.args) {
    if (arg->kind != Kind::kRelation && arg->kind != Kind::kSetOf &&
        arg->kind != Kind::kBracketed) {
      return nullptr;
    }
    RegionPtr one = AsRegion(*arg, symbol, fuel);
    all = all == nullptr ? one : Join(kind, all, one);
    if (all == nullptr) return nullptr;
  }
  return all;
}

// Conditions on one unknown: "x < 1 or x > 2", "x > 1 and x < 2". A comma between conditions means
// both where both can hold, else either.
RegionPtr OfList(const Expr& list, std::string& symbol, Fuel& fuel) {
  RegionPtr either = Joined(list, Region::Kind::kUnion, symbol, fuel);
  if (list.name == "or" || either == nullptr) return either;
  const bool relations = std::all_of(list.args.begin(), list.args.end(), [](const ExprPtr& arg) {
    return arg->kind == Kind::kRelation;
  });
  if (list.name != "and" && !relations) return either;
  RegionPtr both = Joined(list, Region::Kind::kIntersection, symbol, fuel);
  return list.name == "and" || !IsEmpty(*both, fuel) ? both : either;
}
bool IsEnd(const Expr& expr) {
  return !Any(expr, [](const Expr& e) {
    switch (e.kind) {
      case Kind::kNumber:
      case Kind::kSymbol:
      case Kind::kConstant:
      case Kind::kAdd:
      case Kind::kMul:
      case Kind::kNegate:
      case Kind::kDivide:
      case Kind::kPower:
      case Kind::kFunction:
        return e.kind == Kind::kConstant && (e.name == "ldots" || e.name == "emptyset");
      default:
        return true;
    }
  });
}

}  // namespace

RegionPtr AsRegion(const Expr& expr, std::string& symbol, Fuel& fuel) {
  if (!fuel.Spend(1)) return nullptr;
  switch (expr.kind) {
    case Kind::kBracketed:
      if (expr.args.size() != 2 || expr.name == "<>") return nullptr;
      if (!IsEnd(*expr.args[0]) || !IsEnd(*expr.args[1])) return nullptr;
      return Interval(expr.args[0], expr.args[1], expr.name[0] == '(', expr.name[1] == ')');
    case Kind::kSet: {
      RegionPtr all = std::make_shared<Region>();
      for (const ExprPtr& arg : expr.args) {
        if (!IsEnd(*arg)) return nullptr;
        all = Join(Region::Kind::kUnion, all, Point(arg));
      }
      return all;
    }
    case Kind::kConstant:
      if (expr.name == "emptyset") return std::make_shared<Region>();
      if (expr.name == "R") return AllReals();
      if (expr.name == "R+") return Interval(Number(0), Infinity(true), true, true);
      if (expr.name == "R-") return Interval(Infinity(false), Number(0), true, true);
      return nullptr;
    case Kind::kSetOf: {
      const Region::Kind kind = expr.name == "union"          ? Region::Kind::kUnion
                                : expr.name == "intersection" ? Region::Kind::kIntersection
                                                              : Region::Kind::kDifference;
      RegionPtr left = AsRegion(*expr.args[0], symbol, fuel);
      if (left == nullptr) return nullptr;
      return Join(kind, left, AsRegion(*expr.args[1], symbol, fuel));
    }
    case Kind::kBuilder: {
      const Expr& element = *expr.args[0];
      const bool plain = element.kind == Kind::kSymbol;
      const bool within = element.kind == Kind::kRelation && element.ops.size() == 1 &&
                          element.ops[0] == "in" && element.args[0]->kind == Kind::kSymbol;
      if (!plain && !within) return nullptr;
      symbol = plain ? element.name : element.args[0]->name;
      RegionPtr condition = AsRegion(*expr.args[1], symbol, fuel);
      if (plain || condition == nullptr) return condition;
      return Join(Region::Kind::kIntersection, AsRegion(element, symbol, fuel), condition);
    }
    case Kind::kRelation:
      return OfRelation(expr, symbol, fuel);
    case Kind::kList:
      return OfList(expr, symbol, fuel);
    default:
      return nullptr;
  }
}

namespace {

// Ends in ascending order; piece 2i+1 is end i, even pieces are the gaps around them.
class Pieces {
 public:
  Pieces(uint64_t seed, Fuel& fuel) : seed_(seed), fuel_(fuel) {}

  // False where an end cannot be placed.
  bool Add(const Region& region) {
    if (region.kind == Region::Kind::kInterval) return Place(region.low) && Place(region.high);
    if (region.left != nullptr && !Add(*region.left)) return false;
    return region.right == nullptr || Add(*region.right);
  }

  size_t count() const { return 2 * ends_.size() + 1; }

  bool Holds(const Region& region, size_t piece) {
    switch (region.kind) {
      case Region::Kind::kNone:
        return false;
      case Region::Kind::kInterval: {
        const size_t low = PieceOf(*region.low);
        const size_t high = PieceOf(*region.high);
        // An infinite end belongs to nothing.
        if (piece == low && low == high) return !region.low_open && !region.high_open;
        const bool above = piece > low || (piece == low && !region.low_open);
        const bool below = piece < high || (piece == high && !region.high_open);
        return above && below;
      }
      case Region::Kind::kUnion:
        return Holds(*region.left, piece) || Holds(*region.right, piece);
      case Region::Kind::kIntersection:
        return Holds(*region.left, piece) && Holds(*region.right, piece);
      case Region::Kind::kDifference:
        return Holds(*region.left, piece) && !Holds(*region.right, piece);
    }
    return false;
  }

 private:
  bool Place(const ExprPtr& end) {
    constexpr size_t kEndsMax = 200;
    if (ends_.size() >= kEndsMax) return false;
    for (size_t i = 0; i < ends_.size(); ++i) {
      bool known = false;
      const int order = Order(*end, *ends_[i], seed_, fuel_, known);
      if (!known) return false;
      if (order == 0) return true;
      if (order < 0) {
        ends_.insert(ends_.begin() + static_cast<long>(i), end);
        return true;
      }
    }
    ends_.push_back(end);
    return true;
  }

  size_t PieceOf(const Expr& end) {
    for (size_t i = 0; i < ends_.size(); ++i) {
      bool known = false;
      if (Order(end, *ends_[i], seed_, fuel_, known) == 0 && known) return 2 * i + 1;
    }
    return 0;
  }

  const uint64_t seed_;
  Fuel& fuel_;
  std::vector<ExprPtr> ends_;
};

}  // namespace

namespace {

bool IsEmpty(const Region& region, Fuel& fuel) {
  Pieces pieces(0, fuel);
  if (!pieces.Add(region)) return false;
  for (size_t piece = 0; piece < pieces.count(); ++piece) {
    if (!fuel.Spend(20) || pieces.Holds(region, piece)) return false;
  }
  return true;
}

}  // namespace

Finding CompareRegions(const Region& gold, const Region& answer, uint64_t seed, Fuel& fuel) {
  Pieces pieces(seed, fuel);
  if (!pieces.Add(gold) || !pieces.Add(answer)) {
    return {Verdict::kUndecided, false, "ends of intervals that cannot be ordered"};
  }
  for (size_t piece = 0; piece < pieces.count(); ++piece) {
    if (!fuel.Spend(20)) return {Verdict::kUndecided, false, "out of steps"};
    if (pieces.Holds(gold, piece) != pieces.Holds(answer, piece)) {
      return {Verdict::kNotEqual, true, "another set of numbers"};
    }
  }
  return {Verdict::kEqual, true, "the same set of numbers"};
}

}  // namespace temper::reward::math
