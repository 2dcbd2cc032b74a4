// A warp's products for attention by tensor cores: tiles of 64 rows, bfloat16 in shared memory.
//
// A warp multiplies kTiles sixteens of rows. What lane (g, t) = (lane / 4, lane % 4) holds of them
// is the fragment C, D of mma.h: rows g + 8 h of sixteen i, columns 8 n + 2 t + e, at [i][n][2 h +
// e]. An element of a product is one chain of mma over its depth, by sixteens from the first; which
// sixteens of rows, which columns a warp has beside it changes none of its bits, and neither do
// sixteens of zeros. head_dim is padded with zeros to kDepth, in shared memory only.
//
// Rows in shared memory are kDepth + 8 apart, an odd number of 16 bytes: the eight rows that an
// ldmatrix reads at a time meet no bank twice.
#pragma once

#include "kernels/cuda/attention_tile.h"
#include "kernels/cuda/mma.h"

namespace temper::kernels::cuda {

inline constexpr int kTensorThreads = 128;
inline constexpr int kTensorWarps = kTensorThreads / kWarp;

// These rows of global memory, as LoadRows takes them but rounded to bfloat16, to nearest even. A
// thread has eight quads under way.
template <int kDepth, class RowAt>
__device__ __forceinline__ void LoadRounded(int rows, int valid, int depth, bool aligned,
                                            RowAt row_at, uint16_t* to) {
  constexpr int kQuads = kDepth / 4, kAtOnce = 8, kPitch = kDepth + kTensorGap;
#pragma unroll 1
  for (int first = static_cast<int>(threadIdx.x); first < rows * kQuads;
       first += kAtOnce * kTensorThreads) {
    float4 held[kAtOnce];
#pragma unroll
    for (int i = 0; i < kAtOnce; ++i) {
      const int e = first + i * kTensorThreads, row = e / kQuads, column = e % kQuads * 4;
      held[i] = make_float4(0.0f, 0.0f, 0.0f, 0.0f);
      if (row >= valid || column >= depth) continue;
      const float* const from = row_at(row) + column;
      if (aligned) {
        held[i] = Quad(from);
      } else {
        held[i].x = from[0];
        if (column + 1 < depth) held[i].y = from[1];
        if (column + 2 < depth) held[i].z = from[2];
        if (column + 3 < depth) held[i].w = from[3];
      }
    }
#pragma unroll
    for (int i = 0; i < kAtOnce; ++i) {
      const int e = first + i * kTensorThreads;
      if (e >= rows * kQuads) break;
      *reinterpret_cast<uint2*>(to + e / kQuads * kPitch + e % kQuads * 4) =
          make_uint2(RoundPair(held[i].x, held[i].y), RoundPair(held[i].z, held[i].w));
    }
  }
}

// dots = (the warp's rows of `rows`) . (rows of `tile`), in depth of head_dim. Of the tile's rows,
// by sixteens, only those before `count` are multiplied; dots with others stay zero.
template <int kDepth, int kTiles>
__device__ __forceinline__ void TensorDots(const uint16_t* rows, const uint16_t* tile, int depth,
                                           int count, float (&dots)[kTiles][kTileRows / 8][4]) {
  constexpr int kPitch = kDepth + kTensorGap;
#pragma unroll
  for (int i = 0; i < kTiles; ++i) Clear(dots[i]);
#pragma unroll
  for (int k = 0; k < kDepth; k += 16) {
    if (k >= depth) break;
    uint32_t a[kTiles][4];
#pragma unroll
    for (int i = 0; i < kTiles; ++i) LoadA(rows + 16 * i * kPitch + k, kPitch, a[i]);
#pragma unroll
    for (int j = 0; j < kTileRows; j += 16) {
      if (j >= count) break;
      uint32_t b[2][2];
      LoadTwoB(tile + j * kPitch + k, kPitch, b);
#pragma unroll
      for (int i = 0; i < kTiles; ++i) {
        MmaBFloat16(dots[i][j / 8], a[i], b[0]);
        MmaBFloat16(dots[i][j / 8 + 1], a[i], b[1]);
      }
    }
  }
}

// sums += (weights, rounded to bfloat16) (the rows of `tile` before `count`, by sixteens), at
// kColumns of its columns from column `first` on.
template <int kDepth, int kTiles, int kColumns>
__device__ __forceinline__ void TensorAddWeighted(const float (&weights)[kTiles][kTileRows / 8][4],
                                                  const uint16_t* tile, int first, int depth,
                                                  int count,
                                                  float (&sums)[kTiles][kColumns / 8][4]) {
  constexpr int kPitch = kDepth + kTensorGap;
#pragma unroll
  for (int j = 0; j < kTileRows; j += 16) {
    if (j >= count) break;
    uint32_t a[kTiles][4];
#pragma unroll
    for (int i = 0; i < kTiles; ++i) {
      const float(&low)[4] = weights[i][j / 8], (&high)[4] = weights[i][j / 8 + 1];
      a[i][0] = RoundPair(low[0], low[1]);
      a[i][1] = RoundPair(low[2], low[3]);
      a[i][2] = RoundPair(high[0], high[1]);
      a[i][3] = RoundPair(high[2], high[3]);
    }
#pragma unroll
    for (int c = 0; c < kColumns; c += 16) {
      if (first + c >= depth) break;
      uint32_t b[2][2];
      LoadTwoBOfRows(tile + j * kPitch + first + c, kPitch, b);
#pragma unroll
      for (int i = 0; i < kTiles; ++i) {
        MmaBFloat16(sums[i][c / 8], a[i], b[0]);
        MmaBFloat16(sums[i][c / 8 + 1], a[i], b[1]);
      }
    }
  }
}

// Two neighbouring columns of a row of global memory, of those that are less than head_dim.
__device__ __forceinline__ void StorePair(float low, float high, int column, int depth,
                                          bool aligned, float* row) {
  if (column >= depth) return;
  if (aligned) {
    *reinterpret_cast<float2*>(row + column) = make_float2(low, high);
    return;
  }
  row[column] = low;
  if (column + 1 < depth) row[column + 1] = high;
}

}  // namespace temper::kernels::cuda
