// One 64 x 64 tile of a product with a bfloat16 weight, by tensor cores.
//
// The other operand is float32 and rounded to bfloat16, to nearest even, on its way from shared
// memory to registers; sums are float32, in the order of depth by the sixteen of one instruction.
// 128 threads: 4 warps of 32 x 32 elements. With many rows the second-level cache limits it (12 KB
// for 262 kflop); with few rows the weight's way from memory (three stages of 4 KB under way a
// block), and sixteens of rows that do not exist cost no arithmetic.
#pragma once

#include "kernels/cuda/mma.h"
#include "kernels/cuda/product_tile.h"

namespace temper::kernels::cuda {

inline constexpr int kBFloat16Threads = 128;
inline constexpr int kBFloat16Depth = 32;  // of a step
inline constexpr int kBFloat16Stages = 4;
// Distances of rows in shared memory, at which a warp's fragments lie in different banks.
inline constexpr int kBFloat16RowA = kBFloat16Depth + 8;       // floats
__host__ __device__ constexpr int BFloat16RowB(Along along) {  // bfloat16
  return (along == Along::kDepth ? kBFloat16Depth : kProductTile) + 8;
}
inline constexpr int kBFloat16BytesA =
    kProductTile * kBFloat16RowA * static_cast<int>(sizeof(float));
__host__ __device__ constexpr int BFloat16StageBytes(Along b) {
  const int rows = b == Along::kDepth ? kProductTile : kBFloat16Depth;
  return kBFloat16BytesA + rows * BFloat16RowB(b) * static_cast<int>(sizeof(uint16_t));
}
constexpr int BFloat16SharedBytes(Along b) { return kBFloat16Stages * BFloat16StageBytes(b); }

// One sixteen of depth: fragments as in mma.h. `a` at the warp's first row, `b` at its first
// column, both at the first depth; fragments of 16 rows from `rows` on are left out.
template <Along kB>
__device__ __forceinline__ void MultiplySixteen(const float* a, const uint16_t* b, int64_t rows,
                                                float (&sum)[2][4][4]) {
  constexpr int kRowB = BFloat16RowB(kB);
  const int lane = static_cast<int>(threadIdx.x) % kWarp, g = lane / 4, t = lane % 4;
  uint32_t from_b[4][2];
#pragma unroll
  for (int j = 0; j < 4; ++j) {
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      if constexpr (kB == Along::kDepth) {
        from_b[j][half] =
            *reinterpret_cast<const uint32_t*>(b + (8 * j + g) * kRowB + 8 * half + 2 * t);
      } else {
        const uint16_t* const at = b + (8 * half + 2 * t) * kRowB + 8 * j + g;
        from_b[j][half] = static_cast<uint32_t>(at[0]) | static_cast<uint32_t>(at[kRowB]) << 16;
      }
    }
  }
#pragma unroll
  for (int i = 0; i < 2; ++i) {
    if (16 * i >= rows) break;  // the same for the whole warp
    uint32_t from_a[4];
#pragma unroll
    for (int q = 0; q < 4; ++q) {
      const float2 v = *reinterpret_cast<const float2*>(
          a + (16 * i + g + q % 2 * 8) * kBFloat16RowA + q / 2 * 8 + 2 * t);
      from_a[q] = RoundPair(v.x, v.y);
    }
#pragma unroll
    for (int j = 0; j < 4; ++j) MmaBFloat16(sum[i][j], from_a, from_b[j]);
  }
}

// store(row, column, sum) for the elements of the tile; a: rows by depth, along depth in memory;
// b: columns by depth. shared: BFloat16SharedBytes(kB).
template <Along kB, class Store>
__device__ __forceinline__ void BFloat16Tile(unsigned char* shared, const TileOperand<float>& a,
                                             const TileOperand<uint16_t>& b, int64_t depth,
                                             Store store) {
  constexpr int kStageBytes = BFloat16StageBytes(kB);
  const int warp = static_cast<int>(threadIdx.x) / kWarp;
  const int warp_row = warp / 2 * 32, warp_col = warp % 2 * 32;
  const int64_t rows = a.sides - warp_row;
  float sum[2][4][4] = {};
  ForEachStep<kBFloat16Stages>(
      (depth + kBFloat16Depth - 1) / kBFloat16Depth,
      [&](int64_t fetched, int slot) {
        unsigned char* const stage = shared + slot * kStageBytes;
        const int64_t begin = fetched * kBFloat16Depth;
        FetchTile<Along::kDepth, kProductTile, kBFloat16Depth, kBFloat16RowA, kBFloat16Threads>(
            a, depth, begin, reinterpret_cast<float*>(stage));
        FetchTile<kB, kProductTile, kBFloat16Depth, BFloat16RowB(kB), kBFloat16Threads>(
            b, depth, begin, reinterpret_cast<uint16_t*>(stage + kBFloat16BytesA));
      },
      [&](int slot) {
        if (rows <= 0) return;  // the same for the whole warp
        const unsigned char* const stage = shared + slot * kStageBytes;
        const float* const tile_a =
            reinterpret_cast<const float*>(stage) + warp_row * kBFloat16RowA;
        const uint16_t* const tile_b =
            reinterpret_cast<const uint16_t*>(stage + kBFloat16BytesA) +
            (kB == Along::kDepth ? warp_col * BFloat16RowB(kB) : warp_col);
#pragma unroll
        for (int depth16 = 0; depth16 < kBFloat16Depth; depth16 += 16) {
          MultiplySixteen<kB>(tile_a + depth16,
                              tile_b + (kB == Along::kDepth ? depth16 : depth16 * BFloat16RowB(kB)),
                              rows, sum);
        }
      });
  const int lane = static_cast<int>(threadIdx.x) % kWarp, g = lane / 4, t = lane % 4;
#pragma unroll
  for (int i = 0; i < 2; ++i) {
#pragma unroll
    for (int j = 0; j < 4; ++j) {
#pragma unroll
      for (int e = 0; e < 4; ++e) {
        const int row = warp_row + 16 * i + g + e / 2 * 8, col = warp_col + 8 * j + 2 * t + e % 2;
        if (row < a.sides && col < b.sides) store(row, col, sum[i][j][e]);
      }
    }
  }
}

}  // namespace temper::kernels::cuda
