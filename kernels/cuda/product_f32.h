// One 64 x 64 tile of a product of float32 matrices, in float32.
//
// Each element is one chain of fused multiply-adds in the order of depth, as on the CPU: the same
// bits. 256 threads of 4 x 4 elements; 64 fmaf a thread want 8 vectors of shared memory, about 12
// of its cycles for 16 of arithmetic, so arithmetic (128 fmaf a cycle and multiprocessor) limits
// it. From memory or the second-level cache come 8 KB for 131 kflop.
#pragma once

#include "kernels/cuda/product_tile.h"

namespace temper::kernels::cuda {

inline constexpr int kFloatThreads = 256;
inline constexpr int kFloatDepth = 16;  // of a step
inline constexpr int kFloatStages = 4;

// Distance of rows in shared memory; 20 floats apart, 8 rows' vectors lie in different banks.
__host__ __device__ constexpr int FloatRow(Along along) {
  return along == Along::kDepth ? kFloatDepth + 4 : kProductTile;
}
__host__ __device__ constexpr int FloatTileFloats(Along along) {
  return FloatRow(along) * (along == Along::kDepth ? kProductTile : kFloatDepth);
}
constexpr int FloatSharedBytes(Along a, Along b) {
  return kFloatStages * (FloatTileFloats(a) + FloatTileFloats(b)) * static_cast<int>(sizeof(float));
}

// The i-th of a thread's four sides; `t` of 16 threads. Neighbours in memory are a thread's own.
template <Along kAlong>
__device__ __forceinline__ int FloatSide(int t, int i) {
  return kAlong == Along::kDepth ? t + 16 * i : 4 * t + i;
}

// values[side][k] of a thread's four sides for depths [depth, depth + 4) of the step.
template <Along kAlong>
__device__ __forceinline__ void LoadFloats(const float* tile, int t, int depth,
                                           float (&values)[4][4]) {
  constexpr int kRow = FloatRow(kAlong);
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    if constexpr (kAlong == Along::kDepth) {
      const float4 v =
          *reinterpret_cast<const float4*>(tile + FloatSide<kAlong>(t, i) * kRow + depth);
      values[i][0] = v.x, values[i][1] = v.y, values[i][2] = v.z, values[i][3] = v.w;
    } else {
      const float4 v = *reinterpret_cast<const float4*>(tile + (depth + i) * kRow + 4 * t);
      values[0][i] = v.x, values[1][i] = v.y, values[2][i] = v.z, values[3][i] = v.w;
    }
  }
}

template <Along kA, Along kB>
__device__ __forceinline__ void MultiplyFloats(const float* a, const float* b, float (&sum)[4][4]) {
  const int tx = static_cast<int>(threadIdx.x) % 16, ty = static_cast<int>(threadIdx.x) / 16;
#pragma unroll
  for (int depth = 0; depth < kFloatDepth; depth += 4) {
    float from_a[4][4], from_b[4][4];
    LoadFloats<kA>(a, ty, depth, from_a);
    LoadFloats<kB>(b, tx, depth, from_b);
#pragma unroll
    for (int k = 0; k < 4; ++k) {
#pragma unroll
      for (int i = 0; i < 4; ++i) {
#pragma unroll
        for (int j = 0; j < 4; ++j) sum[i][j] = fmaf(from_a[i][k], from_b[j][k], sum[i][j]);
      }
    }
  }
}

// store(row, column, sum) for the elements of the tile; a: rows by depth, b: columns by depth.
// each_step(step, sum) comes after every step. shared: FloatSharedBytes(kA, kB).
template <Along kA, Along kB, class EachStep, class Store>
__device__ __forceinline__ void FloatTile(float* shared, const TileOperand<float>& a,
                                          const TileOperand<float>& b, int64_t depth,
                                          EachStep each_step, Store store) {
  constexpr int kFloatsA = FloatTileFloats(kA), kFloats = kFloatsA + FloatTileFloats(kB);
  float sum[4][4] = {};
  int64_t step = 0;
  ForEachStep<kFloatStages>(
      (depth + kFloatDepth - 1) / kFloatDepth,
      [&](int64_t fetched, int slot) {
        float* const stage = shared + slot * kFloats;
        const int64_t begin = fetched * kFloatDepth;
        FetchTile<kA, kProductTile, kFloatDepth, FloatRow(kA), kFloatThreads>(a, depth, begin, stage);
        FetchTile<kB, kProductTile, kFloatDepth, FloatRow(kB), kFloatThreads>(b, depth, begin, stage + kFloatsA);
      },
      [&](int slot) {
        const float* const stage = shared + slot * kFloats;
        MultiplyFloats<kA, kB>(stage, stage + kFloatsA, sum);
        each_step(step++, sum);
      });
  const int tx = static_cast<int>(threadIdx.x) % 16, ty = static_cast<int>(threadIdx.x) / 16;
#pragma unroll
  for (int i = 0; i < 4; ++i) {
#pragma unroll
    for (int j = 0; j < 4; ++j) {
      const int row = FloatSide<kA>(ty, i), col = FloatSide<kB>(tx, j);
      if (row < a.sides && col < b.sides) store(row, col, i, j, sum[i][j]);
    }
  }
}

}  // namespace temper::kernels::cuda
