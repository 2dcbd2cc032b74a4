// Tiles of a chunk in shared memory, and the three products over them, for a block of 128 threads.
//
// A block works on 64 rows (tokens) and a slice of 32 columns of a head, or of 32 tokens B_j. Warp
// w has rows 16 w .. 16 w + 15; thread (ty, tx) = (lane / 8, lane % 8) of it has rows 16 w + ty + 4
// i and columns tx + 8 k for i, k < 4. Tiles have row strides of 4 modulo 32 floats: eight lanes
// that read 16 bytes each of consecutive rows meet no bank twice. What tensor cores do instead is
// in ssm_bf16.h.
#pragma once

#include "kernels/cuda/ssm_chunk.h"

namespace temper::kernels::cuda {

inline constexpr int kTileThreads = 128;
inline constexpr int kTileWarps = kTileThreads / kWarp;
inline constexpr int kSlice = 32;                  // columns of a head in a block
inline constexpr int kWideStride = kDotBlock + 4;  // of a tile [., 128]
inline constexpr int kChunkStride = kChunk + 4;    // of a tile [., 64]
inline constexpr int kWideTile = kChunk * kWideStride;
inline constexpr int kSliceTile = kSlice * kChunkStride;

struct TilePlace {
  int warp, lane;
  __device__ __forceinline__ TilePlace()
      : warp(static_cast<int>(threadIdx.x) / kWarp), lane(static_cast<int>(threadIdx.x) % kWarp) {}
  __device__ __forceinline__ int row(int i) const { return 16 * warp + lane / 8 + 4 * i; }
  __device__ __forceinline__ int column(int k) const { return lane % 8 + 8 * k; }
};

__device__ __forceinline__ const float4& QuadAt(const float* at) {
  return *reinterpret_cast<const float4*>(at);
}

// Columns n .. n + 3 of a row of N floats, zeros after the last. kVector: all rows lie on 16 bytes
// and N is in whole quads.
template <bool kVector>
__device__ __forceinline__ float4 LoadQuad(const float* row, int n, int state) {
  if (n >= state) return make_float4(0.0f, 0.0f, 0.0f, 0.0f);
  if constexpr (kVector) return QuadAt(row + n);
  return make_float4(row[n], n + 1 < state ? row[n + 1] : 0.0f, n + 2 < state ? row[n + 2] : 0.0f,
                     n + 3 < state ? row[n + 3] : 0.0f);
}

// tile[i][.] = columns [n, n + 128) of the row that row_at(i) points to; zeros for null and after
// the last column, up to a whole quad. A lane loads one quad of eight rows before it stores them,
// so that eight loads are under way.
template <bool kVector, class RowAt>
__device__ __forceinline__ void LoadWideTile(float* tile, int stride, int rows, int n, int state,
                                             RowAt row_at) {
  constexpr int kAtOnce = 8;
  const TilePlace place;
  if (place.lane >= QuadsOfBlock(n, state)) return;
#pragma unroll 1
  for (int first = place.warp; first < rows; first += kAtOnce * kTileWarps) {
    float4 held[kAtOnce];
#pragma unroll
    for (int k = 0; k < kAtOnce; ++k) {
      const int i = first + k * kTileWarps;
      const float* const from = i < rows ? row_at(i) : nullptr;
      held[k] = make_float4(0.0f, 0.0f, 0.0f, 0.0f);
      if (from != nullptr) held[k] = LoadQuad<kVector>(from, n + 4 * place.lane, state);
    }
#pragma unroll
    for (int k = 0; k < kAtOnce; ++k) {
      const int i = first + k * kTileWarps;
      if (i < rows) *reinterpret_cast<float4*>(tile + i * stride + 4 * place.lane) = held[k];
    }
  }
}

// total += this block's parts of a[row] . b[column], in the order ssm_chunk.h tells.
// a: [64, 128]  b: [32, 128]
__device__ __forceinline__ void AddDots(const float* a, int a_stride, const float* b, int b_stride,
                                        int quads, float (&total)[4][4]) {
  const TilePlace place;
  const int parts = quads < kDotParts ? quads : kDotParts;
  for (int q = 0; q < parts; ++q) {
    float part[4][4] = {};
    for (int quad = q; quad < quads; quad += kDotParts) {
      float4 right[4];
#pragma unroll
      for (int k = 0; k < 4; ++k) right[k] = QuadAt(b + place.column(k) * b_stride + 4 * quad);
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        const float4 left = QuadAt(a + place.row(i) * a_stride + 4 * quad);
#pragma unroll
        for (int k = 0; k < 4; ++k) part[i][k] = AddQuad(left, right[k], part[i][k]);
      }
    }
#pragma unroll
    for (int i = 0; i < 4; ++i) {
#pragma unroll
      for (int k = 0; k < 4; ++k) total[i][k] += part[i][k];
    }
  }
}

