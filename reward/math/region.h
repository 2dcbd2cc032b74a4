// Sets of real numbers: intervals with open and closed ends, points, unions, what is left out.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "reward/math/expr.h"
#include "reward/math/fuel.h"
#include "reward/math/scalar.h"

namespace temper::reward::math {

struct Region;
using RegionPtr = std::shared_ptr<const Region>;

struct Region {
  enum class Kind { kNone, kInterval, kUnion, kIntersection, kDifference };
  Kind kind = Kind::kNone;
  ExprPtr low;
  ExprPtr high;
  bool low_open = true;
  bool high_open = true;
  RegionPtr left;
  RegionPtr right;
};

// The region that an interval, a set, a union, an inequality or {x : ...} describes; null where the
// tree is none, or is over more than one symbol. `symbol` is the variable of inequalities, and is
// filled in by the first one.
RegionPtr AsRegion(const Expr& expr, std::string& symbol, Fuel& fuel);

// Do they hold the same numbers? Undecided where two ends cannot be ordered.
Finding CompareRegions(const Region& gold, const Region& answer, uint64_t seed, Fuel& fuel);

}  // namespace temper::reward::math
