// The tree that a mathematical answer is read into. Nothing in it is ever evaluated as code:
// numbers are exact fractions and every name is one of a fixed list or a free symbol.
#pragma once

#include <gmpxx.h>

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace temper::reward::math {

enum class Kind {
  kNumber,      // value; places >= 0 where it was written as a decimal
  kSymbol,      // name, with subscript and primes
  kConstant,    // "pi", "e", "i", "inf", "ldots", "emptyset", "R", "Z", "Q", "N", "C"
  kText,        // words
  kAdd,         // args: terms
  kMul,         // args: factors
  kNegate,      // 1
  kDivide,      // 2
  kPower,       // 2
  kPlusMinus,   // 2; name "+-" or "-+"
  kFunction,    // name; args
  kPercent,     // 1
  kDegree,      // 1
  kQuantity,    // 1; name: the unit or label as written
  kBracketed,   // name: "()", "[]", "(]", "[)" or "<>"; a tuple, vector or interval
  kSet,         // {...}
  kList,        // name: ",", "or", "and", ";"
  kRatio,       // a : b : c
  kRelation,    // args n+1, ops n
  kMatrix,      // args row by row; columns
  kSetOf,       // name: "union", "intersection", "difference"; 2
  kBuilder,     // {x : condition}; 2
  kCongruence,  // a = b (mod m); 2 (b, m) or 3 (a, b, m)
};

struct Expr;
using ExprPtr = std::shared_ptr<const Expr>;

struct Expr {
  Kind kind = Kind::kNumber;
  std::string name;
  mpq_class value;
  int places = -1;       // decimals of a number that was written as one
  int significant = 0;   // its significant digits
  int columns = 0;       // of a matrix
  bool written = false;  // a number that was written as digits, not computed
  std::vector<ExprPtr> args;
  std::vector<std::string> ops;  // "=", "<", "<=", ">", ">=", "!=", "in", "approx"
};

ExprPtr Make(Kind kind, std::vector<ExprPtr> args, std::string name = "");
ExprPtr Number(mpq_class value);
ExprPtr Symbol(std::string name);
ExprPtr Constant(std::string name);

bool IsNumber(const Expr& expr, long value);
bool IsConstant(const Expr& expr, std::string_view name);

// A text that is the same for trees that differ only in the order of sums and products.
std::string Key(const Expr& expr);

// True when `test` holds anywhere in the tree.
template <typename Test>
bool Any(const Expr& expr, const Test& test) {
  if (test(expr)) return true;
  for (const ExprPtr& arg : expr.args) {
    if (Any(*arg, test)) return true;
  }
  return false;
}

// A matrix of at most four rows expanded; null for any other.
ExprPtr Determinant(const Expr& matrix);

// Names of the free symbols, without repeats, in the order of their first appearance.
std::vector<std::string> SymbolsOf(const Expr& expr);

// The tree with `name` replaced by `by`; shares what does not change.
ExprPtr Substitute(const ExprPtr& expr, const std::string& name, const ExprPtr& by);

// Both readings of every +- in the tree, the signs moving together; one element where there is
// none.
std::vector<ExprPtr> BothSigns(const ExprPtr& expr);

}  // namespace temper::reward::math
