// The chunk form of the recurrence (ssm_chunk.h) by tensor cores, for layers whose weights are
// bfloat16: what its kernels, of prefill, training and decode, share to the bit.
//
// A warp has sixteen columns p of a head. It computes y transposed, [p, r], so that the head's
// state [p, n], which it keeps in registers as an accumulator, is the left operand of h C^T too:
//   y^T[p, r] = exp(s_r) sum_n h[p, n] C[r, n] + sum_{j<=r} x[j, p] w[r, j],
//   h[p, n]   = exp(s_63) h[p, n] + sum_j u[j, p] B[j, n],   u = exp(s_63 - s_j) dt_j x_j.
// Decode's row r is the only column of the same products, its right operand zero elsewhere: a step
// multiplies sixteen columns of the head at a time by one vector.
//
// What is rounded to bfloat16: x, B, C, the weights w (after C B^T, which is float32 again) and u.
// The state is float32; h C^T takes it as the sum of two bfloat16, the upper first, so that 16 of
// its 24 bits count. An element is one chain of mma over n or j, by sixteens from zero, in which
// sixteens of zeros change nothing; y's goes on from exp(s_r) h C^T to the sum over the chunk.
// Tokens after r have weight 0: what lies there must be finite.
#pragma once

#include "kernels/cuda/copy_async.h"
#include "kernels/cuda/mma.h"
#include "kernels/cuda/ssm_chunk.h"
#include "kernels/cuda/ssm_tiles.h"

namespace temper::kernels::cuda {

inline constexpr int kHeadSlice = 16 * kTileWarps;  // columns of a head in a block
inline constexpr int kTileGap = 8;                  // bfloat16 that rows in shared memory lie apart
inline constexpr int kWeightRow = kChunk + kTileGap;
inline constexpr int kXRow = kHeadSlice + 4;  // floats: a warp's fragment lies in different banks

__host__ __device__ __forceinline__ int HeadSlices(const SsmSizes& sizes) {
  return (sizes.head_dim + kHeadSlice - 1) / kHeadSlice;
}

// The lane's place in fragments, as in mma.h.
struct LanePlace {
  int warp, g, t;
  __device__ __forceinline__ LanePlace()
      : warp(static_cast<int>(threadIdx.x) / kWarp),
        g(static_cast<int>(threadIdx.x) % kWarp / 4),
        t(static_cast<int>(threadIdx.x) % 4) {}
};

// Sixteen rows of kState floats as accumulators: rows g + 8 h, columns 8 n + 2 t + e at [n][2 h +
// e].
template <int kState>
using Sixteen = float[kState / 8][4];

// The first `count` of sixteen rows in global memory, zeros beyond them and past their `state`
// columns. kPairs: two floats of a row may be read whole. (Offsets that are constants: others would
// stay in registers from Load to Store.)
template <int kState, bool kPairs>
__device__ __forceinline__ void LoadSixteen(const float* rows, int64_t stride, int count, int state,
                                            Sixteen<kState>& to) {
  const LanePlace place;
  const int left = state - 2 * place.t;
#pragma unroll
  for (int h = 0; h < 2; ++h) {
    const bool is = place.g + 8 * h < count;
    const float* const from = rows + (place.g + 8 * h) * stride + 2 * place.t;
#pragma unroll
    for (int n = 0; n < kState / 8; ++n) {
      float2 pair = make_float2(0.0f, 0.0f);
      if (is && 8 * n < left) {
        if constexpr (kPairs) {
          pair = *reinterpret_cast<const float2*>(from + 8 * n);
        } else {
          pair = make_float2(from[8 * n], 8 * n + 1 < left ? from[8 * n + 1] : 0.0f);
        }
      }
      to[n][2 * h] = pair.x;
      to[n][2 * h + 1] = pair.y;
    }
  }
}
template <int kState>
__device__ __forceinline__ void StoreSixteen(const Sixteen<kState>& from, int64_t stride, int count,
                                             int state, float* rows) {
  const LanePlace place;
  const int left = state - 2 * place.t;
#pragma unroll
  for (int h = 0; h < 2; ++h) {
    if (place.g + 8 * h >= count) continue;
    float* const to = rows + (place.g + 8 * h) * stride + 2 * place.t;
#pragma unroll
    for (int n = 0; n < kState / 8; ++n) {
      if (8 * n < left) to[8 * n] = from[n][2 * h];
      if (8 * n + 1 < left) to[8 * n + 1] = from[n][2 * h + 1];
    }
  }
}

// Their sixteen columns from 8 n on, rounded, as a left operand; and what rounding left of them.
template <int kTiles>
__device__ __forceinline__ void RoundSixteen(const float (&from)[kTiles][4], int n,
                                             uint32_t (&a)[4]) {
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    const float(&tile)[4] = from[n + i / 2];
    a[i] = RoundPair(tile[2 * (i % 2)], tile[2 * (i % 2) + 1]);
  }
}
template <int kTiles>
__device__ __forceinline__ void RoundRest(const float (&from)[kTiles][4], int n,
                                          const uint32_t (&upper)[4], uint32_t (&a)[4]) {
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    const float(&tile)[4] = from[n + i / 2];
    a[i] = RoundPair(tile[2 * (i % 2)] - __uint_as_float(upper[i] << 16),
                     tile[2 * (i % 2) + 1] - __uint_as_float(upper[i] & 0xffff0000u));
  }
}

