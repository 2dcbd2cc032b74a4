// Compares two trees by their kinds: lists, tuples, regions, equations, quantities, numbers.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "reward/math/expr.h"
#include "reward/math/fuel.h"
#include "reward/math/scalar.h"
#include "temper/v1/math_verifier.pb.h"

namespace temper::reward::math {

enum class PercentPolicy { kStrict, kFraction, kBareOk };
enum class UnitPolicy { kOptional, kRequired, kIgnored };
enum class CommaPolicy { kAuto, kNever, kAlways };

// MathOptions with its words read.
struct Policy {
  PercentPolicy percent = PercentPolicy::kBareOk;
  UnitPolicy units = UnitPolicy::kOptional;
  CommaPolicy decimal_comma = CommaPolicy::kAuto;
  Tolerance tolerance;
  bool ordered_lists = false;
  bool tuples_as_sets = false;
  bool relation_for_set = false;
};

class Comparer {
 public:
  Comparer(const Policy& policy, uint64_t seed, Fuel& fuel)
      : policy_(policy), seed_(seed), fuel_(fuel) {}

  Finding Compare(const ExprPtr& gold, const ExprPtr& answer);

 private:
  // comparer.cc
  Finding CompareLists(const ExprPtr& gold, const ExprPtr& answer);
  Finding CompareOrdered(const std::vector<ExprPtr>& gold, const std::vector<ExprPtr>& answer,
                         const char* what);
  Finding CompareUnordered(std::vector<ExprPtr> gold, std::vector<ExprPtr> answer);
  Finding CompareTuples(const Expr& gold, const Expr& answer);
  Finding CompareMatrices(const Expr& gold, const Expr& answer);
  Finding CompareRatios(const ExprPtr& gold, const ExprPtr& answer);
  Finding CompareCongruences(const Expr& gold, const Expr& answer);
  std::vector<ExprPtr> WithoutRepeats(std::vector<ExprPtr> elements);

  // comparer_relation.cc
  std::optional<Finding> CompareRelations(const ExprPtr& gold, const ExprPtr& answer);
  Finding CompareEquations(const ExprPtr& gold, const ExprPtr& answer);
  Finding CompareInequalities(const Expr& gold, const Expr& answer);

  // comparer_quantity.cc
  Finding CompareQuantities(const ExprPtr& gold, const ExprPtr& answer);
  Finding ComparePercents(const ExprPtr& gold, const ExprPtr& answer);
  Finding CompareDegrees(const ExprPtr& gold, const ExprPtr& answer);

  const Policy& policy_;
  const uint64_t seed_;
  Fuel& fuel_;
  int depth_ = 0;
};

// "x = 5": a name and its value. Nothing for an equation between formulas.
struct Assignment {
  ExprPtr name;
  ExprPtr value;
};
std::optional<Assignment> AsAssignment(const Expr& expr);

// The tree with a unit inside a sum or behind a sign moved to the outside.
ExprPtr UnitOutside(const ExprPtr& expr);

// Elements of a list, a set or an a +- b.
std::vector<ExprPtr> ElementsOf(const ExprPtr& expr);

// A tree whose sums and products of matrices are carried out; null where it is no matrix.
ExprPtr AsMatrix(const ExprPtr& expr, Fuel& fuel);

}  // namespace temper::reward::math
