// Causal attention forward: online softmax over tiles of 64 keys anchored at position 0.
//
// A block of threads works on neighbouring query rows of one segment and one key/value head, and
// goes through the tiles in order; nothing is split over keys. Decoding, prefill and training call
// the same AttendTile.
//
// What limits it. Decoding: memory. A tile of head_dim 128 is 64 KiB of keys and values for
// 32 Kflop a query head; 4 blocks of 256 threads fit in a multiprocessor and hide each other's
// waits. Prefill and training: float32 arithmetic (66 Tflop/s on an H100), 4 head_dim flop a query
// head and key; 64 rows share each tile, 2 blocks a multiprocessor. Dots and AddWeighted are where
// tensor cores would come in.
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

struct TilePointers {
  const float* keys;
  const float* values;
};

struct QueryBlock {
  RowBlock rows;
  int64_t first_tile;  // the segment's tile 0 in the list of all tiles
  int64_t tile_stride;
};

struct AttendArguments {
  Matrix<const float> q;
  Matrix<float> y;
  float* lse;  // [tokens, kv_heads * group] or null
  const QueryBlock* blocks;
  const TilePointers* tiles;
  int kv_heads, group;
  bool aligned;

  static constexpr size_t kFieldBytes =
      2 * sizeof(Matrix<float>) + 3 * sizeof(void*) + 2 * sizeof(int) + sizeof(bool);
};

__device__ __forceinline__ int Clamp(int value, int least, int most) {
  return value < least ? least : value > most ? most : value;
}

// What a thread holds of its rows between tiles; the same `most` and `sum` in all lanes of a group.
template <int kDepth, int kRows>
struct SoftmaxRows {
  float most[kRows];                             // the largest score so far
  float sum[kRows];                              // of exp(score - most)
  float4 out[kRows][HeadSize<kDepth>::kChunks];  // not yet divided by the sum
};

// Scores become weights relative to the new maximum; seen[i]: the tile's keys that own row i sees,
// perhaps none.
template <int kRows>
__device__ __forceinline__ void SoftmaxTile(const int (&seen)[kRows],
                                            float (&scores)[kRows][kPerLane], float (&most)[kRows],
                                            float (&sum)[kRows], float (&shrink)[kRows]) {
#pragma unroll
  for (int i = 0; i < kRows; ++i) {
    float now = most[i];
#pragma unroll
    for (int j = 0; j < kPerLane; ++j) {
      if (GroupLane() + kGroupLanes * j < seen[i]) now = fmaxf(now, scores[i][j]);
    }
    now = GroupMax(now);
#pragma unroll
    for (int j = 0; j < kPerLane; ++j) {
      const bool sees = GroupLane() + kGroupLanes * j < seen[i];
      scores[i][j] = sees ? expf(scores[i][j] - now) : 0.0f;
    }
    shrink[i] = seen[i] > 0 ? expf(most[i] - now) : 1.0f;
    const float total = GroupSum((scores[i][0] + scores[i][1]) + (scores[i][2] + scores[i][3]));
    sum[i] = fmaf(shrink[i], sum[i], total);
    most[i] = now;
  }
}

// Adds the share of a tile's first `count` keys, as many as the block's last row sees, to the
// block's rows. `tile` holds panels of the keys, then of the values; called by all threads.
template <int kDepth, int kRows>
__device__ __forceinline__ void AttendTile(HeadSize<kDepth> size, const TilePointers& from,
                                           int column, int64_t stride, bool aligned, int count,
                                           bool active, const int (&seen)[kRows],
                                           const float* query, float* tile, float* weights,
                                           SoftmaxRows<kDepth, kRows>& rows) {
  const TileSource keys = {count, aligned, 1.0f, [first = from.keys + column, stride](int r) {
                             return first + r * stride;
                           }};
  const TileSource values = {count, aligned, 1.0f, [first = from.values + column, stride](int r) {
                               return first + r * stride;
                             }};
  float scores[kRows][kPerLane], shrink[kRows];
  Dots(size, keys, active, query, tile, scores);
  if (active) {
    SoftmaxTile(seen, scores, rows.most, rows.sum, shrink);
    StoreWeights(scores, weights);
  }
  ForEachPanel(size, values, tile, [&](int panel) {
    if (!active) return;
    bool all = true;
#pragma unroll
    for (int i = 0; i < kRows; ++i) all = all && seen[i] == kTileRows;
    if (all) {
      AddWeighted(
          size, panel, weights, tile, kTileRows, [](int, int) { return true; }, shrink, rows.out);
    } else {
      AddWeighted(
          size, panel, weights, tile, count, [&](int i, int j) { return j < seen[i]; }, shrink,
          rows.out);
    }
  });
}

