// Causal attention forward by tensor cores, for layers whose weights are bfloat16: the online
// softmax of attention.cu over the same tiles in the same order.
//
// What is rounded: q, k, v as they come to shared memory, and the weights exp(score - most) before
// they multiply v. Scores and sums of either product are float32; scores are scaled after, so that
// backward multiplies the same q. The sum of the weights takes them unrounded: it is the
// log-sum-exp that backward reads. A key that a row does not see has weight 0; v must be finite
// there, and the output's zeros are positive, since such a key may turn a negative one.
//
// One function for all: decoding's warp takes the 16 rows of its block and a quarter of the columns
// (each of four computes all scores), prefill's and training's 32 rows and all columns.
//
// What limits it, at head_dim 128. Decoding: memory, 64 KiB of keys and values a tile. Against
// that, of a tile a block does 4 * 64 + 64 mma (0.3 us of a multiprocessor of an H200, which gets
// 64 KiB in 1.8 us), and softmax for 4 times its rows. 38 KiB of shared memory: 5 blocks of 128
// threads with 16 KiB under way each. Prefill and training: 4 head_dim flop a query head and key.
// 128 rows share a tile: 4.2 Mflop for 64 KiB from the second-level cache, 64 flop a byte: at
// about 5.5 TB/s 350 Tflop/s, which bounds it before the 600 or so that mma reaches of an H200's
// 990; the float32 kernel's bound is 67. Shared memory: each of four warps reads 16 KiB of keys, 16
// of values and 8 of queries a tile, 1.25 clocks of reading for an mma of 1 to 2. 68 KiB and 128
// threads of up to 255 registers: 2 blocks, one of which multiplies while the other fetches.
#include <cmath>

#include "kernels/cuda/attention_bf16.h"
#include "kernels/cuda/attention_forward.h"

