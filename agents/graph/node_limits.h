// How much a graph file may ask for.
#pragma once

#include <cstdint>

namespace temper::agents {

inline constexpr int64_t kSamplesMax = 10'000;  // n, need, keep
inline constexpr int64_t kRoundsMax = 10'000;
inline constexpr double kTimeoutMax = 365.0 * 24 * 3600;  // seconds

}  // namespace temper::agents
