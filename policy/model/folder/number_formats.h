// Numbers as weight files store them: widened to float32 exactly, narrowed by rounding to nearest.
//
// Infinities and NaNs come through as such: who reads weights refuses them. Any thread.
#pragma once

#include <bit>
#include <cstdint>
#include <span>
#include <string_view>

namespace temper::model {

inline float FromBf16(uint16_t bits) {
  return std::bit_cast<float>(static_cast<uint32_t>(bits) << 16);
}
float FromF16(uint16_t bits);
float FromE4m3(uint8_t bits);    // OCP FP8 E4M3: bias 7, no infinities, NaN is S.1111.111
float FromE5m2(uint8_t bits);    // OCP FP8 E5M2: bias 15, infinities and NaNs as in IEEE
float FromE2m1(uint8_t nibble);  // FP4 E2M1: the low four bits; 0 .5 1 1.5 2 3 4 6 and negatives

// Ties to even. Too large for the format becomes an infinity, a NaN stays one.
inline uint16_t ToBf16(float value) {
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  if ((bits & 0x7FFFFFFF) > 0x7F800000) return static_cast<uint16_t>(bits >> 16 | 0x40);
  return static_cast<uint16_t>((bits + 0x7FFF + (bits >> 16 & 1)) >> 16);
}
uint16_t ToF16(float value);

// Whether `dtype` names floating-point numbers that WidenTo reads: F64, F32, F16, BF16, F8_E4M3,
// F8_E5M2. F64 is rounded to float32.
bool IsFloatDtype(std::string_view dtype);
// from: values.size() numbers of that dtype, at any alignment.
void WidenTo(std::string_view dtype, const std::byte* from, std::span<float> values);

// Place of the first infinity or NaN, -1 when there is none.
int64_t FirstNotFinite(std::span<const float> values);
int64_t FirstNotFiniteBf16(std::span<const uint16_t> values);

// to: values.size() numbers of `dtype`: F64, F32, F16 or BF16. Place of the first value that is too
// large for it (or not finite), -1 when all fit.
int64_t NarrowTo(std::string_view dtype, std::span<const float> values, std::byte* to);

}  // namespace temper::model
