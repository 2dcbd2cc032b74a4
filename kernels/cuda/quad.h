// Four neighbouring floats: one access where their address allows it, four where not; which threads
// take which floats, and so the bits of a sum, is the same either way.
#pragma once

#include <cstdint>

#include "kernels/cuda/device_code.h"

namespace temper::kernels::cuda {

// Whether quads that begin a multiple of four floats after `at` can be taken at once.
__device__ __forceinline__ bool QuadAligned(const float* at) {
  return reinterpret_cast<uintptr_t>(at) % sizeof(float4) == 0;
}

// The first `left` floats at `at`, if need be none, and `fill` behind them.
__device__ __forceinline__ float4 LoadQuad(const float* at, int64_t left, bool aligned,
                                           float fill) {
  if (aligned && left >= 4) return *reinterpret_cast<const float4*>(at);
  return make_float4(left > 0 ? at[0] : fill, left > 1 ? at[1] : fill, left > 2 ? at[2] : fill,
                     left > 3 ? at[3] : fill);
}

__device__ __forceinline__ void StoreQuad(const float4& quad, float* at, int64_t left,
                                          bool aligned) {
  if (aligned && left >= 4) {
    *reinterpret_cast<float4*>(at) = quad;
    return;
  }
  if (left > 0) at[0] = quad.x;
  if (left > 1) at[1] = quad.y;
  if (left > 2) at[2] = quad.z;
  if (left > 3) at[3] = quad.w;
}

}  // namespace temper::kernels::cuda