// sum_{j<=r} weights[r][j] x[column][j]: one fmaf chain for each sixteen tokens, from the chunk's
// start, and the total adds these in order; what lies after row r is not read into it.
// weights: [64, 64]  x: [32 columns, 64 tokens]
__device__ __forceinline__ void SumRows(const float* weights, const float* x,
                                        float (&total)[4][4]) {
  const TilePlace place;
  for (int block = 0; block < place.warp; ++block) {
    float part[4][4] = {};
#pragma unroll 1
    for (int j = 16 * block; j < 16 * block + 16; j += 4) {
      float4 right[4];
#pragma unroll
      for (int k = 0; k < 4; ++k) right[k] = QuadAt(x + place.column(k) * kChunkStride + j);
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        const float4 left = QuadAt(weights + place.row(i) * kChunkStride + j);
#pragma unroll
        for (int k = 0; k < 4; ++k) part[i][k] = AddQuad(left, right[k], part[i][k]);
      }
    }
#pragma unroll
    for (int i = 0; i < 4; ++i) {
#pragma unroll
      for (int k = 0; k < 4; ++k) total[i][k] += part[i][k];
    }
  }
  float part[4][4] = {};  // the warp's own sixteen: up to the diagonal
  for (int j = 16 * place.warp; j < 16 * place.warp + 16; ++j) {
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      if (j > place.row(i)) continue;
      const float left = weights[place.row(i) * kChunkStride + j];
#pragma unroll
      for (int k = 0; k < 4; ++k) {
        part[i][k] = fmaf(left, x[place.column(k) * kChunkStride + j], part[i][k]);
      }
    }
  }
#pragma unroll
  for (int i = 0; i < 4; ++i) {
#pragma unroll
    for (int k = 0; k < 4; ++k) total[i][k] += part[i][k];
  }
}

// h = decay h + sum_j u[.][j] (outer) b[j][.] over a block of 128 columns of h; the sum is one fmaf
// chain over the chunk's 64 tokens. fresh: h was zero and holds nothing.
// u: [32, 64]  b: [64, 128]  h: [32, 128 of its columns]
__device__ __forceinline__ void AdvanceTile(const float* u, const float* b, int quads, float decay,
                                            bool fresh, float* h, int h_stride) {
  constexpr int kRows = kSlice / kTileWarps;
  const TilePlace place;
  if (place.lane >= quads) return;
  const int first = kRows * place.warp, column = 4 * place.lane;
  float sum[kRows][4] = {};
#pragma unroll 1
  for (int j = 0; j < kChunk; j += 4) {
    float4 right[4];
#pragma unroll
    for (int c = 0; c < 4; ++c) right[c] = QuadAt(b + (j + c) * kWideStride + column);
#pragma unroll
    for (int i = 0; i < kRows; ++i) {
      const float4 quad = QuadAt(u + (first + i) * kChunkStride + j);
      const float left[4] = {quad.x, quad.y, quad.z, quad.w};
#pragma unroll
      for (int c = 0; c < 4; ++c) {
        sum[i][0] = fmaf(left[c], right[c].x, sum[i][0]);
        sum[i][1] = fmaf(left[c], right[c].y, sum[i][1]);
        sum[i][2] = fmaf(left[c], right[c].z, sum[i][2]);
        sum[i][3] = fmaf(left[c], right[c].w, sum[i][3]);
      }
    }
  }
#pragma unroll
  for (int i = 0; i < kRows; ++i) {
    float* const at = h + (first + i) * h_stride + column;
#pragma unroll
    for (int m = 0; m < 4; ++m) at[m] = fmaf(decay, fresh ? 0.0f : at[m], sum[i][m]);
  }
}

