// What every file of device code begins with: CUDA's own words, and ours for what they lack.
//
// The same files are compiled once more by the host's compiler for tests (tests/kernels/cuda), which
// define the words themselves: whoever writes a kernel uses only what stands here and in that
// emulator. Rules: no float atomics; sums in a fixed order; a*b+c is fused only where fmaf says so.
#pragma once

#ifdef __CUDACC__
#include <cuda_runtime.h>

// `type* name`: the launch's dynamic shared memory.
#define TEMPER_DYNAMIC_SHARED(type, name)                                  \
  extern __shared__ __align__(16) unsigned char temper_dynamic_shared[]; \
  type* name = reinterpret_cast<type*>(temper_dynamic_shared)
#endif

#include <cstdint>

namespace temper::kernels::cuda {

inline constexpr int kWarp = 32;
inline constexpr unsigned kAllLanes = 0xffffffffu;

// The sum over the warp's lanes, the same bits in each: partners at distance 16, 8, 4, 2, 1.
__device__ __forceinline__ int WarpSum(int value) {
  for (int distance = kWarp / 2; distance > 0; distance /= 2) {
    value += __shfl_xor_sync(kAllLanes, value, distance);
  }
  return value;
}
__device__ __forceinline__ float WarpSum(float value) {
  for (int distance = kWarp / 2; distance > 0; distance /= 2) {
    value += __shfl_xor_sync(kAllLanes, value, distance);
  }
  return value;
}
__device__ __forceinline__ double WarpSum(double value) {
  for (int distance = kWarp / 2; distance > 0; distance /= 2) {
    value += __shfl_xor_sync(kAllLanes, value, distance);
  }
  return value;
}
__device__ __forceinline__ float WarpMax(float value) {
  for (int distance = kWarp / 2; distance > 0; distance /= 2) {
    value = fmaxf(value, __shfl_xor_sync(kAllLanes, value, distance));
  }
  return value;
}

// The sum over a block of `threads` (a multiple of 32, at most 1024), the same bits in each thread:
// warps first, then the warps' sums in order. `shared`: threads / 32 values; called by all threads.
template <class T>
__device__ __forceinline__ T BlockSum(T value, T* shared, int threads) {
  value = WarpSum(value);
  __syncthreads();  // the last use of `shared` is over
  if (threadIdx.x % kWarp == 0) shared[threadIdx.x / kWarp] = value;
  __syncthreads();
  T sum = shared[0];
  for (int warp = 1; warp < threads / kWarp; ++warp) sum += shared[warp];
  return sum;
}

// The bits of bfloat16: round to nearest even; a NaN stays one.
__device__ __forceinline__ uint16_t ToBFloat16(float value) {
  const uint32_t bits = __float_as_uint(value);
  if ((bits & 0x7fffffffu) > 0x7f800000u) return static_cast<uint16_t>((bits >> 16) | 0x40u);
  return static_cast<uint16_t>((bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16);
}
__device__ __forceinline__ float FromBFloat16(uint16_t bits) {
  return __uint_as_float(static_cast<uint32_t>(bits) << 16);
}

__device__ __forceinline__ float Sigmoid(float x) { return 1.0f / (1.0f + expf(-x)); }
__device__ __forceinline__ float Silu(float x) { return x / (1.0f + expf(-x)); }

}  // namespace temper::kernels::cuda
