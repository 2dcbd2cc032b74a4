// How attention cuts a batch into blocks of threads, forward and backward.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "kernels/check.h"
#include "kernels/cuda/attention_tile.h"
#include "kernels/view.h"

namespace temper::kernels::cuda {

// The neighbouring rows of one segment, from `first` on, that one block works on: of queries, rows
// as HeadRows counts them; of keys, tokens.
struct RowBlock {
  int64_t begin = 0;     // the segment's first token in packed matrices
  int64_t position = 0;  // of that token
  int32_t tokens = 0;    // of the segment
  int32_t first = 0;
};

// Query heads that share a key/value head.
inline int CheckedGroup(const AttentionShape& shape) {
  TEMPER_KERNEL_CHECK(shape.kv_heads > 0 && shape.q_heads % shape.kv_heads == 0);
  TEMPER_KERNEL_CHECK(shape.head_dim > 0 && shape.head_dim <= kHeadDimMax);
  return static_cast<int>(shape.q_heads / shape.kv_heads);
}

inline int32_t CheckedRows(const Segment& segment, int group) {
  constexpr int64_t kMost = (int64_t{1} << 31) - 2 * kTileRows;  // kernels count in 32 bits
  TEMPER_KERNEL_CHECK(segment.position + segment.length < kMost);
  TEMPER_KERNEL_CHECK(segment.length * group < kMost);
  return static_cast<int32_t>(segment.length * group);
}

// Blocks start in order: the longest work first leaves no straggler at the end.
template <class Block, class Work>
void LongestFirst(std::vector<Block>& blocks, Work work) {
  std::stable_sort(blocks.begin(), blocks.end(),
                   [&](const Block& a, const Block& b) { return work(a) > work(b); });
}

// Whether the quads of all heads may be read and written whole.
template <class T>
bool QuadsAligned(const View<T>& view, int64_t head_dim) {
  return (reinterpret_cast<uintptr_t>(view.data) % sizeof(float4) == 0) && view.stride % 4 == 0 &&
         head_dim % 4 == 0;
}

inline size_t CheckedSharedBytes(AttentionKernel kernel, int64_t head_dim) {
  const size_t bytes = AttentionSharedBytes(kernel, static_cast<int>(head_dim));
  TEMPER_KERNEL_CHECK(bytes <= kSharedBytesMax);
  return bytes;
}

// A block for each of these and each key/value head.
template <class Block>
dim3 GridOf(const std::vector<Block>& blocks, int kv_heads) {
  const int64_t count = static_cast<int64_t>(blocks.size()) * kv_heads;
  TEMPER_KERNEL_CHECK(count < int64_t{1} << 31);
  return dim3(static_cast<unsigned>(count));
}

// launch(HeadSize<...>) with the kernels for this head_dim.
template <class Launch>
void ForHeadDim(int64_t head_dim, Launch launch) {
  switch (head_dim) {
    case 64:
      return launch(HeadSize<64>(64));
    case 128:
      return launch(HeadSize<128>(128));
    default:
      TEMPER_KERNEL_CHECK(!HasOwnKernels(static_cast<int>(head_dim)));
      return launch(HeadSize<0>(static_cast<int>(head_dim)));
  }
}

}  // namespace temper::kernels::cuda
