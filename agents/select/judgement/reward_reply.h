// Reward servers that put their numbers into text: "reward:-7.98",
// "helpfulness:1.25,correctness:1.3", or a bare number.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"

namespace temper::agents {

// Attributes with their numbers, in the reply's order; a bare number's name is "".
using Rewards = std::vector<std::pair<std::string, double>>;

// INVALID_ARGUMENT with the reply's head: a part is neither a pair nor a number, or there is none.
absl::StatusOr<Rewards> ParseRewards(std::string_view reply);

// The number of `attribute`, in any case; "" takes the only one there is. INVALID_ARGUMENT tells
// which there are.
absl::StatusOr<double> RewardNamed(const Rewards& rewards, std::string_view attribute);

}  // namespace temper::agents
