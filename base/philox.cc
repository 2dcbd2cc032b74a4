// Philox4x32-10 and what is drawn from it.
#include "base/philox.h"

#include <xxhash.h>

#include <cmath>
#include <numbers>

#include "base/check.h"

namespace temper {

std::array<uint32_t, 4> Philox(uint64_t key, uint64_t counter_high, uint64_t counter_low) {
  constexpr uint32_t kMultiplier0 = 0xD2511F53u, kMultiplier1 = 0xCD9E8D57u;
  constexpr uint32_t kWeyl0 = 0x9E3779B9u, kWeyl1 = 0xBB67AE85u;
  uint32_t k0 = static_cast<uint32_t>(key), k1 = static_cast<uint32_t>(key >> 32);
  std::array<uint32_t, 4> c = {
      static_cast<uint32_t>(counter_low), static_cast<uint32_t>(counter_low >> 32),
      static_cast<uint32_t>(counter_high), static_cast<uint32_t>(counter_high >> 32)};
  for (int round = 0; round < 10; ++round) {
    const uint64_t p0 = static_cast<uint64_t>(kMultiplier0) * c[0];
    const uint64_t p1 = static_cast<uint64_t>(kMultiplier1) * c[2];
    c = {static_cast<uint32_t>(p1 >> 32) ^ c[1] ^ k0, static_cast<uint32_t>(p1),
         static_cast<uint32_t>(p0 >> 32) ^ c[3] ^ k1, static_cast<uint32_t>(p0)};
    k0 += kWeyl0;
    k1 += kWeyl1;
  }
  return c;
}

uint64_t HashName(std::string_view name) { return XXH3_64bits(name.data(), name.size()); }

double UniformAt(uint64_t key, uint64_t counter_high, uint64_t i) {
  const auto r = Philox(key, counter_high, i);
  return UnitInterval(r[0], r[1]);
}

double NormalAt(uint64_t key, uint64_t counter_high, uint64_t i) {
  const auto r = Philox(key, counter_high, i);
  const double radius = std::sqrt(-2.0 * std::log(UnitInterval(r[0], r[1])));
  return radius * std::cos(2.0 * std::numbers::pi * UnitInterval(r[2], r[3]));
}

uint64_t PermutedIndex(uint64_t key, uint64_t stream, uint64_t n, uint64_t position) {
  TEMPER_CHECK(position < n);
  int half_bits = 1;
  while ((1ull << (2 * half_bits)) < n) ++half_bits;
  const uint64_t mask = (1ull << half_bits) - 1;
  uint64_t value = position;
  do {  // at most a few rounds: the domain is less than four times n
    uint64_t left = value >> half_bits, right = value & mask;
    for (uint64_t round = 0; round < 6; ++round) {
      const uint64_t mixed = Philox(key, stream, right << 8 | round)[0] & mask;
      const uint64_t next = left ^ mixed;
      left = right;
      right = next;
    }
    value = left << half_bits | right;
  } while (value >= n);
  return value;
}

}  // namespace temper
