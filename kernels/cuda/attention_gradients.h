// What attention backward's kernels are given, in either dtype, and how a batch is cut for them.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "kernels/cuda/attention_blocks.h"
#include "kernels/cuda/cuda_stream.h"
#include "kernels/cuda/matrix.h"

namespace temper::kernels::cuda {

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
struct Slice {
  RowBlock block;
  int head, group, depth, rows;  // rows: of queries in the segment
  HeadRows<const float> q, dy;
  const float *k, *v;  // of the segment's token 0
  const float *lse, *delta;
  int64_t q_heads;

  __device__ __forceinline__ Slice(int depth, const BackwardArguments& in)
      : block(in.blocks[blockIdx.x / static_cast<unsigned>(in.kv_heads)]),
        head(static_cast<int>(blockIdx.x % static_cast<unsigned>(in.kv_heads))),
        group(in.group),
        depth(depth),
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
  // Where dq's rows are.
  __device__ __forceinline__ HeadRows<float> GradientRows(const Matrix<float>& dq) const {
    return {dq.row(block.begin) + static_cast<int64_t>(head) * group * depth, dq.stride, group,
            depth};
  }
};

__device__ __forceinline__ int AtMost(int value, int most) { return value < most ? value : most; }

// All rows of all segments, `step` a block.
inline std::vector<RowBlock> CutRows(std::span<const Segment> segments, int rows_per_token,
                                     int step) {
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
// Blocks of `step` rows of queries, and of keys; the longest work first.
inline std::vector<RowBlock> QueryGradientBlocks(std::span<const Segment> segments, int group,
                                                 int step) {
  std::vector<RowBlock> blocks = CutRows(segments, group, step);
  LongestFirst(blocks, [](const RowBlock& block) { return block.first; });
  return blocks;
}
inline std::vector<RowBlock> KeyGradientBlocks(std::span<const Segment> segments, int step) {
  std::vector<RowBlock> blocks = CutRows(segments, 1, step);
  LongestFirst(blocks, [](const RowBlock& block) { return block.tokens - block.first; });
  return blocks;
}

// attention_backward_bf16.cu: the gradients where the shape's TakesTensorCores. `arguments` but for
// blocks.
void GradientsBFloat16(CudaStream& cuda, const AttentionShape& shape,
                       std::span<const Segment> segments, BackwardArguments arguments);

}  // namespace temper::kernels::cuda
