// Every bit pattern of every small format against its definition in double precision.
#include "policy/model/folder/number_formats.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

namespace temper::model {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

enum class Specials { kIeee, kOneNan, kNone };

// (-1)^s 2^(e-bias) (1 + m/2^M), or (-1)^s 2^(1-bias) (m/2^M) for e = 0.
double Oracle(uint32_t bits, int exponent_bits, int mantissa_bits, Specials specials) {
  const int exponent_max = (1 << exponent_bits) - 1, mantissa_max = (1 << mantissa_bits) - 1;
  const int bias = exponent_max / 2;
  const int mantissa = static_cast<int>(bits) & mantissa_max;
  const int exponent = static_cast<int>(bits) >> mantissa_bits & exponent_max;
  const double sign = bits >> (exponent_bits + mantissa_bits) & 1 ? -1.0 : 1.0;
  if (exponent == exponent_max) {
    if (specials == Specials::kIeee) return mantissa == 0 ? sign * kInfinity : kNan;
    if (specials == Specials::kOneNan && mantissa == mantissa_max) return kNan;
  }
  const double fraction = std::ldexp(mantissa, -mantissa_bits);
  return sign * (exponent == 0 ? std::ldexp(fraction, 1 - bias)
                               : std::ldexp(1.0 + fraction, exponent - bias));
}

void ExpectSame(float found, double expected, uint32_t bits) {
  if (std::isnan(expected)) {
    EXPECT_TRUE(std::isnan(found)) << std::hex << bits;
    return;
  }
  EXPECT_EQ(static_cast<double>(found), expected) << std::hex << bits;
  EXPECT_EQ(std::signbit(found), std::signbit(expected)) << std::hex << bits;
}

TEST(NumberFormatsTest, EveryPatternOfEveryFormatWidensToItsDefinition) {
  for (uint32_t bits = 0; bits < 1 << 16; ++bits) {
    const uint16_t half = static_cast<uint16_t>(bits);
    ExpectSame(FromF16(half), Oracle(bits, 5, 10, Specials::kIeee), bits);
    ExpectSame(FromBf16(half), Oracle(bits, 8, 7, Specials::kIeee), bits);
  }
  for (uint32_t bits = 0; bits < 256; ++bits) {
    const uint8_t byte = static_cast<uint8_t>(bits);
    ExpectSame(FromE4m3(byte), Oracle(bits, 4, 3, Specials::kOneNan), bits);
    ExpectSame(FromE5m2(byte), Oracle(bits, 5, 2, Specials::kIeee), bits);
    ExpectSame(FromE2m1(byte), Oracle(bits & 15, 2, 1, Specials::kNone), bits);
  }
}

TEST(NumberFormatsTest, ArraysWidenAsSingleNumbersDoAtAnyAlignment) {
  std::vector<std::byte> bytes(1 + 256 * 8);
  for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<std::byte>(i * 37 >> 2);
  const std::byte* from = bytes.data() + 1;
  std::vector<float> values(256);
  WidenTo("F8_E4M3", from, values);
  for (int i = 0; i < 256; ++i) ExpectSame(values[i], FromE4m3(static_cast<uint8_t>(from[i])), i);
  WidenTo("F8_E5M2", from, values);
  for (int i = 0; i < 256; ++i) ExpectSame(values[i], FromE5m2(static_cast<uint8_t>(from[i])), i);
  for (const char* dtype : {"F16", "BF16", "F32", "F64"}) {
    WidenTo(dtype, from, values);
    for (int i = 0; i < 256; ++i) {
      uint16_t half;
      float single;
      double wide;
      std::memcpy(&half, from + 2 * i, sizeof(half));
      std::memcpy(&single, from + 4 * i, sizeof(single));
      std::memcpy(&wide, from + 8 * i, sizeof(wide));
      const float expected = dtype == std::string("F16")    ? FromF16(half)
                             : dtype == std::string("BF16") ? FromBf16(half)
                             : dtype == std::string("F32")  ? single
                                                            : static_cast<float>(wide);
      ExpectSame(values[i], expected, i);
    }
  }
  EXPECT_TRUE(IsFloatDtype("F8_E4M3"));
  EXPECT_FALSE(IsFloatDtype("U8"));
  EXPECT_FALSE(IsFloatDtype("I64"));
}

// The neighbour of `value` in the format, by search among all its finite patterns.
template <float (*kWiden)(uint16_t)>
uint16_t NearestByOracle(float value, uint16_t infinity) {
  const uint16_t sign = std::signbit(value) ? 0x8000 : 0;
  const double magnitude = std::fabs(static_cast<double>(value));
  uint16_t low = 0, high = infinity;  // low <= magnitude < high, as far as patterns go
  while (high - low > 1) {
    const uint16_t middle = static_cast<uint16_t>((low + high) / 2);
    (static_cast<double>(kWiden(middle)) <= magnitude ? low : high) = middle;
  }
  const double below = kWiden(low);
  // The first number beyond the largest, for the rule of rounding to an infinity.
  const double above = high == infinity ? below + (below - static_cast<double>(kWiden(low - 1)))
                                        : static_cast<double>(kWiden(high));
  const bool up = magnitude - below > above - magnitude ||
                  (magnitude - below == above - magnitude && low % 2 == 1);
  return sign | (up ? high : low);
}

TEST(NumberFormatsTest, NarrowingTakesTheNearestNumberAndTheEvenOneOfTwo) {
  uint32_t state = 12345;
  for (int i = 0; i < 200000; ++i) {
    state = state * 1664525 + 1013904223;
    uint32_t bits = state;
    if (i % 3 == 0) bits &= 0xFFFF8000;  // ties of BF16
    if (i % 3 == 1) {                    // ties and the range of F16
      bits = (bits & 0x80001000) | ((bits >> 13 & 0x3FF) << 13) | ((96 + (bits >> 23) % 50) << 23);
    }
    const float value = std::bit_cast<float>(bits);
    if (!std::isfinite(value)) continue;
    ASSERT_EQ(ToBf16(value), NearestByOracle<FromBf16>(value, 0x7F80)) << value;
    ASSERT_EQ(ToF16(value), NearestByOracle<FromF16>(value, 0x7C00)) << value;
  }
}

TEST(NumberFormatsTest, WhatCameFromAFormatGoesBackToTheSameBits) {
  for (uint32_t bits = 0; bits < 1 << 16; ++bits) {
    const uint16_t half = static_cast<uint16_t>(bits);
    if (std::isnan(FromBf16(half))) {
      EXPECT_TRUE(std::isnan(FromBf16(ToBf16(FromBf16(half)))));
    } else {
      EXPECT_EQ(ToBf16(FromBf16(half)), half);
    }
    if (std::isnan(FromF16(half))) {
      EXPECT_TRUE(std::isnan(FromF16(ToF16(FromF16(half)))));
    } else {
      EXPECT_EQ(ToF16(FromF16(half)), half);
    }
  }
}

TEST(NumberFormatsTest, ValuesThatAreNotFiniteOrDoNotFitAreFound) {
  std::vector<float> values(10000, 1.0f);
  std::vector<uint16_t> brains(10000, 0x3F80);
  EXPECT_EQ(FirstNotFinite(values), -1);
  EXPECT_EQ(FirstNotFiniteBf16(brains), -1);
  values[9001] = NAN;
  values[9002] = INFINITY;
  brains[4095] = 0xFF80;
  brains[4096] = 0x7FC0;
  EXPECT_EQ(FirstNotFinite(values), 9001);
  EXPECT_EQ(FirstNotFiniteBf16(brains), 4095);
  EXPECT_EQ(FirstNotFinite({}), -1);

  const std::vector<float> large = {1.0f, 65519.0f, 65520.0f, 3.4e38f};
  std::vector<std::byte> bytes(32);
  EXPECT_EQ(NarrowTo("F16", large, bytes.data()), 2);
  EXPECT_EQ(NarrowTo("BF16", large, bytes.data()), 3);
  EXPECT_EQ(NarrowTo("F32", large, bytes.data()), -1);
  EXPECT_EQ(NarrowTo("F64", large, bytes.data()), -1);
  double last;
  std::memcpy(&last, bytes.data() + 24, sizeof(last));
  EXPECT_EQ(last, static_cast<double>(3.4e38f));
}

}  // namespace
}  // namespace temper::model
