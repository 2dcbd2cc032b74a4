// Units, percents and degrees: when one side may leave them out, and how they convert.
#include <utility>

#include "absl/strings/str_cat.h"
#include "reward/math/comparer.h"
#include "reward/math/unit.h"

namespace temper::reward::math {
namespace {

Finding NotEqual(std::string reason) { return {Verdict::kNotEqual, false, std::move(reason)}; }

// The value alone.
const ExprPtr& Bare(const ExprPtr& expr) {
  const bool measured =
      expr->kind == Kind::kQuantity || expr->kind == Kind::kPercent || expr->kind == Kind::kDegree;
  return measured ? expr->args[0] : expr;
}

ExprPtr Times(const mpq_class& factor, const ExprPtr& value) {
  return factor == 1 ? value : Make(Kind::kMul, {Number(factor), value});
}

}  // namespace

ExprPtr UnitOutside(const ExprPtr& expr) {
  if (expr->kind != Kind::kNegate && expr->kind != Kind::kAdd && expr->kind != Kind::kPlusMinus) {
    return expr;
  }
  const ExprPtr last = UnitOutside(expr->args.back());
  if (last->kind != Kind::kQuantity) return expr;
  auto inner = std::make_shared<Expr>(*expr);
  inner->args.back() = last->args[0];
  // "2 m + 3 m" is left alone.
  for (const ExprPtr& arg : inner->args) {
    if (Any(*arg, [](const Expr& e) { return e.kind == Kind::kQuantity; })) return expr;
  }
  return Make(Kind::kQuantity, {inner}, last->name);
}

Finding Comparer::CompareQuantities(const ExprPtr& gold, const ExprPtr& answer) {
  if (gold->kind == Kind::kPercent || answer->kind == Kind::kPercent) {
    return ComparePercents(gold, answer);
  }
  if (gold->kind == Kind::kDegree || answer->kind == Kind::kDegree) {
    return CompareDegrees(gold, answer);
  }
  if (policy_.units == UnitPolicy::kIgnored) return Compare(Bare(gold), Bare(answer));
  const bool both = gold->kind == Kind::kQuantity && answer->kind == Kind::kQuantity;
  if (!both) {
    const bool missing = gold->kind == Kind::kQuantity && ReadUnit(gold->name).has_value();
    if (missing && policy_.units == UnitPolicy::kRequired) return NotEqual("the unit is missing");
    const Finding found = Compare(Bare(gold), Bare(answer));
    if (found.verdict == Verdict::kEqual) return found;
    // "2m" may have been read as a product.
    const ExprPtr& quantity = gold->kind == Kind::kQuantity ? gold : answer;
    if (quantity->name.size() != 1) return found;
    const ExprPtr product = Make(Kind::kMul, {quantity->args[0], Symbol(quantity->name)});
    return quantity == gold ? Compare(product, answer) : Compare(gold, product);
  }
  const std::optional<UnitOfMeasure> wanted = ReadUnit(gold->name);
  const std::optional<UnitOfMeasure> given = ReadUnit(answer->name);
  if (wanted.has_value() != given.has_value()) {
    // "12 units" or "12 apples" for 12 of anything.
    const std::string& known = wanted.has_value() ? wanted->dimension : given->dimension;
    if (known.rfind("unit", 0) != 0) return NotEqual("another unit");
    return Compare(gold->args[0], answer->args[0]);
  }
  if (!wanted.has_value()) return Compare(gold->args[0], answer->args[0]);
  const bool unnamed =
      wanted->dimension.rfind("unit", 0) == 0 || given->dimension.rfind("unit", 0) == 0;
  if (wanted->dimension != given->dimension && !unnamed) return NotEqual("another unit");
  if (unnamed || wanted->scale == given->scale) return Compare(gold->args[0], answer->args[0]);
  return Compare(Times(wanted->scale, gold->args[0]), Times(given->scale, answer->args[0]));
}

Finding Comparer::ComparePercents(const ExprPtr& gold, const ExprPtr& answer) {
  const bool both = gold->kind == Kind::kPercent && answer->kind == Kind::kPercent;
  if (both) return Compare(gold->args[0], answer->args[0]);
  if (policy_.percent == PercentPolicy::kStrict) {
    return NotEqual("a percentage against a plain number");
  }
  const bool gold_percent = gold->kind == Kind::kPercent;
  const ExprPtr& percent = gold_percent ? gold : answer;
  const ExprPtr& other = Bare(gold_percent ? answer : gold);
  if (policy_.percent == PercentPolicy::kBareOk) {
    const ExprPtr& bare = percent->args[0];
    const Finding found = gold_percent ? Compare(bare, other) : Compare(other, bare);
    if (found.verdict == Verdict::kEqual) return found;
  }
  const ExprPtr fraction = Make(Kind::kDivide, {percent->args[0], Number(100)});
  return gold_percent ? Compare(fraction, other) : Compare(other, fraction);
}

// 45 degrees are 45 without the sign, and pi/4.
Finding Comparer::CompareDegrees(const ExprPtr& gold, const ExprPtr& answer) {
  const bool both = gold->kind == Kind::kDegree && answer->kind == Kind::kDegree;
  if (both) return Compare(gold->args[0], answer->args[0]);
  const bool gold_degrees = gold->kind == Kind::kDegree;
  const ExprPtr& degrees = gold_degrees ? gold : answer;
  const ExprPtr& other = gold_degrees ? answer : gold;
  if (other->kind == Kind::kQuantity) {
    const std::optional<UnitOfMeasure> unit = ReadUnit(other->name);
    if (unit.has_value() && unit->dimension.rfind("rad", 0) != 0) return NotEqual("another unit");
  }
  const bool may_omit = policy_.units != UnitPolicy::kRequired || !gold_degrees;
  if (may_omit && other->kind != Kind::kQuantity) {
    const ExprPtr& bare = degrees->args[0];
    const Finding found = gold_degrees ? Compare(bare, other) : Compare(other, bare);
    if (found.verdict == Verdict::kEqual) return found;
  }
  const ExprPtr radians =
      Make(Kind::kDivide, {Make(Kind::kMul, {degrees->args[0], Constant("pi")}), Number(180)});
  return gold_degrees ? Compare(radians, Bare(other)) : Compare(Bare(other), radians);
}

}  // namespace temper::reward::math
