// Rotary positions: turns the two halves of every head against each other.
//
// Sine and cosine are sums and products in float64 that are rounded alike everywhere, in the order
// of kernels/cpu/rope.cc: the results have the CPU's bits.
#include <algorithm>
#include <cmath>
#include <vector>

#include "kernels/check.h"
#include "kernels/cuda/launch.h"
#include "kernels/cuda/matrix.h"
#include "kernels/cuda/ops_internal.h"

namespace temper::kernels::cuda {

namespace {

constexpr int kThreads = 128;
constexpr int kBatch = 4;  // pairs that a thread loads before it stores

// Quarter turns up to which the reduction below is exact.
constexpr double kQuartersMax = 1 << 24;
constexpr double kQuartersPerRadian = 0.6366197723675814;

struct Angle {
  float sine, cosine;
};

// The nearest multiple of pi/2 is taken off in three parts, of which two have 29 bits, so that
// their products with it are exact; the rest, within +-pi/4, goes into Taylor's series.
__device__ __forceinline__ Angle SineAndCosine(double angle) {
  const double quarters = floor(angle * kQuartersPerRadian + 0.5);
  double rest = angle - quarters * 0x1.921fb54p+0;
  rest = rest - quarters * 0x1.10b4611p-30;
  rest = rest - quarters * 0x1.4c4c6628b80dcp-59;
  const double square = rest * rest;
  double sine = 1.0 / 6227020800;  // 1 / 13!
  sine = sine * square - 1.0 / 39916800;
  sine = sine * square + 1.0 / 362880;
  sine = sine * square - 1.0 / 5040;
  sine = sine * square + 1.0 / 120;
  sine = sine * square - 1.0 / 6;
  sine = sine * square * rest + rest;
  double cosine = -1.0 / 87178291200;  // 1 / 14!
  cosine = cosine * square + 1.0 / 479001600;
  cosine = cosine * square - 1.0 / 3628800;
  cosine = cosine * square + 1.0 / 40320;
  cosine = cosine * square - 1.0 / 720;
  cosine = cosine * square + 1.0 / 24;
  cosine = cosine * square - 0.5;
  cosine = cosine * square + 1.0;
  const int quadrant = static_cast<int>(quarters) & 3;
  const double first = quadrant % 2 == 0 ? sine : cosine;
  const double second = quadrant % 2 == 0 ? cosine : sine;
  return {static_cast<float>(quadrant >= 2 ? -first : first),
          static_cast<float>(quadrant == 1 || quadrant == 2 ? -second : second)};
}

// A block a row: its angles first, once for all heads, and then its pairs. Bytes: the row read and
// written once; of arithmetic some 40 float64 words an angle, a hundredth of the bytes' time.
// positions: [rows]  inverse_frequency: [half]  shared: sines [half], cosines [half]
__global__ void RopeKernel(const float* positions, const float* inverse_frequency, int half,
                           int heads, float sign, Matrix<float> x) {
  TEMPER_DYNAMIC_SHARED(float, sines);
  float* const cosines = sines + half;
  const float position = positions[blockIdx.x];
  for (int j = threadIdx.x; j < half; j += kThreads) {
    const Angle angle = SineAndCosine(static_cast<double>(position * inverse_frequency[j]));
    sines[j] = sign * angle.sine;
    cosines[j] = angle.cosine;
  }
  __syncthreads();
  float* const row = x.row(blockIdx.x);
  const int pairs = heads * half;
  // All loads of a batch before its stores, which the compiler may not take for others' places.
  for (int first = threadIdx.x; first < pairs; first += kBatch * kThreads) {
    float low[kBatch], high[kBatch];
#pragma unroll
    for (int i = 0; i < kBatch; ++i) {
      const int pair = first + i * kThreads;
      const float* const at = row + (2 * pair - pair % half);  // 2 * half floats a head
      low[i] = pair < pairs ? at[0] : 0.0f;
      high[i] = pair < pairs ? at[half] : 0.0f;
    }
#pragma unroll
    for (int i = 0; i < kBatch; ++i) {
      const int pair = first + i * kThreads;
      if (pair >= pairs) continue;
      const int j = pair % half;
      float* const at = row + (2 * pair - j);
      at[0] = low[i] * cosines[j] - high[i] * sines[j];
      at[half] = high[i] * cosines[j] + low[i] * sines[j];
    }
  }
}

void Rope(Stream& stream, std::span<const Segment> segments, int64_t heads,
          std::span<const float> inverse_frequency, Turn turn, View<float> x) {
  CudaStream& cuda = BeginOp(stream);
  const int64_t half = static_cast<int64_t>(inverse_frequency.size());
  TEMPER_KERNEL_CHECK(heads * 2 * half == x.cols && x.cols < (int64_t{1} << 30));
  float fastest = 0.0f;
  for (const float frequency : inverse_frequency) fastest = std::max(fastest, std::fabs(frequency));

  // One list, one copy: each row's position, then the frequencies.
  std::vector<float> numbers(static_cast<size_t>(x.rows + half), 0.0f);
  for (const Segment& segment : segments) {
    TEMPER_KERNEL_CHECK(segment.begin >= 0 && segment.begin + segment.length <= x.rows);
    const auto last = static_cast<double>(segment.position + segment.length);
    TEMPER_KERNEL_CHECK(last * fastest * kQuartersPerRadian <= kQuartersMax);
    for (int64_t i = 0; i < segment.length; ++i) {
      numbers[segment.begin + i] = static_cast<float>(segment.position + i);
    }
  }
  std::copy(inverse_frequency.begin(), inverse_frequency.end(), numbers.begin() + x.rows);
  const float* const uploaded = cuda.Upload(std::span<const float>(numbers));
  TEMPER_LAUNCH(RopeKernel, cuda, dim3(static_cast<unsigned>(x.rows)), kThreads,
                2 * half * sizeof(float), uploaded, uploaded + x.rows, static_cast<int>(half),
                static_cast<int>(heads), turn == Turn::kForward ? 1.0f : -1.0f, x);
}

}  // namespace

void AddRopeOps(Ops& ops) { ops.rope = Rope; }

}  // namespace temper::kernels::cuda