template <int kDepth, int kRows>
__global__ void __launch_bounds__(kAttentionThreads, kRows == 1 && kDepth != 0 ? 4 : 2)
    AttendKernel(HeadSize<kDepth> size, AttendArguments in) {
  TEMPER_DYNAMIC_SHARED(float, shared);
  constexpr int kBlockRows = kAttentionThreads / kGroupLanes * kRows;
  const QueryBlock block = in.blocks[blockIdx.x / static_cast<unsigned>(in.kv_heads)];
  const int head = static_cast<int>(blockIdx.x % static_cast<unsigned>(in.kv_heads));
  const int first = block.rows.first;
  const int position = static_cast<int>(block.rows.position);
  const int left_rows = block.rows.tokens * in.group - first;
  const int valid = left_rows < kBlockRows ? left_rows : kBlockRows;
  const int depth = size.depth(), pitch = size.pitch();
  float* const query = shared;                                    // [kBlockRows, pitch], scaled
  float* const tile = query + kBlockRows * pitch;                 // [64, pitch of a panel]
  float* const weights = tile + kTileRows * size.Panel(0).pitch;  // [kBlockRows, kWeightPitch]

  const int64_t column = static_cast<int64_t>(head) * in.group * depth;
  const HeadRows<const float> q = {in.q.row(block.rows.begin) + column, in.q.stride, in.group,
                                   depth};
  LoadRows(
      size.All(), kBlockRows, valid, in.aligned, 1.0f / sqrtf(static_cast<float>(depth)),
      [&](int r) { return q(first + r); }, query);

  SoftmaxRows<kDepth, kRows> rows;
  int sees[kRows];  // keys from the tile under way on; zero or less: all are behind
#pragma unroll
  for (int i = 0; i < kRows; ++i) {
    const int row = OwnRow<kRows>(i);
    sees[i] = row < valid ? position + (first + row) / in.group + 1 : 0;
    rows.most[i] = -INFINITY;
    rows.sum[i] = 0.0f;
  }
  Clear(rows.out);
  const bool active = WarpOwns<kRows>(valid);
  const int keys = position + (first + valid - 1) / in.group + 1;
  const TilePointers* pointers = in.tiles + block.first_tile;
  for (int left = keys; left > 0; left -= kTileRows) {
    int seen[kRows];
#pragma unroll
    for (int i = 0; i < kRows; ++i) seen[i] = Clamp(sees[i], 0, kTileRows);
    AttendTile(size, *pointers, head * depth, block.tile_stride, in.aligned,
               Clamp(left, 0, kTileRows), active, seen, query, tile, weights, rows);
#pragma unroll
    for (int i = 0; i < kRows; ++i) sees[i] -= kTileRows;
    ++pointers;
  }

  const HeadRows<float> y = {in.y.row(block.rows.begin) + column, in.y.stride, in.group, depth};
#pragma unroll
  for (int i = 0; i < kRows; ++i) {
    const int row = OwnRow<kRows>(i);
    if (row >= valid) continue;
    const float inverse = 1.0f / rows.sum[i];
#pragma unroll
    for (int c = 0; c < HeadSize<kDepth>::kChunks; ++c) {
      const int at = c * kColumnsPerChunk + 4 * GroupLane();
      const float4 out = rows.out[i][c];
      if (at < depth) {
        StoreQuad(make_float4(out.x * inverse, out.y * inverse, out.z * inverse, out.w * inverse),
                  at, depth, in.aligned, y(first + row));
      }
    }
    if (in.lse != nullptr && GroupLane() == 0) {
      const int64_t token = block.rows.begin + (first + row) / in.group;
      in.lse[(token * in.kv_heads + head) * in.group + (first + row) % in.group] =
          rows.most[i] + logf(rows.sum[i]);
    }
  }
}

template <AttentionKernel kKernel, int kDepth>
void LaunchAttend(CudaStream& cuda, HeadSize<kDepth> size, std::vector<QueryBlock>& blocks,
                  AttendArguments arguments) {
  constexpr int kRows = RowsPerThread(kKernel, kDepth);
  const int group = arguments.group;
  LongestFirst(blocks, [group](const QueryBlock& block) {
    return block.rows.position + block.rows.first / group;
  });
  arguments.blocks = cuda.Upload(std::span<const QueryBlock>(blocks));
  TEMPER_LAUNCH((AttendKernel<kDepth, kRows>), cuda, GridOf(blocks, arguments.kv_heads),
                kAttentionThreads, CheckedSharedBytes(kKernel, size.head_dim), size, arguments);
}

