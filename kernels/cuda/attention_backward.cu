// Causal attention backward: scores are recomputed tile by tile from the saved log-sum-exp.
//
// Two kernels, each of which owns what it writes: one goes along a query's keys for dq, one along a
// key's queries for dk and dv; every sum has one order and nothing is added atomically. Against one
// kernel that does both, scores and d loss / d weight are computed twice: 14 instead of 10
// head_dim flop a query head and key, all of it float32 arithmetic, which is the limit. At head_dim
// 128 a block has 48 rows and 95 KiB of shared memory: one fits where a multiprocessor has 100 KiB,
// two on an H100. Rows of queries are (token, query head) in that order, as in forward.
#include <cmath>
#include <cstdint>
#include <span>
#include <vector>

#include "kernels/check.h"
#include "kernels/cuda/attention_blocks.h"
#include "kernels/cuda/attention_tile.h"
#include "kernels/cuda/launch.h"
#include "kernels/cuda/matrix.h"
#include "kernels/cuda/ops_internal.h"

namespace temper::kernels::cuda {

namespace {

struct BackwardArguments {
  Matrix<const float> q, k, v, dy;
  Matrix<float> dq, dk, dv;
  const float* lse;    // [tokens, kv_heads * group]
  const float* delta;  // the same: dy . y
  const RowBlock* blocks;
  int kv_heads, group;
  bool aligned;

  static constexpr size_t kFieldBytes =
      7 * sizeof(Matrix<float>) + 3 * sizeof(void*) + 2 * sizeof(int) + sizeof(bool);
};

// One segment and one key/value head of it.
template <int kDepth>
struct Slice {
  RowBlock block;
  int head, group, depth, rows;  // rows: of queries in the segment
  HeadRows<const float> q, dy;
  const float *k, *v;  // of the segment's token 0
  const float *lse, *delta;
  int64_t q_heads;

