// How large a number certainly is that is too large to be computed.
#pragma once

#include "reward/math/expr.h"

namespace temper::reward::math {

// A lower bound of log2 |x|, for towers of powers and factorials in the first place; 0 or less
// where nothing is known.
double Log2AtLeast(const Expr& expr);

}  // namespace temper::reward::math
