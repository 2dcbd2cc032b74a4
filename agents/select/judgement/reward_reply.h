// Reward servers that put their number into a chat message: "reward:-7.98",
// "helpfulness:1.25,correctness:1.3", or a bare number.
#pragma once

#include <string_view>

#include "absl/status/statusor.h"

namespace temper::agents {

// The number of `attribute`, in any case; "" takes the only one there is. INVALID_ARGUMENT: no such
// attribute or several without one being named (those that are there are listed), or no number.
absl::StatusOr<double> ReadReward(std::string_view reply, std::string_view attribute = "");

}  // namespace temper::agents
