// Conversions between float32 and what files hold; loops the compiler can turn into vector code.
#include "policy/model/folder/number_formats.h"

#include <array>
#include <cmath>
#include <cstring>

#include "base/check.h"

namespace temper::model {
namespace {

constexpr uint32_t kExponent = 0x7F800000;

// A small format of one sign, `exponent_bits` and `mantissa_bits`, without its special values.
constexpr float FromSmall(uint32_t bits, int exponent_bits, int mantissa_bits) {
  const int bias = (1 << (exponent_bits - 1)) - 1;
  const uint32_t mantissa = bits & ((1u << mantissa_bits) - 1);
  const int exponent = static_cast<int>(bits >> mantissa_bits & ((1u << exponent_bits) - 1));
  float value = static_cast<float>(exponent == 0 ? mantissa : mantissa + (1u << mantissa_bits));
  int power = (exponent == 0 ? 1 : exponent) - bias - mantissa_bits;
  for (; power > 0; --power) value *= 2.0f;
  for (; power < 0; ++power) value *= 0.5f;
  return bits >> (exponent_bits + mantissa_bits) & 1 ? -value : value;
}

using Table = std::array<float, 256>;

constexpr Table E4m3Table() {
  Table table{};
  for (uint32_t bits = 0; bits < 256; ++bits) table[bits] = FromSmall(bits, 4, 3);
  table[0x7F] = std::bit_cast<float>(0x7FC00000);
  table[0xFF] = std::bit_cast<float>(0xFFC00000);
  return table;
}

constexpr Table E5m2Table() {
  Table table{};
  for (uint32_t bits = 0; bits < 256; ++bits) {
    const uint32_t special = (bits & 0x80) << 24 | kExponent | (bits & 3) << 21;
    table[bits] = (bits & 0x7C) == 0x7C ? std::bit_cast<float>(special) : FromSmall(bits, 5, 2);
  }
  return table;
}

constexpr Table kE4m3 = E4m3Table(), kE5m2 = E5m2Table();

template <class Stored, class Convert>
void Widen(const std::byte* from, std::span<float> values, Convert convert) {
  for (size_t i = 0; i < values.size(); ++i) {
    Stored stored;
    std::memcpy(&stored, from + sizeof(Stored) * i, sizeof(stored));
    values[i] = convert(stored);
  }
}

template <class Stored, class Convert>
void Narrow(std::span<const float> values, std::byte* to, Convert convert) {
  for (size_t i = 0; i < values.size(); ++i) {
    const Stored stored = convert(values[i]);
    std::memcpy(to + sizeof(Stored) * i, &stored, sizeof(stored));
  }
}

// Looks at blocks first, which is vector code, and at single values only where a block is bad.
template <class Value, class IsBad>
int64_t FirstBad(std::span<const Value> values, IsBad is_bad) {
  constexpr size_t kBlock = 4096;
  for (size_t begin = 0; begin < values.size(); begin += kBlock) {
    const auto block = values.subspan(begin, std::min(kBlock, values.size() - begin));
    uint32_t bad = 0;
    for (const Value value : block) bad |= is_bad(value) ? 1 : 0;
    if (bad == 0) continue;
    for (size_t i = 0; i < block.size(); ++i) {
      if (is_bad(block[i])) return static_cast<int64_t>(begin + i);
    }
  }
  return -1;
}

}  // namespace

float FromF16(uint16_t bits) {
  const uint32_t sign = static_cast<uint32_t>(bits & 0x8000) << 16;
  const uint32_t exponent = bits >> 10 & 0x1F, mantissa = bits & 0x3FF;
  const uint32_t wide = exponent == 31 ? 0xFF : exponent + 112;
  const uint32_t normal = wide << 23 | mantissa << 13;
  const uint32_t small = std::bit_cast<uint32_t>(static_cast<float>(mantissa) * 0x1p-24f);
  return std::bit_cast<float>(sign | (exponent == 0 ? small : normal));
}

float FromE4m3(uint8_t bits) { return kE4m3[bits]; }
float FromE5m2(uint8_t bits) { return kE5m2[bits]; }

float FromE2m1(uint8_t nibble) {
  static constexpr std::array<float, 16> kValues = {0.0f,  0.5f,  1.0f,  1.5f,  2.0f,  3.0f,
                                                    4.0f,  6.0f,  -0.0f, -0.5f, -1.0f, -1.5f,
                                                    -2.0f, -3.0f, -4.0f, -6.0f};
  return kValues[nibble & 15];
}

uint16_t ToF16(float value) {
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  const uint32_t sign = bits >> 16 & 0x8000;
  const float magnitude = std::fabs(value);
  if (std::isnan(value)) return static_cast<uint16_t>(sign | 0x7E00);
  if (magnitude >= 65520.0f) return static_cast<uint16_t>(sign | 0x7C00);
  if (magnitude < 0x1p-14f) {  // subnormal: a multiple of 2^-24, ties to even
    return static_cast<uint16_t>(sign | static_cast<uint32_t>(std::lrint(magnitude * 0x1p24f)));
  }
  const uint32_t rounded = (bits & 0x7FFFFFFF) + 0xFFF + (bits >> 13 & 1);
  return static_cast<uint16_t>(sign | ((rounded >> 13) - (112u << 10)));
}

bool IsFloatDtype(std::string_view dtype) {
  return dtype == "F32" || dtype == "BF16" || dtype == "F16" || dtype == "F64" ||
         dtype == "F8_E4M3" || dtype == "F8_E5M2";
}

void WidenTo(std::string_view dtype, const std::byte* from, std::span<float> values) {
  TEMPER_CHECK(IsFloatDtype(dtype));
  if (dtype == "F32") {
    if (!values.empty()) std::memcpy(values.data(), from, values.size_bytes());
  } else if (dtype == "BF16") {
    Widen<uint16_t>(from, values, FromBf16);
  } else if (dtype == "F16") {
    Widen<uint16_t>(from, values, FromF16);
  } else if (dtype == "F64") {
    Widen<double>(from, values, [](double value) { return static_cast<float>(value); });
  } else if (dtype == "F8_E4M3") {
    Widen<uint8_t>(from, values, FromE4m3);
  } else {
    Widen<uint8_t>(from, values, FromE5m2);
  }
}

int64_t FirstNotFinite(std::span<const float> values) {
  return FirstBad(values, [](float value) {
    return (std::bit_cast<uint32_t>(value) & kExponent) == kExponent;
  });
}

int64_t FirstNotFiniteBf16(std::span<const uint16_t> values) {
  return FirstBad(values, [](uint16_t value) { return (value & 0x7F80) == 0x7F80; });
}

int64_t NarrowTo(std::string_view dtype, std::span<const float> values, std::byte* to) {
  if (dtype == "F32") {
    if (!values.empty()) std::memcpy(to, values.data(), values.size_bytes());
  } else if (dtype == "F64") {
    Narrow<double>(values, to, [](float value) { return static_cast<double>(value); });
  } else if (dtype == "BF16") {
    Narrow<uint16_t>(values, to, ToBf16);
    return FirstBad(values, [](float value) { return (ToBf16(value) & 0x7F80) == 0x7F80; });
  } else {
    TEMPER_CHECK(dtype == "F16");
    Narrow<uint16_t>(values, to, ToF16);
    return FirstBad(values, [](float value) { return !(std::fabs(value) < 65520.0f); });
  }
  return FirstNotFinite(values);
}

}  // namespace temper::model