void Attention(Stream& stream, const AttentionShape& shape, std::span<const Segment> segments,
               View<const float> q, std::span<const KeyValueTiles> tiles, View<float> y,
               float* lse) {
  const int group = CheckedGroup(shape);
  TEMPER_KERNEL_CHECK(q.cols == shape.q_heads * shape.head_dim && y.cols == q.cols);
  TEMPER_KERNEL_CHECK(tiles.size() == segments.size());
  CudaStream& cuda = BeginOp(stream);

  AttendArguments arguments = {.q = q,
                               .y = y,
                               .lse = lse,
                               .blocks = nullptr,
                               .tiles = nullptr,
                               .kv_heads = static_cast<int>(shape.kv_heads),
                               .group = group,
                               .aligned = false};
  uintptr_t addresses = 0;  // their low bits, all together
  std::vector<TilePointers> pointers;
  for (size_t s = 0; s < segments.size(); ++s) {
    const int64_t positions = segments[s].position + segments[s].length;
    for (int64_t t = 0; t < (positions + kAttentionTile - 1) / kAttentionTile; ++t) {
      const TilePointers tile = {tiles[s].keys[t], tiles[s].values[t]};
      pointers.push_back(tile);
      addresses |=
          reinterpret_cast<uintptr_t>(tile.keys) | reinterpret_cast<uintptr_t>(tile.values);
    }
    addresses |= static_cast<uintptr_t>(tiles[s].stride) * sizeof(float);
  }
  arguments.aligned = QuadsAligned(q, shape.head_dim) && QuadsAligned(y, shape.head_dim) &&
                      addresses % sizeof(float4) == 0;
  arguments.tiles = cuda.Upload(std::span<const TilePointers>(pointers));

  ForHeadDim(shape.head_dim, [&]<int kDepth>(HeadSize<kDepth> size) {
    constexpr int kGroups = kAttentionThreads / kGroupLanes;
    constexpr int kManyRows = RowsPerThread(AttentionKernel::kManyQueries, kDepth);
    std::vector<QueryBlock> few, many;
    int64_t first_tile = 0;
    for (size_t s = 0; s < segments.size(); ++s) {
      const Segment& segment = segments[s];
      const int32_t rows = CheckedRows(segment, group);
      std::vector<QueryBlock>& blocks = rows <= kGroups ? few : many;
      const int32_t step = kGroups * (rows <= kGroups ? 1 : kManyRows);
      for (int32_t first = 0; first < rows; first += step) {
        blocks.push_back({.rows = {.begin = segment.begin,
                                   .position = segment.position,
                                   .tokens = static_cast<int32_t>(segment.length),
                                   .first = first},
                          .first_tile = first_tile,
                          .tile_stride = tiles[s].stride});
      }
      first_tile += (segment.position + segment.length + kAttentionTile - 1) / kAttentionTile;
    }
    LaunchAttend<AttentionKernel::kManyQueries>(cuda, size, many, arguments);
    LaunchAttend<AttentionKernel::kFewQueries>(cuda, size, few, arguments);
  });
}

// ---- store_tiles

constexpr int kCopyThreads = 256;

// One row a block in x, four columns a thread.
__global__ void StoreRowsKernel(Matrix<const float> x, float* const* to, bool aligned) {
  const int64_t column =
      4 * (static_cast<int64_t>(blockIdx.y) * kCopyThreads + static_cast<int64_t>(threadIdx.x));
  if (column >= x.cols) return;
  const float* const from = x.row(blockIdx.x) + column;
  float* const row = to[blockIdx.x] + column;
  if (aligned) {
    *reinterpret_cast<float4*>(row) = Quad(from);
  } else {
    for (int64_t i = 0; i < 4 && column + i < x.cols; ++i) row[i] = from[i];
  }
}

void StoreTiles(Stream& stream, std::span<const Segment> segments, View<const float> x,
                std::span<float* const* const> tiles) {
  TEMPER_KERNEL_CHECK(tiles.size() == segments.size());
  CudaStream& cuda = BeginOp(stream);
  // A pointer a row: a thousandth of what is copied.
  std::vector<float*> to(static_cast<size_t>(x.rows), nullptr);
  uintptr_t addresses = 0;
  for (size_t s = 0; s < segments.size(); ++s) {
    for (int64_t i = 0; i < segments[s].length; ++i) {
      const int64_t position = segments[s].position + i;
      float* const row = tiles[s][position / kAttentionTile] + position % kAttentionTile * x.cols;
      to[static_cast<size_t>(segments[s].begin + i)] = row;
      addresses |= reinterpret_cast<uintptr_t>(row);
    }
  }
  const bool aligned = QuadsAligned(x, x.cols) && addresses % sizeof(float4) == 0;
  const int64_t chunk = 4 * kCopyThreads;
  const dim3 grid(static_cast<unsigned>(x.rows),
                  static_cast<unsigned>((x.cols + chunk - 1) / chunk));
  TEMPER_LAUNCH(StoreRowsKernel, cuda, grid, kCopyThreads, 0, x,
                cuda.Upload(std::span<float* const>(to)), aligned);
}

}  // namespace

void AddAttentionOps(Ops& ops) {
  ops.attention = Attention;
  ops.store_tiles = StoreTiles;
}

}  // namespace temper::kernels::cuda
