// Functions of one argument over balls, by name.
#pragma once

#include <acb.h>

#include <string_view>

namespace temper::reward::math {

// (result, argument, bits); result and argument may be the same ball.
using BallFunction = void (*)(acb_t, const acb_t, slong);

// Null where no such function is known.
BallFunction FindBallFunction(std::string_view name);

}  // namespace temper::reward::math
