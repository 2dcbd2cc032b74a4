// What attention forward's kernels are given, in either dtype, and how a batch is cut for them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "kernels/cuda/attention_blocks.h"
#include "kernels/cuda/cuda_stream.h"
#include "kernels/cuda/launch.h"
#include "kernels/cuda/matrix.h"

namespace temper::kernels::cuda {

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

// Segments of at most `few` rows are a block of the small kernel each; of others, `step` rows are a
// block of the large one.
struct QueryBlocks {
  std::vector<QueryBlock> few, many;
};
inline QueryBlocks CutQueries(std::span<const Segment> segments,
                              std::span<const KeyValueTiles> tiles, int group, int32_t few,
                              int32_t step) {
  QueryBlocks cut;
  int64_t first_tile = 0;
  for (size_t s = 0; s < segments.size(); ++s) {
    const Segment& segment = segments[s];
    const int32_t rows = CheckedRows(segment, group);
    for (int32_t first = 0; first < rows; first += step) {
      (rows <= few ? cut.few : cut.many)
          .push_back({.rows = {.begin = segment.begin,
                               .position = segment.position,
                               .tokens = static_cast<int32_t>(segment.length),
                               .first = first},
                      .first_tile = first_tile,
                      .tile_stride = tiles[s].stride});
    }
    first_tile += (segment.position + segment.length + kAttentionTile - 1) / kAttentionTile;
  }
  return cut;
}

// The blocks on the device, the longest work first.
inline const QueryBlock* UploadBlocks(CudaStream& cuda, std::vector<QueryBlock>& blocks,
                                      int group) {
  LongestFirst(blocks, [group](const QueryBlock& block) {
    return block.rows.position + block.rows.first / group;
  });
  return cuda.Upload(std::span<const QueryBlock>(blocks));
}

// attention_bf16.cu: attention where the shape's TakesTensorCores. `arguments` but for blocks.
void AttendBFloat16(CudaStream& cuda, const AttentionShape& shape,
                    std::span<const Segment> segments, std::span<const KeyValueTiles> tiles,
                    AttendArguments arguments);

}  // namespace temper::kernels::cuda
