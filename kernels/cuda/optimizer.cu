// The gradient's norm and the AdamW update.
//
// Memory's speed limits both: 4 bytes a value for the sum of squares, 28 for AdamW (gradient,
// parameter and two moments read, the last three written), a dozen operations against them.
#include <cstdint>
#include <span>

#include "kernels/adamw_factors.h"
#include "kernels/check.h"
#include "kernels/cuda/launch.h"
#include "kernels/cuda/matrix.h"
#include "kernels/cuda/ops_internal.h"
#include "kernels/cuda/quad.h"

namespace temper::kernels::cuda {

namespace {

constexpr int kThreads = 256;
constexpr int kJoinThreads = 1024;

// Values that one partial sum of squares covers, and one block of threads takes: so the partition
// depends on the length alone, and 2^31 blocks are more than any memory has values for.
constexpr int64_t kChunk = int64_t{1} << 14;

// partial[i] = sum of squares of chunk i: four sums a thread, then the threads. A square of a
// float32 is exact in double.
__global__ void __launch_bounds__(kThreads)
    SumChunksKernel(const float* values, int64_t count, double* partial) {
  __shared__ double shared[kThreads / kWarp];
  const float* const chunk = values + blockIdx.x * kChunk;
  const int64_t left = count - blockIdx.x * kChunk < kChunk ? count - blockIdx.x * kChunk : kChunk;
  const bool aligned = QuadAligned(chunk);
  double x = 0, y = 0, z = 0, w = 0;
#pragma unroll 4
  for (int64_t i = 4 * threadIdx.x; i < left; i += 4 * kThreads) {
    const float4 quad = LoadQuad(chunk + i, left - i, aligned, 0.0f);
    x = fma(static_cast<double>(quad.x), static_cast<double>(quad.x), x);
    y = fma(static_cast<double>(quad.y), static_cast<double>(quad.y), y);
    z = fma(static_cast<double>(quad.z), static_cast<double>(quad.z), z);
    w = fma(static_cast<double>(quad.w), static_cast<double>(quad.w), w);
  }
  const double sum = BlockSum((x + y) + (z + w), shared, kThreads);
  if (threadIdx.x == 0) partial[blockIdx.x] = sum;
}

// partial[0] becomes the sum of all. One block: thread t takes t, t + 1024, ... in order.
__global__ void __launch_bounds__(kJoinThreads) JoinChunksKernel(double* partial, int64_t count) {
  __shared__ double shared[kJoinThreads / kWarp];
  double sum = 0;
  for (int64_t i = threadIdx.x; i < count; i += kJoinThreads) sum += partial[i];
  sum = BlockSum(sum, shared, kJoinThreads);  // all have read what they take
  if (threadIdx.x == 0) partial[0] = sum;
}

// The CPU's operations, each rounded as there.
__device__ __forceinline__ void Update(const AdamWFactors& f, float raw, float& parameter, float& m,
                                       float& v) {
  const float gradient = raw * f.gradient_scale;
  m = fmaf(gradient, f.one_minus_beta1, m * f.beta1);
  v = fmaf(gradient * gradient, f.one_minus_beta2, v * f.beta2);
  const float direction = m / (sqrtf(v) * f.root_correction + f.epsilon);
  parameter = fmaf(-direction, f.step_size, parameter * f.keep);
}

__global__ void __launch_bounds__(kThreads)
    AdamWKernel(AdamWFactors f, const float* gradient, float* parameter, float* m, float* v,
                int64_t count) {
  const bool aligned =
      QuadAligned(gradient) && QuadAligned(parameter) && QuadAligned(m) && QuadAligned(v);
  const int64_t step = int64_t{4} * gridDim.x * kThreads;
  for (int64_t i = 4 * (static_cast<int64_t>(blockIdx.x) * kThreads + threadIdx.x); i < count;
       i += step) {
    const int64_t left = count - i;
    const float4 g = LoadQuad(gradient + i, left, aligned, 0.0f);
    float4 p = LoadQuad(parameter + i, left, aligned, 0.0f);
    float4 first = LoadQuad(m + i, left, aligned, 0.0f);
    float4 second = LoadQuad(v + i, left, aligned, 0.0f);
    Update(f, g.x, p.x, first.x, second.x);
    Update(f, g.y, p.y, first.y, second.y);
    Update(f, g.z, p.z, first.z, second.z);
    Update(f, g.w, p.w, first.w, second.w);
    StoreQuad(p, parameter + i, left, aligned);
    StoreQuad(first, m + i, left, aligned);
    StoreQuad(second, v + i, left, aligned);
  }
}

double SumSquares(Stream& stream, std::span<const float> values) {
  CudaStream& cuda = BeginOp(stream);
  const int64_t count = static_cast<int64_t>(values.size());
  if (count == 0) return 0.0;
  const int64_t chunks = (count + kChunk - 1) / kChunk;
  double* const partial = cuda.Scratch<double>(chunks);
  TEMPER_LAUNCH(SumChunksKernel, cuda, dim3(static_cast<unsigned>(chunks)), kThreads, 0,
                values.data(), count, partial);
  TEMPER_LAUNCH(JoinChunksKernel, cuda, dim3(1), kJoinThreads, 0, partial, chunks);
  double sum = 0;
  cuda.Copy(&sum, partial, sizeof(sum));
  cuda.Finish();
  return sum;
}

void AdamW(Stream& stream, const AdamWStep& step, std::span<const float> gradient,
           std::span<float> parameter, std::span<float> m, std::span<float> v) {
  TEMPER_KERNEL_CHECK(gradient.size() == parameter.size());
  TEMPER_KERNEL_CHECK(m.size() == parameter.size() && v.size() == parameter.size());
  TEMPER_KERNEL_CHECK(step.step >= 1);
  CudaStream& cuda = BeginOp(stream);
  const int64_t count = static_cast<int64_t>(parameter.size());
  TEMPER_LAUNCH(AdamWKernel, cuda, BlocksForCount(cuda, (count + 3) / 4, kThreads), kThreads, 0,
                FactorsOf(step), gradient.data(), parameter.data(), m.data(), v.data(), count);
}

}  // namespace

void AddOptimizerOps(Ops& ops) {
  ops.sum_squares = SumSquares;
  ops.adamw = AdamW;
}

}  // namespace temper::kernels::cuda
