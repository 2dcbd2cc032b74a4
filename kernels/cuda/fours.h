// Four neighbouring floats of a row at a time: one load where memory allows it, else four.
#pragma once

#include <cstdint>

#include "kernels/cuda/device_code.h"
#include "kernels/view.h"

namespace temper::kernels::cuda {

struct Four {
  float v[4];
};

// Whether every row falls into whole, aligned fours.
template <class T>
bool InFours(const View<T>& view) {
  return view.cols % 4 == 0 && view.stride % 4 == 0 &&
         reinterpret_cast<uintptr_t>(view.data) % (4 * sizeof(T)) == 0;
}
inline bool InFours(const float* values, int64_t count) {
  return count % 4 == 0 && reinterpret_cast<uintptr_t>(values) % sizeof(float4) == 0;
}

// Columns j .. j+3 of a row of `cols`; zeros after its end. j is a multiple of 4.
template <bool kAligned>
__device__ __forceinline__ Four LoadFour(const float* row, int64_t j, int64_t cols) {
  if constexpr (kAligned) {
    const float4 four = *reinterpret_cast<const float4*>(row + j);
    return {{four.x, four.y, four.z, four.w}};
  } else {
    Four four;
#pragma unroll
    for (int i = 0; i < 4; ++i) four.v[i] = j + i < cols ? row[j + i] : 0.0f;
    return four;
  }
}

template <bool kAligned>
__device__ __forceinline__ void StoreFour(const Four& four, float* row, int64_t j, int64_t cols) {
  if constexpr (kAligned) {
    *reinterpret_cast<float4*>(row + j) = make_float4(four.v[0], four.v[1], four.v[2], four.v[3]);
  } else {
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      if (j + i < cols) row[j + i] = four.v[i];
    }
  }
}

}  // namespace temper::kernels::cuda