  __device__ __forceinline__ Slice(HeadSize<kDepth> size, const BackwardArguments& in)
      : block(in.blocks[blockIdx.x / static_cast<unsigned>(in.kv_heads)]),
        head(static_cast<int>(blockIdx.x % static_cast<unsigned>(in.kv_heads))),
        group(in.group),
        depth(size.depth()),
        rows(block.tokens * group) {
    const int64_t column = static_cast<int64_t>(head) * group * depth;
    q = {in.q.row(block.begin) + column, in.q.stride, group, depth};
    dy = {in.dy.row(block.begin) + column, in.dy.stride, group, depth};
    k = in.k.row(block.begin) + head * depth;
    v = in.v.row(block.begin) + head * depth;
    q_heads = static_cast<int64_t>(in.kv_heads) * group;
    lse = in.lse + block.begin * q_heads + head * group;
    delta = in.delta + block.begin * q_heads + head * group;
  }
  // Of a row, in lse and delta.
  __device__ __forceinline__ int64_t At(int row) const {
    return row / group * q_heads + row % group;
  }
};

__device__ __forceinline__ int AtMost(int value, int most) { return value < most ? value : most; }

// delta[token, head] = dy . y: one warp each.
__global__ void DeltaKernel(Matrix<const float> y, Matrix<const float> dy, int64_t q_heads,
                            int64_t depth, float* delta) {
  const int64_t at = static_cast<int64_t>(blockIdx.x) * (kAttentionThreads / kWarp) +
                     static_cast<int64_t>(threadIdx.x / kWarp);
  if (at >= y.rows * q_heads) return;
  const int64_t token = at / q_heads, column = at % q_heads * depth;
  float sum = 0.0f;
  for (int64_t i = threadIdx.x % kWarp; i < depth; i += kWarp) {
    sum = fmaf(dy.at(token, column + i), y.at(token, column + i), sum);
  }
  sum = WarpSum(sum);
  if (threadIdx.x % kWarp == 0) delta[at] = sum;
}

// Rows of queries against key tiles, ascending.
template <int kDepth, int kRows>
__global__ void __launch_bounds__(kAttentionThreads, 2)
    QueryGradientKernel(HeadSize<kDepth> size, BackwardArguments in) {
  TEMPER_DYNAMIC_SHARED(float, shared);
  constexpr int kBlockRows = kAttentionThreads / kGroupLanes * kRows;
  const Slice<kDepth> slice(size, in);
  const int depth = size.depth(), pitch = size.pitch(), first = slice.block.first;
  const int valid = AtMost(slice.rows - first, kBlockRows);
  const float scale = 1.0f / sqrtf(static_cast<float>(depth));
  float* const query = shared;                      // [kBlockRows, pitch], scaled
  float* const d_out = query + kBlockRows * pitch;  // [kBlockRows, pitch]
  float* const tile = d_out + kBlockRows * pitch;   // [64, pitch of a panel]: values, then keys
  float* const slopes = tile + kTileRows * size.Panel(0).pitch;  // [kBlockRows, kWeightPitch]
  LoadRows(
      size.All(), kBlockRows, valid, in.aligned, scale, [&](int r) { return slice.q(first + r); },
      query);
  LoadRows(
      size.All(), kBlockRows, valid, in.aligned, 1.0f, [&](int r) { return slice.dy(first + r); },
      d_out);

  int token[kRows];
  float lse[kRows], delta[kRows], keep[kRows];
  float4 sums[kRows][HeadSize<kDepth>::kChunks];
  Clear(sums);
#pragma unroll
  for (int i = 0; i < kRows; ++i) {
    const int row = OwnRow<kRows>(i);
    token[i] = row < valid ? (first + row) / slice.group : -1;
    lse[i] = row < valid ? slice.lse[slice.At(first + row)] : 0.0f;
    delta[i] = row < valid ? slice.delta[slice.At(first + row)] : 0.0f;
    keep[i] = 1.0f;
  }
  const bool active = WarpOwns<kRows>(valid);
  const int seen = (first + valid - 1) / slice.group + 1;  // keys of the last row
  for (int tile_first = 0; tile_first < seen; tile_first += kTileRows) {
    const int count = AtMost(seen - tile_first, kTileRows);
    const TileSource keys = {count, in.aligned, 1.0f,
                             [&](int r) { return slice.k + (tile_first + r) * in.k.stride; }};
    const TileSource values = {count, in.aligned, 1.0f,
                               [&](int r) { return slice.v + (tile_first + r) * in.v.stride; }};
    float d_weight[kRows][kPerLane], score[kRows][kPerLane];
    Dots(size, values, active, d_out, tile, d_weight);
    Dots(size, keys, active, query, tile, score);
    if (active) {
#pragma unroll
      for (int i = 0; i < kRows; ++i) {
#pragma unroll
        for (int j = 0; j < kPerLane; ++j) {
          const bool sees = tile_first + GroupLane() + kGroupLanes * j <= token[i];
          score[i][j] = sees ? expf(score[i][j] - lse[i]) * (d_weight[i][j] - delta[i]) : 0.0f;
        }
      }
      StoreWeights(score, slopes);
    }
    ForEachPanelAgain(size, keys, tile, [&](int panel) {
      if (!active) return;
      AddWeighted(
          size, panel, slopes, tile, count, [](int, int) { return true; }, keep, sums);
    });
  }
  const HeadRows<float> dq = {
      in.dq.row(slice.block.begin) + static_cast<int64_t>(slice.head) * slice.group * depth,
      in.dq.stride, slice.group, depth};
#pragma unroll
  for (int i = 0; i < kRows; ++i) {
    const int row = OwnRow<kRows>(i);
    if (row >= valid) continue;
#pragma unroll
    for (int c = 0; c < HeadSize<kDepth>::kChunks; ++c) {
      const int at = c * kColumnsPerChunk + 4 * GroupLane();
      const float4 sum = sums[i][c];
      if (at < depth) {
        StoreQuad(make_float4(sum.x * scale, sum.y * scale, sum.z * scale, sum.w * scale), at,
                  depth, in.aligned, dq(first + row));
      }
    }
  }
}

// Keys against tiles of 64 rows of queries, from the first that sees the block's first key on.
// dk takes queries scaled, as the scores did.
template <int kDepth, int kRows>
__global__ void __launch_bounds__(kAttentionThreads, 2)
    KeyGradientKernel(HeadSize<kDepth> size, BackwardArguments in) {
  TEMPER_DYNAMIC_SHARED(float, shared);
  constexpr int kBlockRows = kAttentionThreads / kGroupLanes * kRows;
  const Slice<kDepth> slice(size, in);
  const int depth = size.depth(), pitch = size.pitch(), first = slice.block.first;
  const int valid = AtMost(slice.block.tokens - first, kBlockRows);
  const float scale = 1.0f / sqrtf(static_cast<float>(depth));
  float* const keys = shared;                       // [kBlockRows, pitch]
  float* const values = keys + kBlockRows * pitch;  // [kBlockRows, pitch]
  float* const tile = values + kBlockRows * pitch;  // [64, pitch of a panel]: of dy, of q, of dy
  float* const weights = tile + kTileRows * size.Panel(0).pitch;  // [kBlockRows, kWeightPitch]
  LoadRows(
      size.All(), kBlockRows, valid, in.aligned, 1.0f,
      [&](int r) { return slice.k + (first + r) * in.k.stride; }, keys);
  LoadRows(
      size.All(), kBlockRows, valid, in.aligned, 1.0f,
      [&](int r) { return slice.v + (first + r) * in.v.stride; }, values);

  float4 dk[kRows][HeadSize<kDepth>::kChunks], dv[kRows][HeadSize<kDepth>::kChunks];
  float keep[kRows];
  Clear(dk);
  Clear(dv);
#pragma unroll
  for (int i = 0; i < kRows; ++i) keep[i] = 1.0f;
  const bool active = WarpOwns<kRows>(valid);
  for (int row = first * slice.group; row < slice.rows; row += kTileRows) {
    const int count = AtMost(slice.rows - row, kTileRows);
    const TileSource queries = {count, in.aligned, scale, [&](int r) { return slice.q(row + r); }};
    const TileSource d_out = {count, in.aligned, 1.0f, [&](int r) { return slice.dy(row + r); }};
    float weight[kRows][kPerLane], slope[kRows][kPerLane];
    Dots(size, d_out, active, values, tile, slope);
    Dots(size, queries, active, keys, tile, weight);
    if (active) {
#pragma unroll
      for (int j = 0; j < kPerLane; ++j) {
        const int query = row + GroupLane() + kGroupLanes * j;
        const bool is = query < slice.rows;
        const int token = is ? query / slice.group : -1;
        const float lse = is ? slice.lse[slice.At(query)] : 0.0f;
        const float delta = is ? slice.delta[slice.At(query)] : 0.0f;
#pragma unroll
        for (int i = 0; i < kRows; ++i) {
          const bool sees = first + OwnRow<kRows>(i) <= token;
          weight[i][j] = sees ? expf(weight[i][j] - lse) : 0.0f;
          slope[i][j] = sees ? weight[i][j] * (slope[i][j] - delta) : 0.0f;
        }
      }
      StoreWeights(slope, weights);
    }
    ForEachPanelAgain(size, queries, tile, [&](int panel) {
      if (!active) return;
      AddWeighted(
          size, panel, weights, tile, count, [](int, int) { return true; }, keep, dk);
    });
    if (active) StoreWeights(weight, weights);
    ForEachPanel(size, d_out, tile, [&](int panel) {
      if (!active) return;
      AddWeighted(
          size, panel, weights, tile, count, [](int, int) { return true; }, keep, dv);
    });
  }
  const int64_t column = static_cast<int64_t>(slice.head) * depth;
#pragma unroll
  for (int i = 0; i < kRows; ++i) {
    const int row = OwnRow<kRows>(i);
    if (row >= valid) continue;
    const int64_t token = slice.block.begin + first + row;
#pragma unroll
    for (int c = 0; c < HeadSize<kDepth>::kChunks; ++c) {
      const int at = c * kColumnsPerChunk + 4 * GroupLane();
      if (at >= depth) continue;
      StoreQuad(dk[i][c], at, depth, in.aligned, in.dk.row(token) + column);
      StoreQuad(dv[i][c], at, depth, in.aligned, in.dv.row(token) + column);
    }
  }
}

// All rows of all segments, `step` a block.
std::vector<RowBlock> CutRows(std::span<const Segment> segments, int rows_per_token, int step) {
  std::vector<RowBlock> blocks;
  for (const Segment& segment : segments) {
    const int32_t rows = CheckedRows(segment, rows_per_token);
    for (int32_t first = 0; first < rows; first += step) {
      blocks.push_back({.begin = segment.begin,
                        .position = 0,
                        .tokens = static_cast<int32_t>(segment.length),
                        .first = first});
    }
  }
  return blocks;
}

void AttentionBackward(Stream& stream, const AttentionShape& shape,
                       std::span<const Segment> segments, View<const float> q, View<const float> k,
                       View<const float> v, View<const float> y, const float* lse,
                       View<const float> dy, View<float> dq, View<float> dk, View<float> dv) {
  const int group = CheckedGroup(shape);
  TEMPER_KERNEL_CHECK(lse != nullptr);
  TEMPER_KERNEL_CHECK(q.cols == shape.q_heads * shape.head_dim && dq.cols == q.cols);
  TEMPER_KERNEL_CHECK(y.cols == q.cols && dy.cols == q.cols);
  TEMPER_KERNEL_CHECK(k.cols == shape.kv_heads * shape.head_dim && dk.cols == k.cols);
  TEMPER_KERNEL_CHECK(v.cols == k.cols && dv.cols == k.cols);
  for (const int64_t rows : {k.rows, v.rows, y.rows, dy.rows, dq.rows, dk.rows, dv.rows}) {
    TEMPER_KERNEL_CHECK(rows == q.rows);
  }
  CudaStream& cuda = BeginOp(stream);

  const int kv_heads = static_cast<int>(shape.kv_heads);
  const int64_t rows = q.rows * shape.q_heads;
  float* const delta = cuda.Scratch<float>(rows);
  constexpr int kWarps = kAttentionThreads / kWarp;
  TEMPER_LAUNCH(DeltaKernel, cuda, dim3(static_cast<unsigned>((rows + kWarps - 1) / kWarps)),
                kAttentionThreads, 0, y, dy, shape.q_heads, shape.head_dim, delta);

  const auto aligned = [&](const auto& view) { return QuadsAligned(view, shape.head_dim); };
  BackwardArguments arguments = {.q = q,
                                 .k = k,
                                 .v = v,
                                 .dy = dy,
                                 .dq = dq,
                                 .dk = dk,
                                 .dv = dv,
                                 .lse = lse,
                                 .delta = delta,
                                 .blocks = nullptr,
                                 .kv_heads = kv_heads,
                                 .group = group,
                                 .aligned = aligned(q) && aligned(k) && aligned(v) && aligned(dy) &&
                                            aligned(dq) && aligned(dk) && aligned(dv)};
  ForHeadDim(shape.head_dim, [&]<int kDepth>(HeadSize<kDepth> size) {
    constexpr int kRows = RowsPerThread(AttentionKernel::kGradients, kDepth);
    constexpr int kBlockRows = kAttentionThreads / kGroupLanes * kRows;
    const size_t shared = CheckedSharedBytes(AttentionKernel::kGradients, size.head_dim);
    std::vector<RowBlock> queries = CutRows(segments, group, kBlockRows);
    LongestFirst(queries, [](const RowBlock& block) { return block.first; });
    arguments.blocks = cuda.Upload(std::span<const RowBlock>(queries));
    TEMPER_LAUNCH((QueryGradientKernel<kDepth, kRows>), cuda, GridOf(queries, kv_heads),
                  kAttentionThreads, shared, size, arguments);

    std::vector<RowBlock> keys = CutRows(segments, 1, kBlockRows);
    LongestFirst(keys, [](const RowBlock& block) { return block.tokens - block.first; });
    arguments.blocks = cuda.Upload(std::span<const RowBlock>(keys));
    TEMPER_LAUNCH((KeyGradientKernel<kDepth, kRows>), cuda, GridOf(keys, kv_heads),
                  kAttentionThreads, shared, size, arguments);
  });
}

}  // namespace

void AddAttentionBackwardOps(Ops& ops) { ops.attention_backward = AttentionBackward; }

}  // namespace temper::kernels::cuda
