// Tiles [64, 64] in shared memory and their product, for a block of 256 threads: what the
// recurrence's backward consists of. In float32, or by tensor cores with tiles of bfloat16 and sums
// of float32 (kTensor), where forward computes so.
//
// Every thread has sixteen elements of a product, of four rows and four columns: neighbours in
// float32; by tensor cores those of a warp's 32 x 16 that mma.h tells. What limits the latter is
// the second-level cache, from which tiles are filled: 16 KB a tile for 0.5 Mflop a product.
#pragma once

#include <type_traits>

#include "kernels/cuda/mma.h"
#include "kernels/cuda/ssm_chunk.h"

namespace temper::kernels::cuda {

inline constexpr int kSquareThreads = 256;

template <bool kTensor>
struct Square {
  using Element = std::conditional_t<kTensor, uint16_t, float>;
  static constexpr int kStride = kChunk + (kTensor ? 8 : 4);
  static constexpr int kTile = kChunk * kStride;

  int first_row, first_column;
  int tx;  // which of the sixteen threads that have these rows

  __device__ __forceinline__ Square() {
    const int thread = static_cast<int>(threadIdx.x);
    if constexpr (kTensor) {
      const int warp = thread / kWarp, g = thread % kWarp / 4, t = thread % 4;
      first_row = 32 * (warp / 4) + g;
      first_column = 16 * (warp % 4) + 2 * t;
      tx = 4 * (warp % 4) + t;
    } else {
      first_row = 4 * (thread / 16);
      first_column = 4 * (thread % 16);
      tx = thread % 16;
    }
  }
  __device__ __forceinline__ int row(int i) const { return first_row + (kTensor ? 8 * i : i); }
  __device__ __forceinline__ int column(int m) const {
    return first_column + (kTensor ? m / 2 * 8 + m % 2 : m);
  }
  static __device__ __forceinline__ Element Of(float value) {
    if constexpr (kTensor) return ToBFloat16(value);
    return static_cast<Element>(value);
  }
};

// Rows of a tile that a product of this depth reads: the last sixteen are filled up with zeros.
template <bool kTensor>
__device__ __forceinline__ int FilledDepth(int depth) {
  return kTensor ? (depth + 15) / 16 * 16 : depth;
}

// tile[k][column] = value(k, column) for k < depth, with neighbours in `column` side by side in
// memory, or neighbours in k. A thread reads eight values before it stores them.
template <bool kTensor, class Value>
__device__ __forceinline__ void FillAlongColumns(typename Square<kTensor>::Element* tile, int depth,
                                                 Value value) {
  constexpr int kAtOnce = 8, kRows = kSquareThreads / kChunk;
  const int column = static_cast<int>(threadIdx.x) % kChunk, filled = FilledDepth<kTensor>(depth);
  for (int first = static_cast<int>(threadIdx.x) / kChunk; first < filled;
       first += kAtOnce * kRows) {
    float held[kAtOnce];
#pragma unroll
    for (int i = 0; i < kAtOnce; ++i) {
      const int k = first + i * kRows;
      held[i] = k < depth ? value(k, column) : 0.0f;
    }
#pragma unroll
    for (int i = 0; i < kAtOnce; ++i) {
      const int k = first + i * kRows;
      if (k < filled) tile[k * Square<kTensor>::kStride + column] = Square<kTensor>::Of(held[i]);
    }
  }
}
template <bool kTensor, class Value>
__device__ __forceinline__ void FillAlongDepth(typename Square<kTensor>::Element* tile, int depth,
                                               Value value) {
  constexpr int kAtOnce = 8, kColumns = kSquareThreads / kChunk;
  const int k = static_cast<int>(threadIdx.x) % kChunk;
  if (k >= FilledDepth<kTensor>(depth)) return;
  for (int first = static_cast<int>(threadIdx.x) / kChunk; first < kChunk;
       first += kAtOnce * kColumns) {
    float held[kAtOnce];
#pragma unroll
    for (int i = 0; i < kAtOnce; ++i) {
      held[i] = k < depth ? value(k, first + i * kColumns) : 0.0f;
    }
#pragma unroll
    for (int i = 0; i < kAtOnce; ++i) {
      tile[k * Square<kTensor>::kStride + first + i * kColumns] = Square<kTensor>::Of(held[i]);
    }
  }
}

// sum[row][column] += sum_k a[k][row] b[k][column]: one fmaf chain, or one chain of mma.
__device__ __forceinline__ void AddSquares(const float* a, const float* b, int depth,
                                           float (&sum)[4][4]) {
  const Square<false> place;
#pragma unroll 4
  for (int k = 0; k < depth; ++k) {
    const float4 rows =
        *reinterpret_cast<const float4*>(a + k * Square<false>::kStride + place.first_row);
    const float4 columns =
        *reinterpret_cast<const float4*>(b + k * Square<false>::kStride + place.first_column);
    const float left[4] = {rows.x, rows.y, rows.z, rows.w};
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      sum[i][0] = fmaf(left[i], columns.x, sum[i][0]);
      sum[i][1] = fmaf(left[i], columns.y, sum[i][1]);
      sum[i][2] = fmaf(left[i], columns.z, sum[i][2]);
      sum[i][3] = fmaf(left[i], columns.w, sum[i][3]);
    }
  }
}
__device__ __forceinline__ void AddSquares(const uint16_t* a, const uint16_t* b, int depth,
                                           float (&sum)[4][4]) {
  constexpr int kStride = Square<true>::kStride;
  const int warp = static_cast<int>(threadIdx.x) / kWarp;
  const int row = 32 * (warp / 4), column = 16 * (warp % 4);
  float tiles[2][2][4];  // sixteens of rows, eights of columns
#pragma unroll
  for (int e = 0; e < 16; ++e) tiles[e / 8][e / 2 % 2][e / 4 % 2 * 2 + e % 2] = sum[e / 4][e % 4];
#pragma unroll 1
  for (int k = 0; k < depth; k += 16) {
    uint32_t right[2][2];
    LoadTwoBOfRows(b + k * kStride + column, kStride, right);
#pragma unroll
    for (int i = 0; i < 2; ++i) {
      uint32_t left[4];
      LoadAOfColumns(a + k * kStride + row + 16 * i, kStride, left);
      MmaBFloat16(tiles[i][0], left, right[0]);
      MmaBFloat16(tiles[i][1], left, right[1]);
    }
  }
#pragma unroll
  for (int e = 0; e < 16; ++e) sum[e / 4][e % 4] = tiles[e / 8][e / 2 % 2][e / 4 % 2 * 2 + e % 2];
}

}  // namespace temper::kernels::cuda
