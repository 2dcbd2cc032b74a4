// CUDA's words for the host's compiler, so that kernels run on a machine without a GPU: every
// thread of a block is a fiber, barriers and shuffles are where fibers take turns.
//
// Included before everything else of a .cu file (-include). A block whose threads do not all come to
// a barrier, or a shuffle with lanes missing, stops the process. Fibers of a block take their turns
// in ascending or descending order (temper_emulated_reverse): a kernel with a barrier missing gives
// other bits in one of them. Dynamic shared memory begins as NaN.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>
#include <functional>
#include <vector>

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline
#define __launch_bounds__(...)
#define __shared__ static
#define __align__(n) alignas(n)

struct uint3 {
  unsigned x = 0, y = 0, z = 0;
};
struct dim3 {
  unsigned x = 1, y = 1, z = 1;
  dim3(unsigned x = 1, unsigned y = 1, unsigned z = 1) : x(x), y(y), z(z) {}
};
struct alignas(8) float2 {
  float x, y;
};
struct alignas(16) float4 {
  float x, y, z, w;
};
struct alignas(8) uint2 {
  uint32_t x, y;
};
struct alignas(16) uint4 {
  uint32_t x, y, z, w;
};
inline float2 make_float2(float x, float y) { return {x, y}; }
inline float4 make_float4(float x, float y, float z, float w) { return {x, y, z, w}; }
inline uint2 make_uint2(uint32_t x, uint32_t y) { return {x, y}; }
inline uint4 make_uint4(uint32_t x, uint32_t y, uint32_t z, uint32_t w) { return {x, y, z, w}; }

// ---- where a fiber is
struct TemperEmulatedPlace {
  uint3 thread, block;
  dim3 block_size, grid_size;
};
const TemperEmulatedPlace& temper_emulated_place();
#define threadIdx (temper_emulated_place().thread)
#define blockIdx (temper_emulated_place().block)
#define blockDim (temper_emulated_place().block_size)
#define gridDim (temper_emulated_place().grid_size)

void* temper_emulated_shared();
#define TEMPER_DYNAMIC_SHARED(type, name) type* name = static_cast<type*>(temper_emulated_shared())

// Runs all blocks, one after the other, or keeps the launch for the graph that is being captured.
// One-dimensional blocks of whole warps.
void temper_emulated_launch(const char* name, dim3 grid, int threads, size_t shared_bytes,
                            const std::function<void()>& kernel);
// What a library asks of the stream: done at once, or kept.
void temper_emulated_enqueue(std::function<void()> call);
// Between the two, launches and calls are kept; a graph is what was.
void temper_emulated_begin_capture();
std::vector<std::function<void()>> temper_emulated_end_capture();
bool temper_emulated_capturing();
// Blocks that have run, and what a library of a test says that it took.
int64_t temper_emulated_work();
void temper_emulated_spend(int64_t blocks);
// Fibers from the last to the first.
void temper_emulated_reverse(bool reverse);

// ---- where fibers take turns
void __syncthreads();
void __syncwarp(unsigned mask = 0xffffffffu);
// Words of another lane, all lanes at once.
void temper_emulated_exchange(const void* mine, void* of_source, size_t bytes, int source_lane);
int temper_emulated_lane();

template <class T>
T __shfl_sync(unsigned, T value, int source, int width = 32) {
  const int lane = temper_emulated_lane();
  T got;
  temper_emulated_exchange(&value, &got, sizeof(T), lane / width * width + source % width);
  return got;
}
template <class T>
T __shfl_xor_sync(unsigned, T value, int mask) {
  T got;
  temper_emulated_exchange(&value, &got, sizeof(T), temper_emulated_lane() ^ mask);
  return got;
}
template <class T>
T __shfl_down_sync(unsigned, T value, unsigned delta) {
  const int source = temper_emulated_lane() + static_cast<int>(delta);
  T got;
  temper_emulated_exchange(&value, &got, sizeof(T), source < 32 ? source : temper_emulated_lane());
  return got;
}
template <class T>
T __shfl_up_sync(unsigned, T value, unsigned delta) {
  const int source = temper_emulated_lane() - static_cast<int>(delta);
  T got;
  temper_emulated_exchange(&value, &got, sizeof(T), source >= 0 ? source : temper_emulated_lane());
  return got;
}
unsigned temper_emulated_ballot(bool vote);
inline unsigned __ballot_sync(unsigned, int vote) { return temper_emulated_ballot(vote != 0); }
inline int __popc(unsigned bits) { return __builtin_popcount(bits); }
void temper_emulated_mma(float (&d)[4], const uint32_t (&a)[4], const uint32_t (&b)[2]);
void temper_emulated_load_matrices(uint32_t (&to)[4], const void* row, bool transposed);

// ---- arithmetic
inline uint32_t __float_as_uint(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, sizeof(bits));
  return bits;
}
inline float __uint_as_float(uint32_t bits) {
  float value;
  std::memcpy(&value, &bits, sizeof(value));
  return value;
}
inline float rsqrtf(float x) { return 1.0f / std::sqrt(x); }
inline double rsqrt(double x) { return 1.0 / std::sqrt(x); }
inline int __float2int_rn(float x) { return static_cast<int>(std::nearbyint(x)); }
template <class T>
T __ldg(const T* at) {
  return *at;
}
