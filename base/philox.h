// Randomness as a function of where it is used: Philox4x32-10 (Salmon et al., SC 2011).
//
// The same (key, counter) gives the same numbers on every machine, in any order of calls.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace temper {

// 128 random bits for a 64-bit key and a 128-bit counter.
std::array<uint32_t, 4> Philox(uint64_t key, uint64_t counter_high, uint64_t counter_low);

// A stable 64-bit number for a name (XXH3), to build keys and counters from ids.
uint64_t HashName(std::string_view name);

// In (0, 1): never 0 and never 1.
inline double UnitInterval(uint32_t high, uint32_t low) {
  const uint64_t bits = (static_cast<uint64_t>(high) << 32 | low) >> 11;
  return (static_cast<double>(bits) + 0.5) * 0x1.0p-53;
}

// Uniform doubles and standard normals (Box-Muller), element i of stream `counter_high`.
double UniformAt(uint64_t key, uint64_t counter_high, uint64_t i);
double NormalAt(uint64_t key, uint64_t counter_high, uint64_t i);

// Order of n items: a permutation that depends on (key, stream) alone.
// position -> item; O(1), no table: a Feistel walk over the smallest even-bit domain that holds n.
uint64_t PermutedIndex(uint64_t key, uint64_t stream, uint64_t n, uint64_t position);

}  // namespace temper
