// Rotary positions: turns the two halves of every head against each other.
//
// Sine and cosine are our own, in float64 sums and products that every machine rounds alike; a
// math library may choose its instructions, and so its last bit, by the machine.
#include <algorithm>
#include <cmath>
#include <cstdint>

#include "kernels/check.h"
#include "kernels/cpu/cpu_stream.h"
#include "kernels/cpu/ops_internal.h"
#include "kernels/cpu/scratch.h"

namespace temper::kernels::cpu {
namespace {

// Quarter turns up to which the reduction below is exact.
constexpr double kQuartersMax = 1 << 24;

constexpr int64_t kRowsPerItem = 8;

struct Angle {
  float sine, cosine;
};

// Both within 1e-13 before the rounding to float32.
Angle SineAndCosine(double angle) {
  const double quarters = std::floor(angle * 0.6366197723675814 + 0.5);
  TEMPER_KERNEL_CHECK(std::fabs(quarters) <= kQuartersMax);
  // pi/2 in three parts; the first two have 29 bits, so that their products are exact.
  double r = angle - quarters * 0x1.921fb54p+0;
  r = r - quarters * 0x1.10b4611p-30;
  r = r - quarters * 0x1.4c4c6628b80dcp-59;
  const double s = r * r;
  double sine = 1.0 / 6227020800;  // 1 / 13!
  sine = sine * s - 1.0 / 39916800;
  sine = sine * s + 1.0 / 362880;
  sine = sine * s - 1.0 / 5040;
  sine = sine * s + 1.0 / 120;
  sine = sine * s - 1.0 / 6;
  sine = sine * s * r + r;
  double cosine = -1.0 / 87178291200;  // 1 / 14!
  cosine = cosine * s + 1.0 / 479001600;
  cosine = cosine * s - 1.0 / 3628800;
  cosine = cosine * s + 1.0 / 40320;
  cosine = cosine * s - 1.0 / 720;
  cosine = cosine * s + 1.0 / 24;
  cosine = cosine * s - 0.5;
  cosine = cosine * s + 1.0;
  switch (static_cast<int64_t>(quarters) & 3) {
    case 0:
      return {static_cast<float>(sine), static_cast<float>(cosine)};
    case 1:
      return {static_cast<float>(cosine), static_cast<float>(-sine)};
    case 2:
      return {static_cast<float>(-sine), static_cast<float>(-cosine)};
    default:
      return {static_cast<float>(-cosine), static_cast<float>(sine)};
  }
}

// sine, cosine: [half]
void AnglesOf(int64_t position, std::span<const float> inverse_frequency, float* sine,
              float* cosine) {
  const float at = static_cast<float>(position);
  for (size_t j = 0; j < inverse_frequency.size(); ++j) {
    const Angle angle = SineAndCosine(static_cast<double>(at * inverse_frequency[j]));
    sine[j] = angle.sine;
    cosine[j] = angle.cosine;
  }
}

// head: [2 * half]
void TurnHead(int64_t half, const float* sine, const float* cosine, float* head) {
  for (int64_t j = 0; j < half; ++j) {
    const float low = head[j], high = head[half + j];
    head[j] = low * cosine[j] - high * sine[j];
    head[half + j] = high * cosine[j] + low * sine[j];
  }
}

// row: [heads, 2 * half]
void TurnRow(int64_t position, int64_t heads, std::span<const float> inverse_frequency, Turn turn,
             float* row) {
  static thread_local Scratch scratch;
  const int64_t half = static_cast<int64_t>(inverse_frequency.size());
  float* const sine = scratch.Take(2 * half);
  float* const cosine = sine + half;
  AnglesOf(position, inverse_frequency, sine, cosine);
  if (turn == Turn::kBackward) {
    for (int64_t j = 0; j < half; ++j) sine[j] = -sine[j];
  }
  for (int64_t h = 0; h < heads; ++h) TurnHead(half, sine, cosine, row + h * 2 * half);
}

}  // namespace

void Rope(Stream& stream, std::span<const Segment> segments, int64_t heads,
          std::span<const float> inverse_frequency, Turn turn, View<float> x) {
  TEMPER_KERNEL_CHECK(heads * 2 * static_cast<int64_t>(inverse_frequency.size()) == x.cols);
  // Ranges of rows, each walked segment by segment: a batch of single tokens is shared out as well
  // as one long prompt.
  Cpu(stream).pool().ParallelRanges(x.rows, kRowsPerItem, [&](int64_t begin, int64_t end) {
    for (const Segment& segment : segments) {
      const int64_t first = std::max(begin, segment.begin);
      const int64_t last = std::min(end, segment.begin + segment.length);
      for (int64_t row = first; row < last; ++row) {
        TurnRow(segment.position + row - segment.begin, heads, inverse_frequency, turn, x.row(row));
      }
    }
  });
}

}  // namespace temper::kernels::cpu
