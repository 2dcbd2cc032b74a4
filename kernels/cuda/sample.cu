// Inverse-CDF draws and greatest elements of rows, in two launches for all rows.
//
// The first reads the log-probabilities once, a block of threads for 4096 columns, so that one row
// keeps many SMs busy: 512 KiB of a vocabulary of 131072. The second, a block a row, adds up 512
// doubles one after the other (a few microseconds), which is what the sampler's order asks for.
#include <cmath>
#include <cstdint>
#include <span>
#include <vector>

#include "kernels/check.h"
#include "kernels/cuda/launch.h"
#include "kernels/cuda/matrix.h"
#include "kernels/cuda/ops_internal.h"
#include "kernels/cuda/sample.h"

namespace temper::kernels::cuda {

namespace {

constexpr int kThreads = 256;
constexpr int kLanes = 16;                         // sums of a block
constexpr int kBlock = 256;                        // columns that one double stands for
constexpr int kPart = kThreads / kLanes * kBlock;  // columns that a block of threads takes
static_assert(kThreads == kBlock);

// e^x for x <= 0 to about 1e-7; 0 below -87. No operation is fused: the sampler's bits.
__device__ __forceinline__ float ExpOfNegative(float x) {
  if (x != x) return x;  // a GPU's NaN has bits that would end up finite below
  const float clamped = x < -87.0f ? -87.0f : x;
  // n = x / ln 2, rounded to the nearest whole number, which then stands in the low bits.
  const float shifted = clamped * 1.44269504f + 12582912.0f;
  const float n = shifted - 12582912.0f;
  const float r = (clamped - n * 0.693359375f) - n * -2.12194440e-4f;
  float p = 1.9875691500e-4f;
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = p * r * r + r + 1.0f;
  const float value = __uint_as_float(__float_as_uint(p) + (__float_as_uint(shifted) << 23));
  return x < -87.0f ? 0.0f : value;
}

// A candidate for the greatest: id -1 is none.
struct Best {
  float value;
  int id;
};
__device__ __forceinline__ Best Better(const Best& a, const Best& b) {
  if (b.id < 0) return a;
  if (a.id < 0 || b.value > a.value || (b.value == a.value && b.id < a.id)) return b;
  return a;
}
// The best over the block, in thread 0.
__device__ __forceinline__ Best BlockBest(Best best, Best* shared) {
  for (int distance = kWarp / 2; distance > 0; distance /= 2) {
    const float value = __shfl_xor_sync(kAllLanes, best.value, distance);
    const int id = __shfl_xor_sync(kAllLanes, best.id, distance);
    best = Better(best, {value, id});
  }
  if (threadIdx.x % kWarp == 0) shared[threadIdx.x / kWarp] = best;
  __syncthreads();
  if (threadIdx.x == 0) {
    for (int warp = 1; warp < kThreads / kWarp; ++warp) best = Better(best, shared[warp]);
  }
  return best;
}

// sums: [rows, sums_per_row], of rows that draw; bests: [rows, parts], of greedy ones.
__global__ void __launch_bounds__(kThreads)
    PartsKernel(Matrix<const float> logprobs, int64_t parts, int64_t sums_per_row,
                const uint8_t* greedy, double* sums, Best* bests) {
  __shared__ float lanes[kThreads];
  __shared__ Best shared[kThreads / kWarp];
  const int thread = threadIdx.x;
  const int64_t row = blockIdx.x / parts, part = blockIdx.x % parts;
  const float* const values = logprobs.row(row);
  const int64_t begin = part * kPart;
  const int64_t end = begin + kPart < logprobs.cols ? begin + kPart : logprobs.cols;
  if (greedy[row] != 0) {
    Best best = {0.0f, -1};
    for (int64_t i = begin + thread; i < end; i += kThreads) {
      const float value = values[i];
      if (value == value) best = Better(best, {value, static_cast<int>(i)});
    }
    best = BlockBest(best, shared);
    if (thread == 0) bests[row * parts + part] = best;
    return;
  }
  // Sixteen threads a block of columns: each a sum of every sixteenth.
  const int64_t block_begin = begin + thread / kLanes * kBlock;
  const int64_t there = end - block_begin;
  const int sixteens = static_cast<int>(there >= kBlock ? kBlock : there > 0 ? there : 0) / kLanes;
  float lane = 0.0f;
#pragma unroll 4
  for (int i = 0; i < sixteens; ++i) {
    lane += ExpOfNegative(values[block_begin + i * kLanes + thread % kLanes]);
  }
  lanes[thread] = lane;
  __syncthreads();
  if (thread % kLanes != 0 || there <= 0) return;
  double sum = 0.0;
  for (int i = 0; i < kLanes; ++i) sum += static_cast<double>(lanes[thread + i]);
  const int64_t block_end = there < kBlock ? end : block_begin + kBlock;
  for (int64_t i = block_begin + sixteens * kLanes; i < block_end; ++i) {
    sum += static_cast<double>(ExpOfNegative(values[i]));
  }
  sums[row * sums_per_row + block_begin / kBlock] = sum;
}

// Each of the sums becomes the sum of all up to it; the last is also returned, in each thread.
// Tile by tile: one thread adds. Thread t reads and writes t, t + 256, ... of `sums`.
__device__ __forceinline__ double RunningSums(double* sums, int64_t count, double* tile) {
  const int thread = threadIdx.x;
  double total = 0.0;
  for (int64_t begin = 0; begin < count; begin += kThreads) {
    const int here = static_cast<int>(count - begin < kThreads ? count - begin : kThreads);
    if (thread < here) tile[thread] = sums[begin + thread];
    __syncthreads();
    if (thread == 0) {
      for (int i = 0; i < here; ++i) {
        total += tile[i];
        tile[i] = total;
      }
    }
    __syncthreads();
    if (thread < here) sums[begin + thread] = tile[thread];
    total = tile[here - 1];
    __syncthreads();
  }
  return total;
}

// The lowest over the block, the same in each thread.
__device__ __forceinline__ int64_t BlockLeast(int64_t value, int64_t* shared) {
  for (int distance = kWarp / 2; distance > 0; distance /= 2) {
    const int64_t other = __shfl_xor_sync(kAllLanes, value, distance);
    value = other < value ? other : value;
  }
  if (threadIdx.x % kWarp == 0) shared[threadIdx.x / kWarp] = value;
  __syncthreads();
  int64_t least = shared[0];
  for (int warp = 1; warp < kThreads / kWarp; ++warp) {
    least = shared[warp] < least ? shared[warp] : least;
  }
  return least;
}

__device__ __forceinline__ void Tell(const Matrix<const float>& logprobs, int64_t row,
                                     int32_t token, int32_t* tokens, float* chosen) {
  tokens[row] = token;
  if (chosen == nullptr) return;
  chosen[row] = token < 0 ? __uint_as_float(0x7fc00000u) : logprobs.at(row, token);
}

// A block a row.
__global__ void __launch_bounds__(kThreads)
    TokensKernel(Matrix<const float> logprobs, int64_t parts, int64_t sums_per_row,
                 const double* uniforms, const uint8_t* greedy, double* sums, const Best* bests,
                 int32_t* tokens, float* chosen) {
  __shared__ double tile[kThreads];
  __shared__ float probabilities[kBlock];
  __shared__ int64_t least[kThreads / kWarp];
  __shared__ Best shared[kThreads / kWarp];
  const int thread = threadIdx.x;
  const int64_t row = blockIdx.x;
  if (greedy[row] != 0) {
    Best best = {0.0f, -1};
    for (int64_t i = thread; i < parts; i += kThreads) best = Better(best, bests[row * parts + i]);
    best = BlockBest(best, shared);
    if (thread == 0) Tell(logprobs, row, best.id, tokens, chosen);
    return;
  }
  double* const running = sums + row * sums_per_row;
  const double total = RunningSums(running, sums_per_row, tile);
  if (!(total > 0.5 && total < 2.0)) {  // NaN included
    if (thread == 0) Tell(logprobs, row, -1, tokens, chosen);
    return;
  }
  const double wanted = uniforms[row] * total;
  int64_t block = sums_per_row - 1;  // the first whose running sum exceeds what is wanted
  for (int64_t i = thread; i < sums_per_row; i += kThreads) {
    if (running[i] <= wanted) continue;
    block = i < block ? i : block;
    break;
  }
  block = BlockLeast(block, least);
  const int64_t begin = block * kBlock;
  const int count =
      static_cast<int>(logprobs.cols - begin < kBlock ? logprobs.cols - begin : kBlock);
  if (thread < count) probabilities[thread] = ExpOfNegative(logprobs.at(row, begin + thread));
  __syncthreads();
  if (thread != 0) return;
  double sum = block == 0 ? 0.0 : running[block - 1];
  int last = 0;
  for (int i = 0; i < count; ++i) {
    if (probabilities[i] == 0.0f) continue;
    last = i;
    sum += static_cast<double>(probabilities[i]);
    if (sum > wanted) break;
  }
  // Rounding may leave `sum` a hair short at the end of the block: its last likely token stands.
  Tell(logprobs, row, static_cast<int32_t>(begin + last), tokens, chosen);
}

}  // namespace

void SampleRows(CudaStream& cuda, View<const float> logprobs, std::span<const double> uniforms,
                std::span<const uint8_t> greedy, int32_t* tokens, float* chosen) {
  TEMPER_KERNEL_CHECK(static_cast<int64_t>(uniforms.size()) == logprobs.rows);
  TEMPER_KERNEL_CHECK(static_cast<int64_t>(greedy.size()) == logprobs.rows);
  TEMPER_KERNEL_CHECK(logprobs.cols > 0);
  cuda.BeginOp();
  const int64_t rows = logprobs.rows;
  const int64_t parts = (logprobs.cols + kPart - 1) / kPart;
  const int64_t sums_per_row = (logprobs.cols + kBlock - 1) / kBlock;
  const double* const numbers = cuda.Upload(uniforms);
  const uint8_t* const flags = cuda.Upload(greedy);
  double* const sums = cuda.Scratch<double>(rows * sums_per_row);
  Best* const bests = cuda.Scratch<Best>(rows * parts);
  TEMPER_LAUNCH(PartsKernel, cuda, dim3(static_cast<unsigned>(rows * parts)), kThreads, 0, logprobs,
                parts, sums_per_row, flags, sums, bests);
  TEMPER_LAUNCH(TokensKernel, cuda, dim3(static_cast<unsigned>(rows)), kThreads, 0, logprobs, parts,
                sums_per_row, numbers, flags, sums, bests, tokens, chosen);
}

namespace {

void Sample(Stream& stream, View<const float> logprobs, std::span<const double> uniforms,
            int32_t* tokens, float* logprob) {
  const std::vector<uint8_t> none(uniforms.size(), 0);
  SampleRows(BeginOp(stream), logprobs, uniforms, none, tokens, logprob);
}

}  // namespace

void AddSampleOps(Ops& ops) { ops.sample = Sample; }

}  // namespace temper::kernels::cuda
