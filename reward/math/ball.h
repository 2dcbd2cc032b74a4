// Values of trees as balls that certainly hold them, with Arb.
#pragma once

#include <acb.h>

#include <map>
#include <set>
#include <string>

#include "reward/math/expr.h"
#include "reward/math/fuel.h"

namespace temper::reward::math {

// Values beyond 2^(+-kMagnitudeBitsMax) are out of range.
inline constexpr long kMagnitudeBitsMax = 1L << 24;

// Owns one complex ball.
class Ball {
 public:
  Ball() { acb_init(ball_); }
  Ball(const Ball& other) : Ball() { acb_set(ball_, other.ball_); }
  Ball& operator=(const Ball& other) {
    acb_set(ball_, other.ball_);
    return *this;
  }
  ~Ball() { acb_clear(ball_); }
  acb_struct* get() { return ball_; }
  const acb_struct* get() const { return ball_; }

 private:
  acb_t ball_;
};

// Where symbols are evaluated: rational points that follow from a seed alone.
struct Point {
  uint64_t seed = 0;
  int number = 0;
  // Symbols that stand for whole numbers ((-1)^n, n!).
  const std::set<std::string>* whole = nullptr;
  std::map<std::string, mpq_class> fixed;  // indices of sums
};

struct Evaluation {
  bool defined = false;       // false: a pole, a limit, or a thing that has no value
  bool left_reals = false;    // a root or logarithm of a negative number was taken
  bool out_of_range = false;  // it would not fit: not a matter of the point
  Ball value;
};

// `bits` of working precision. A tree that has no numeric meaning (F_n, an unknown sum) counts as a
// symbol. Every step is paid from `fuel`.
Evaluation Evaluate(const Expr& expr, const Point& point, long bits, Fuel& fuel);

// Symbols that can only be whole numbers: n in (-1)^n, n!, C(n, k).
std::set<std::string> WholeSymbols(const Expr& a, const Expr& b);

}  // namespace temper::reward::math