namespace temper::kernels::cuda {

namespace {

constexpr float kLog2E = 1.4426950408889634f, kLn2 = 0.6931471805599453f;

// What a thread holds of its rows between tiles: of rows g + 8 h of sixteen i, the same in the four
// lanes of a row; columns as attention_bf16.h tells.
template <int kTiles, int kColumns>
struct TensorRows {
  float most[kTiles][2];  // the largest score so far, times log2(e)
  float sum[kTiles][2];   // of the weights exp(score - most)
  float out[kTiles][kColumns / 8][4];
};

// Sum and maximum over a row's four lanes, the same bits in each.
__device__ __forceinline__ float RowSum(float value) {
  value += __shfl_xor_sync(kAllLanes, value, 1);
  return value + __shfl_xor_sync(kAllLanes, value, 2);
}
__device__ __forceinline__ float RowMax(float value) {
  value = fmaxf(value, __shfl_xor_sync(kAllLanes, value, 1));
  return fmaxf(value, __shfl_xor_sync(kAllLanes, value, 2));
}

// Scores of row g + 8 h, times `factor`, become weights relative to the new maximum; the row's
// output so far is made relative to it too. seen: the tile's keys that the row sees, perhaps none.
template <int kColumns>
__device__ __forceinline__ void SoftmaxRow(int h, int seen, float factor,
                                           float (&scores)[kTileRows / 8][4], float& most,
                                           float& sum, float (&out)[kColumns / 8][4]) {
  const int t = static_cast<int>(threadIdx.x) % 4;
  float now = most;
#pragma unroll
  for (int n = 0; n < kTileRows / 8; ++n) {
#pragma unroll
    for (int e = 0; e < 2; ++e) {
      scores[n][2 * h + e] *= factor;
      if (8 * n + 2 * t + e < seen) now = fmaxf(now, scores[n][2 * h + e]);
    }
  }
  now = RowMax(now);
  float total = 0.0f;
#pragma unroll
  for (int n = 0; n < kTileRows / 8; ++n) {
#pragma unroll
    for (int e = 0; e < 2; ++e) {
      float& weight = scores[n][2 * h + e];
      weight = 8 * n + 2 * t + e < seen ? exp2f(weight - now) : 0.0f;
      total += weight;
    }
  }
  const float shrink = seen > 0 ? exp2f(most - now) : 1.0f;
  sum = fmaf(shrink, sum, RowSum(total));
  most = now;
#pragma unroll
  for (int n = 0; n < kColumns / 8; ++n) {
    out[n][2 * h] *= shrink;
    out[n][2 * h + 1] *= shrink;
  }
}

// kAcross: warps that share rows, each with its part of the columns.
template <int kDepth, int kTiles, int kAcross>
__global__ void __launch_bounds__(kTensorThreads, kAcross == 1 ? 2 : 5)
    AttendTensorKernel(int depth, AttendArguments in) {
  TEMPER_DYNAMIC_SHARED(uint16_t, query);  // [kBlockRows, kPitch]
  constexpr int kPitch = kDepth + kTensorGap, kColumns = kDepth / kAcross;
  constexpr int kBlockRows = 16 * kTiles * kTensorWarps / kAcross;
  uint16_t* const keys = query + kBlockRows * kPitch;  // [64, kPitch]
  uint16_t* const values = keys + kTileRows * kPitch;  // [64, kPitch]
  const QueryBlock block = in.blocks[blockIdx.x / static_cast<unsigned>(in.kv_heads)];
  const int head = static_cast<int>(blockIdx.x % static_cast<unsigned>(in.kv_heads));
  const int first = block.rows.first;
  const int position = static_cast<int>(block.rows.position);
  const int valid = Clamp(block.rows.tokens * in.group - first, 0, kBlockRows);
  const int warp = static_cast<int>(threadIdx.x) / kWarp;
  const int g = static_cast<int>(threadIdx.x) % kWarp / 4, t = static_cast<int>(threadIdx.x) % 4;
  const int own = warp / kAcross * 16 * kTiles;  // the warp's first row of the block
  const int first_column = warp % kAcross * kColumns;

  const int64_t column = static_cast<int64_t>(head) * in.group * depth;
  const HeadRows<const float> q = {in.q.row(block.rows.begin) + column, in.q.stride, in.group,
                                   depth};
  LoadRounded<kDepth>(
      kBlockRows, valid, depth, in.aligned, [&](int r) { return q(first + r); }, query);

  TensorRows<kTiles, kColumns> rows;
  int sees[kTiles][2];  // keys of the sequence; none: no such row
#pragma unroll
  for (int i = 0; i < kTiles; ++i) {
    Clear(rows.out[i]);
#pragma unroll
    for (int h = 0; h < 2; ++h) {
      const int row = own + 16 * i + g + 8 * h;
      sees[i][h] = row < valid ? position + (first + row) / in.group + 1 : 0;
      rows.most[i][h] = -INFINITY;
      rows.sum[i][h] = 0.0f;
    }
  }
  // Keys that the block's and the warp's last row sees.
  const int last = own + 16 * kTiles < valid ? own + 16 * kTiles : valid;
  const int block_sees = position + (first + valid - 1) / in.group + 1;
  const int warp_sees = own < valid ? position + (first + last - 1) / in.group + 1 : 0;
  const float factor = kLog2E / sqrtf(static_cast<float>(depth));
  const TilePointers* pointers = in.tiles + block.first_tile;
  for (int done = 0; done < block_sees; done += kTileRows, ++pointers) {
    const int count = Clamp(block_sees - done, 0, kTileRows);
    const float* const from_keys = pointers->keys + head * depth;
    const float* const from_values = pointers->values + head * depth;
    __syncthreads();  // the last tile has been used
    LoadRounded<kDepth>(
        kTileRows, count, depth, in.aligned,
        [&](int r) { return from_keys + r * block.tile_stride; }, keys);
    LoadRounded<kDepth>(
        kTileRows, count, depth, in.aligned,
        [&](int r) { return from_values + r * block.tile_stride; }, values);
    __syncthreads();
    const int seen = Clamp(warp_sees - done, 0, kTileRows);
    if (seen == 0) continue;  // the same for the whole warp
    float scores[kTiles][kTileRows / 8][4];
    TensorDots<kDepth, kTiles>(query + own * kPitch, keys, depth, seen, scores);
#pragma unroll
    for (int i = 0; i < kTiles; ++i) {
#pragma unroll
      for (int h = 0; h < 2; ++h) {
        if (own + 16 * i + 8 * h >= valid) continue;  // scores are zero: so are the weights
        SoftmaxRow<kColumns>(h, Clamp(sees[i][h] - done, 0, kTileRows), factor, scores[i],
                             rows.most[i][h], rows.sum[i][h], rows.out[i]);
      }
    }
    TensorAddWeighted<kDepth, kTiles, kColumns>(scores, values, first_column, depth, seen,
                                                rows.out);
  }

  const HeadRows<float> y = {in.y.row(block.rows.begin) + column, in.y.stride, in.group, depth};
#pragma unroll
  for (int i = 0; i < kTiles; ++i) {
#pragma unroll
    for (int h = 0; h < 2; ++h) {
      const int row = own + 16 * i + g + 8 * h;
      if (row >= valid) continue;
      const float inverse = 1.0f / rows.sum[i][h];
      float* const to = y(first + row);
#pragma unroll
      for (int n = 0; n < kColumns / 8; ++n) {
        StorePair(rows.out[i][n][2 * h] * inverse + 0.0f,
                  rows.out[i][n][2 * h + 1] * inverse + 0.0f, first_column + 8 * n + 2 * t, depth,
                  in.aligned, to);
      }
      if (in.lse != nullptr && t == 0 && first_column == 0) {
        const int64_t token = block.rows.begin + (first + row) / in.group;
        in.lse[(token * in.kv_heads + head) * in.group + (first + row) % in.group] =
            fmaf(rows.most[i][h], kLn2, logf(rows.sum[i][h]));
      }
    }
  }
}

template <AttentionKernel kKernel, int kDepth>
void LaunchBlocks(CudaStream& cuda, int depth, std::vector<QueryBlock>& blocks,
                  AttendArguments arguments) {
  constexpr bool kFew = kKernel == AttentionKernel::kFewQueries;
  static_assert(TensorRowsOf(kKernel) == (kFew ? 16 : 32 * kTensorWarps));
  arguments.blocks = UploadBlocks(cuda, blocks, arguments.group);
  TEMPER_LAUNCH((AttendTensorKernel < kDepth, kFew ? 1 : 2, kFew ? kTensorWarps : 1 >), cuda,
                GridOf(blocks, arguments.kv_heads), kTensorThreads,
                TensorSharedBytes(kKernel, depth), depth, arguments);
}

}  // namespace

void AttendBFloat16(CudaStream& cuda, const AttentionShape& shape,
                    std::span<const Segment> segments, std::span<const KeyValueTiles> tiles,
                    AttendArguments arguments) {
  const int depth = static_cast<int>(shape.head_dim);
  QueryBlocks blocks =
      CutQueries(segments, tiles, arguments.group, TensorRowsOf(AttentionKernel::kFewQueries),
                 TensorRowsOf(AttentionKernel::kManyQueries));
  const auto launch = [&]<int kDepth>() {
    LaunchBlocks<AttentionKernel::kManyQueries, kDepth>(cuda, depth, blocks.many, arguments);
    LaunchBlocks<AttentionKernel::kFewQueries, kDepth>(cuda, depth, blocks.few, arguments);
  };
  if (TensorDepth(depth) == 64) {
    launch.operator()<64>();
  } else {
    launch.operator()<128>();
  }
}

}  // namespace temper::kernels::cuda
