// Causal attention backward by tensor cores: the two kernels of attention_backward.cu over the same
// tiles, in products of attention_bf16.h.
//
// What is rounded to bfloat16: q, k, v as in forward, dy, the weights exp(score - lse) and the
// slopes weight * (d loss / d weight - delta). Scores, in the queries' kernel forward's to the bit,
// sums and what stands between them are float32.
//
// What limits it, at head_dim 128. 14 head_dim flop a query head and key. A block's 64 rows (4
// warps of 16) share a tile of 64 KiB from the second-level cache: of queries 3.1 Mflop, of
// keys 4.2, 48 and 64 flop a byte, so that 5.5 TB/s bound it at 260 and 350 Tflop/s; float32's
// bound was 67. Shared memory: a sixteen of rows reads 256 bytes for an mma, 2 clocks for 1 or 2 of
// arithmetic. 68 KiB and 128 threads of up to 255 registers: 2 blocks a multiprocessor, one of
// which multiplies while the other fetches.
#include <cmath>

#include "kernels/cuda/attention_bf16.h"
#include "kernels/cuda/attention_gradients.h"
#include "kernels/cuda/launch.h"

namespace temper::kernels::cuda {

namespace {

constexpr float kLog2E = 1.4426950408889634f;
constexpr int kGradientRows = TensorRowsOf(AttentionKernel::kGradients);
static_assert(kGradientRows == 16 * kTensorWarps && kGradientRows == kTileRows);

// The block's two matrices of rows, then the tile's.
template <int kDepth>
struct GradientTiles {
  static constexpr int kFloats16 = kTileRows * (kDepth + kTensorGap);
  uint16_t *one, *other, *tile, *other_tile;
  __device__ __forceinline__ explicit GradientTiles(uint16_t* shared)
      : one(shared),
        other(shared + kFloats16),
        tile(shared + 2 * kFloats16),
        other_tile(shared + 3 * kFloats16) {}
};

// The warp's sixteen rows of sums, times `scale`, to row_at(0 .. valid-1).
template <int kDepth, class RowAt>
__device__ __forceinline__ void StoreSums(const float (&sums)[1][kDepth / 8][4], float scale,
                                          int valid, int depth, bool aligned, RowAt row_at) {
  const int g = static_cast<int>(threadIdx.x) % kWarp / 4, t = static_cast<int>(threadIdx.x) % 4;
#pragma unroll
  for (int h = 0; h < 2; ++h) {
    if (g + 8 * h >= valid) continue;
    float* const row = row_at(g + 8 * h);
#pragma unroll
    for (int n = 0; n < kDepth / 8; ++n) {
      StorePair(sums[0][n][2 * h] * scale, sums[0][n][2 * h + 1] * scale, 8 * n + 2 * t, depth,
                aligned, row);
    }
  }
}

// Rows of queries against key tiles, ascending.
template <int kDepth>
__global__ void __launch_bounds__(kTensorThreads, 2)
    QueryGradientTensorKernel(int depth, BackwardArguments in) {
  TEMPER_DYNAMIC_SHARED(uint16_t, shared);
  constexpr int kPitch = kDepth + kTensorGap;
  const GradientTiles<kDepth> tiles(shared);
  const Slice slice(depth, in);
  const int first = slice.block.first, valid = AtMost(slice.rows - first, kGradientRows);
  const int own = static_cast<int>(threadIdx.x) / kWarp * 16, own_valid = AtMost(valid - own, 16);
  const int g = static_cast<int>(threadIdx.x) % kWarp / 4, t = static_cast<int>(threadIdx.x) % 4;
  const float scale = 1.0f / sqrtf(static_cast<float>(depth));
  LoadRounded<kDepth>(
      kGradientRows, valid, depth, in.aligned, [&](int r) { return slice.q(first + r); },
      tiles.one);
  LoadRounded<kDepth>(
      kGradientRows, valid, depth, in.aligned, [&](int r) { return slice.dy(first + r); },
      tiles.other);
  int token[2];
  float lse[2], delta[2];  // lse in powers of two
#pragma unroll
  for (int h = 0; h < 2; ++h) {
    const int row = first + own + g + 8 * h;
    const bool is = g + 8 * h < own_valid;
    token[h] = is ? row / slice.group : -1;
    lse[h] = is ? slice.lse[slice.At(row)] * kLog2E : 0.0f;
    delta[h] = is ? slice.delta[slice.At(row)] : 0.0f;
  }
  float sums[1][kDepth / 8][4];
  Clear(sums[0]);
  const int block_sees = (first + valid - 1) / slice.group + 1;
  const int warp_sees = own_valid > 0 ? (first + own + own_valid - 1) / slice.group + 1 : 0;
  for (int done = 0; done < block_sees; done += kTileRows) {
    const int count = AtMost(block_sees - done, kTileRows);
    __syncthreads();  // the last tile has been used
    LoadRounded<kDepth>(
        kTileRows, count, depth, in.aligned,
        [&](int r) { return slice.k + (done + r) * in.k.stride; }, tiles.tile);
    LoadRounded<kDepth>(
        kTileRows, count, depth, in.aligned,
        [&](int r) { return slice.v + (done + r) * in.v.stride; }, tiles.other_tile);
    __syncthreads();
    const int seen = AtMost(warp_sees - done, kTileRows);
    if (seen <= 0) continue;  // the same for the whole warp
    float score[1][kTileRows / 8][4], slope[1][kTileRows / 8][4];
    TensorDots<kDepth, 1>(tiles.one + own * kPitch, tiles.tile, depth, seen, score);
    TensorDots<kDepth, 1>(tiles.other + own * kPitch, tiles.other_tile, depth, seen, slope);
#pragma unroll
    for (int n = 0; n < kTileRows / 8; ++n) {
#pragma unroll
      for (int i = 0; i < 4; ++i) {
        const bool sees = done + 8 * n + 2 * t + i % 2 <= token[i / 2];
        const float weight = exp2f(score[0][n][i] * (scale * kLog2E) - lse[i / 2]);
        slope[0][n][i] = sees ? weight * (slope[0][n][i] - delta[i / 2]) : 0.0f;
      }
    }
    TensorAddWeighted<kDepth, 1, kDepth>(slope, tiles.tile, 0, depth, seen, sums);
  }
  const HeadRows<float> dq = slice.GradientRows(in.dq);
  StoreSums<kDepth>(sums, scale, own_valid, depth, in.aligned,
                    [&](int r) { return dq(first + own + r); });
}

// Keys against tiles of 64 rows of queries, from the first that sees the block's first key on.
template <int kDepth>
__global__ void __launch_bounds__(kTensorThreads, 2)
    KeyGradientTensorKernel(int depth, BackwardArguments in) {
  TEMPER_DYNAMIC_SHARED(uint16_t, shared);
  __shared__ float lse[kTileRows], delta[kTileRows];  // of the tile's rows; lse in powers of two
  constexpr int kPitch = kDepth + kTensorGap;
  const GradientTiles<kDepth> tiles(shared);
  const Slice slice(depth, in);
  const int first = slice.block.first, valid = AtMost(slice.block.tokens - first, kGradientRows);
  const int own = static_cast<int>(threadIdx.x) / kWarp * 16, own_valid = AtMost(valid - own, 16);
  const int g = static_cast<int>(threadIdx.x) % kWarp / 4, t = static_cast<int>(threadIdx.x) % 4;
  const float scale = 1.0f / sqrtf(static_cast<float>(depth));
  LoadRounded<kDepth>(
      kGradientRows, valid, depth, in.aligned,
      [&](int r) { return slice.k + (first + r) * in.k.stride; }, tiles.one);
  LoadRounded<kDepth>(
      kGradientRows, valid, depth, in.aligned,
      [&](int r) { return slice.v + (first + r) * in.v.stride; }, tiles.other);
  float dk[1][kDepth / 8][4], dv[1][kDepth / 8][4];
  Clear(dk[0]);
  Clear(dv[0]);
  for (int row = first * slice.group; row < slice.rows; row += kTileRows) {
    const int count = AtMost(slice.rows - row, kTileRows);
    __syncthreads();  // the last tile has been used
    LoadRounded<kDepth>(
        kTileRows, count, depth, in.aligned, [&](int r) { return slice.q(row + r); }, tiles.tile);
    LoadRounded<kDepth>(
        kTileRows, count, depth, in.aligned, [&](int r) { return slice.dy(row + r); },
        tiles.other_tile);
    if (threadIdx.x < kTileRows) {
      const int r = static_cast<int>(threadIdx.x);
      lse[r] = r < count ? slice.lse[slice.At(row + r)] * kLog2E : 0.0f;
      delta[r] = r < count ? slice.delta[slice.At(row + r)] : 0.0f;
    }
    __syncthreads();
    if (own_valid <= 0) continue;  // the same for the whole warp
    float weight[1][kTileRows / 8][4], slope[1][kTileRows / 8][4];
    TensorDots<kDepth, 1>(tiles.one + own * kPitch, tiles.tile, depth, count, weight);
    TensorDots<kDepth, 1>(tiles.other + own * kPitch, tiles.other_tile, depth, count, slope);
#pragma unroll
    for (int n = 0; n < kTileRows / 8; ++n) {
#pragma unroll
      for (int e = 0; e < 2; ++e) {
        const int r = 8 * n + 2 * t + e;
        const int token = r < count ? (row + r) / slice.group : -1;
#pragma unroll
        for (int h = 0; h < 2; ++h) {
          float &own_weight = weight[0][n][2 * h + e], &own_slope = slope[0][n][2 * h + e];
          const bool sees = first + own + g + 8 * h <= token;
          own_weight = sees ? exp2f(own_weight * (scale * kLog2E) - lse[r]) : 0.0f;
          own_slope = sees ? own_weight * (own_slope - delta[r]) : 0.0f;
        }
      }
    }
    TensorAddWeighted<kDepth, 1, kDepth>(slope, tiles.tile, 0, depth, count, dk);
    TensorAddWeighted<kDepth, 1, kDepth>(weight, tiles.other_tile, 0, depth, count, dv);
  }
  const int64_t token = slice.block.begin + first + own;
  const int64_t column = static_cast<int64_t>(slice.head) * depth;
  StoreSums<kDepth>(dk, scale, own_valid, depth, in.aligned,
                    [&](int r) { return in.dk.row(token + r) + column; });
  StoreSums<kDepth>(dv, 1.0f, own_valid, depth, in.aligned,
                    [&](int r) { return in.dv.row(token + r) + column; });
}

}  // namespace

void GradientsBFloat16(CudaStream& cuda, const AttentionShape& shape,
                       std::span<const Segment> segments, BackwardArguments arguments) {
  const int depth = static_cast<int>(shape.head_dim);
  const size_t shared = TensorSharedBytes(AttentionKernel::kGradients, depth);
  const auto launch = [&]<int kDepth>() {
    const std::vector<RowBlock> queries =
        QueryGradientBlocks(segments, arguments.group, kGradientRows);
    arguments.blocks = cuda.Upload(std::span<const RowBlock>(queries));
    TEMPER_LAUNCH(QueryGradientTensorKernel<kDepth>, cuda, GridOf(queries, arguments.kv_heads),
                  kTensorThreads, shared, depth, arguments);
    const std::vector<RowBlock> keys = KeyGradientBlocks(segments, kGradientRows);
    arguments.blocks = cuda.Upload(std::span<const RowBlock>(keys));
    TEMPER_LAUNCH(KeyGradientTensorKernel<kDepth>, cuda, GridOf(keys, arguments.kv_heads),
                  kTensorThreads, shared, depth, arguments);
  };
  if (TensorDepth(depth) == 64) {
    launch.operator()<64>();
  } else {
    launch.operator()<128>();
  }
}

}  // namespace temper::kernels::cuda