// ---- a slice of a head's state in shared memory: [32, N in whole quads], rows past P are zero
__host__ __device__ __forceinline__ int StateStride(int state) { return (state + 3) / 4 * 4 + 4; }

template <bool kVector>
__device__ __forceinline__ void LoadStateSlice(const SsmSizes& sizes, const float* head_state,
                                               int p, float* h) {
  const int stride = StateStride(sizes.state);
  for (int n = 0; n < sizes.state; n += kDotBlock) {
    LoadWideTile<kVector>(h + n, stride, kSlice, n, sizes.state, [&](int i) -> const float* {
      return p + i < sizes.head_dim ? head_state + int64_t{p + i} * sizes.state : nullptr;
    });
  }
}
__device__ __forceinline__ void StoreStateSlice(const SsmSizes& sizes, const float* h, int p,
                                                float* head_state) {
  const TilePlace place;
  for (int i = place.warp; i < kSlice && p + i < sizes.head_dim; i += kTileWarps) {
    for (int n = place.lane; n < sizes.state; n += kWarp) {
      head_state[int64_t{p + i} * sizes.state + n] = h[i * StateStride(sizes.state) + n];
    }
  }
}

// x[p][j] of columns [p, p + 32) of a head, zeros past its end and where row_at gives null.
// row_at(j): the head's x of the token at offset j
template <class RowAt>
__device__ __forceinline__ void LoadSliceOfX(const SsmSizes& sizes, int p, RowAt row_at, float* x) {
  constexpr int kAtOnce = 8;
  const TilePlace place;
#pragma unroll 1
  for (int first = place.warp; first < kChunk; first += kAtOnce * kTileWarps) {
    float held[kAtOnce];
#pragma unroll
    for (int k = 0; k < kAtOnce; ++k) {
      const float* const from = row_at(first + k * kTileWarps);
      held[k] = 0.0f;
      if (from != nullptr && p + place.lane < sizes.head_dim) held[k] = from[p + place.lane];
    }
#pragma unroll
    for (int k = 0; k < kAtOnce; ++k) {
      x[place.lane * kChunkStride + first + k * kTileWarps] = held[k];
    }
  }
}

// The whole advance of a slice at a chunk's end. x: [32, 64], turned into u on the way;
// dt, sum: [64]; wide: a tile's room; b_at(j): row j of the group's B. Ends with a barrier.
template <bool kVector, class BAt>
__device__ __forceinline__ void AdvanceSlice(const SsmSizes& sizes, float* x, const float* dt,
                                             const float* sum, BAt b_at, float* wide, bool fresh,
                                             float* h) {
  const float sum_end = sum[kChunk - 1];
  __syncthreads();  // x is read no more as such, and `wide` not at all
  for (int e = static_cast<int>(threadIdx.x); e < kSlice * kChunk; e += kTileThreads) {
    const int j = e % kChunk;
    x[e / kChunk * kChunkStride + j] *= EndWeight(sum_end, sum[j], dt[j]);
  }
  for (int n = 0; n < sizes.state; n += kDotBlock) {
    LoadWideTile<kVector>(wide, kWideStride, kChunk, n, sizes.state, b_at);
    __syncthreads();
    AdvanceTile(x, wide, QuadsOfBlock(n, sizes.state), expf(sum_end), fresh, h + n,
                StateStride(sizes.state));
    __syncthreads();
  }
}

}  // namespace temper::kernels::cuda