// Tokens j .. j + 15 of the warp's columns of x as a left operand [p, j]; value(i, row): x of token
// j + i in column `row` of the sixteen, times its factor.
template <class Value>
__device__ __forceinline__ void RoundTokens(Value value, uint32_t (&a)[4]) {
  const LanePlace place;
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    const int token = 2 * place.t + i / 2 * 8, row = place.g + i % 2 * 8;
    a[i] = RoundPair(value(token, row), value(token + 1, row));
  }
}

// A vector as the right operand whose other columns are zero: its elements k .. k + 15.
template <class Value>
__device__ __forceinline__ void RoundVector(Value value, int k, uint32_t (&b)[2]) {
  const LanePlace place;
#pragma unroll
  for (int half = 0; half < 2; ++half) {
    const int at = k + 2 * place.t + 8 * half;
    b[half] = place.g == 0 ? RoundPair(value(at), value(at + 1)) : 0u;
  }
}

// tile[i] = the row of N floats that row_at(i) points to, rounded, for i < 64; zeros for null and
// after the last column. A lane has eight quads under way.
template <int kState, bool kVector, class RowAt>
__device__ __forceinline__ void LoadRoundedTile(uint16_t* tile, int state, RowAt row_at) {
  constexpr int kQuads = kState / 4, kAtOnce = 8;
  static_assert(kChunk * kQuads % (kAtOnce * kTileThreads) == 0);
#pragma unroll 1
  for (int first = static_cast<int>(threadIdx.x); first < kChunk * kQuads;
       first += kAtOnce * kTileThreads) {
    float4 held[kAtOnce];
#pragma unroll
    for (int k = 0; k < kAtOnce; ++k) {
      const int e = first + k * kTileThreads;
      const float* const from = row_at(e / kQuads);
      held[k] = make_float4(0.0f, 0.0f, 0.0f, 0.0f);
      if (from != nullptr) held[k] = LoadQuad<kVector>(from, e % kQuads * 4, state);
    }
#pragma unroll
    for (int k = 0; k < kAtOnce; ++k) {
      const int e = first + k * kTileThreads;
      *reinterpret_cast<uint2*>(tile + e / kQuads * (kState + kTileGap) + e % kQuads * 4) =
          make_uint2(RoundPair(held[k].x, held[k].y), RoundPair(held[k].z, held[k].w));
    }
  }
}

// The same from a tile that was rounded before: [64, kState] in global memory. Asynchronous.
template <int kState>
__device__ __forceinline__ void FetchRoundedTile(const uint16_t* from, uint16_t* tile) {
  constexpr int kVectors = kState / 8;
#pragma unroll
  for (int i = 0; i < kChunk * kVectors / kTileThreads; ++i) {
    const int e = i * kTileThreads + static_cast<int>(threadIdx.x);
    FetchAsync(tile + e / kVectors * (kState + kTileGap) + e % kVectors * 8, from + 8 * e, 16);
  }
}

// x[j][.] = columns [p, p + 64) of a head, zeros past its end and where row_at gives null.
// kVector: asynchronous; all rows lie on 16 bytes and the head is in whole quads. any: readable.
// kAtOnce: of a thread's reads.
template <bool kVector, int kAtOnce, class RowAt>
__device__ __forceinline__ void FetchTokens(const SsmSizes& sizes, int p, const float* any,
                                            RowAt row_at, float* x) {
  constexpr int kWidth = kVector ? 4 : 1, kColumns = kHeadSlice / kWidth;
#pragma unroll kAtOnce
  for (int e = static_cast<int>(threadIdx.x); e < kChunk * kColumns; e += kTileThreads) {
    const int j = e / kColumns, column = e % kColumns * kWidth;
    const float* const row = row_at(j);
    const bool is = row != nullptr && p + column < sizes.head_dim;
    float* const to = x + j * kXRow + column;
    if constexpr (kVector) {
      FetchAsync(to, is ? row + p + column : any, is ? 16 : 0);
    } else {
      *to = is ? row[p + column] : 0.0f;
    }
  }
}

// The warp's sixteen rows of the state at the chunk's end. x: [64, 64]; weights: [64], EndWeight of
// each token; b: [64, N], rounded
template <int kState>
__device__ __forceinline__ void AdvanceSixteen(const float* x, const float* weights,
                                               const uint16_t* b, int state, float decay,
                                               Sixteen<kState>& h) {
  const LanePlace place;
#pragma unroll
  for (int n = 0; n < kState / 8; ++n) {
#pragma unroll
    for (int i = 0; i < 4; ++i) h[n][i] *= decay;
  }
#pragma unroll 1  // more of them at once cost registers that are not there
  for (int j = 0; j < kChunk; j += 16) {
    uint32_t a[4];
    RoundTokens(
        [&](int token, int row) {
          return weights[j + token] * x[(j + token) * kXRow + 16 * place.warp + row];
        },
        a);
#pragma unroll
    for (int n = 0; n < kState; n += 16) {
      uint32_t right[2][2];
      LoadTwoBOfRows(b + j * (kState + kTileGap) + n, kState + kTileGap, right);
      MmaBFloat16(h[n / 8], a, right[0]);
      MmaBFloat16(h[n / 8 + 1], a, right[1]);
    }
  }
}

// y from its product. Zeros become positive: sixteens of zeros may turn a negative one.
__device__ __forceinline__ float FinishTensorRow(float product, float d, float x) {
  return fmaf(d, x, product + 0.0f);
}

// launch.operator()<kState>() with the kernels for this state.
template <class Launch>
void ForState(const SsmSizes& sizes, Launch launch) {
  if (sizes.state <= 64) {
    launch.template operator()<64>();
  } else {
    launch.template operator()<128>();
  }
}

}  // namespace temper::kernels::cuda
