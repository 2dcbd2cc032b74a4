// Tiles [64, 64] in shared memory and their product, for a block of 256 threads: what the
// recurrence's backward consists of.
//
// Thread (ty, tx) = (t / 16, t % 16) has rows 4 ty + i and columns 4 tx + m of a product. As in
// ssm_tiles.h, this is where tensor cores would go.
#pragma once

#include "kernels/cuda/ssm_chunk.h"

namespace temper::kernels::cuda {

inline constexpr int kSquareThreads = 256;
inline constexpr int kSquareStride = kChunk + 4;
inline constexpr int kSquareTile = kChunk * kSquareStride;

struct SquarePlace {
  int ty, tx;
  __device__ __forceinline__ SquarePlace()
      : ty(static_cast<int>(threadIdx.x) / 16), tx(static_cast<int>(threadIdx.x) % 16) {}
  __device__ __forceinline__ int row(int i) const { return 4 * ty + i; }
  __device__ __forceinline__ int column(int m) const { return 4 * tx + m; }
};

// tile[k][column] = value(k, column) for k < depth, with neighbours in `column` side by side in
// memory, or neighbours in k. A thread reads eight values before it stores them.
template <class Value>
__device__ __forceinline__ void FillAlongColumns(float* tile, int depth, Value value) {
  constexpr int kAtOnce = 8, kRows = kSquareThreads / kChunk;
  const int column = static_cast<int>(threadIdx.x) % kChunk;
  for (int first = static_cast<int>(threadIdx.x) / kChunk; first < depth;
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
      if (k < depth) tile[k * kSquareStride + column] = held[i];
    }
  }
}
template <class Value>
__device__ __forceinline__ void FillAlongDepth(float* tile, int depth, Value value) {
  constexpr int kAtOnce = 8, kColumns = kSquareThreads / kChunk;
  const int k = static_cast<int>(threadIdx.x) % kChunk;
  if (k >= depth) return;
  for (int first = static_cast<int>(threadIdx.x) / kChunk; first < kChunk;
       first += kAtOnce * kColumns) {
    float held[kAtOnce];
#pragma unroll
    for (int i = 0; i < kAtOnce; ++i) held[i] = value(k, first + i * kColumns);
#pragma unroll
    for (int i = 0; i < kAtOnce; ++i) tile[k * kSquareStride + first + i * kColumns] = held[i];
  }
}

// sum[row][column] += sum_k a[k][row] b[k][column], one fmaf chain.
__device__ __forceinline__ void AddProduct(const float* a, const float* b, int depth,
                                           float (&sum)[4][4]) {
  const SquarePlace place;
#pragma unroll 4
  for (int k = 0; k < depth; ++k) {
    const float4 rows = *reinterpret_cast<const float4*>(a + k * kSquareStride + 4 * place.ty);
    const float4 columns = *reinterpret_cast<const float4*>(b + k * kSquareStride + 4 * place.tx);
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

}  // namespace temper::kernels::cuda
