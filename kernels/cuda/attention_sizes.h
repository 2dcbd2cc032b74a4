// How large attention's blocks and tiles are and what shared memory they take: plain numbers, for
// kernels, for launches and for tests.
#pragma once

#include <cstddef>

#include "kernels/shapes.h"

namespace temper::kernels::cuda {

inline constexpr int kGroupLanes = 16;
inline constexpr int kAttentionThreads = 256;
inline constexpr int kTileRows = static_cast<int>(kAttentionTile);
inline constexpr int kHeadDimMax = 256;
inline constexpr int kColumnsPerChunk = 4 * kGroupLanes;  // one quad a lane
inline constexpr int kWeightPitch = kTileRows + 4;

// What a block may ask for. Compute capability 8.6 and 8.9 are the least: they grant 99 KiB.
inline constexpr size_t kSharedBytesMax = size_t{96} << 10;

// Floats between rows of so many columns: an odd number of quads.
constexpr int PitchOf(int columns) { return 4 * (((columns + 3) / 4) | 1); }

// Whether kernels are compiled for this head_dim; else the general ones serve.
constexpr bool HasOwnKernels(int head_dim) { return head_dim == 64 || head_dim == 128; }

// Columns of a tile that lie in shared memory at a time: all, but in the general kernels, whose
// memory must not grow with all of head_dim.
constexpr int PanelColumns(int head_dim) {
  return HasOwnKernels(head_dim) || head_dim < kColumnsPerChunk ? head_dim : kColumnsPerChunk;
}

enum class AttentionKernel { kFewQueries, kManyQueries, kGradients };

// Rows of a thread: as many as registers and shared memory allow, for each shares what is read of a
// tile; one where there are few, so that more blocks are under way.
constexpr int RowsPerThread(AttentionKernel kernel, int head_dim) {
  if (kernel == AttentionKernel::kFewQueries) return 1;
  if (!HasOwnKernels(head_dim)) return 2;
  return kernel == AttentionKernel::kGradients && head_dim == 128 ? 3 : 4;
}

// Of a block: its rows of queries, or for gradients of two matrices; a panel of a tile; the weights
// of its rows.
constexpr size_t AttentionSharedBytes(AttentionKernel kernel, int head_dim) {
  const int rows = kAttentionThreads / kGroupLanes * RowsPerThread(kernel, head_dim);
  const int matrices = kernel == AttentionKernel::kGradients ? 2 : 1;
  return sizeof(float) *
         static_cast<size_t>(matrices * rows * PitchOf(head_dim) +
                             kTileRows * PitchOf(PanelColumns(head_dim)) + rows * kWeightPitch);
}

// ---- by tensor cores (attention_bf16.h)
// Larger heads than this are computed in float32, whatever the dtype.
inline constexpr int kTensorDepthMax = 128;
inline bool TakesTensorCores(const AttentionShape& shape) {
  return shape.dtype == Dtype::kBFloat16 && shape.head_dim <= kTensorDepthMax;
}
// The head_dim that kernels are compiled for; rows lie so many bfloat16 more apart.
constexpr int TensorDepth(int head_dim) { return head_dim <= 64 ? 64 : kTensorDepthMax; }
inline constexpr int kTensorGap = 8;
// Rows of a block.
constexpr int TensorRowsOf(AttentionKernel kernel) {
  return kernel == AttentionKernel::kFewQueries    ? 16
         : kernel == AttentionKernel::kManyQueries ? 128
                                                   : 64;
}
// Of a block: its rows of queries, or for gradients of two matrices, and a tile of each of two.
constexpr size_t TensorSharedBytes(AttentionKernel kernel, int head_dim) {
  const int matrices = kernel == AttentionKernel::kGradients ? 2 : 1;
  return 2 * static_cast<size_t>((matrices * TensorRowsOf(kernel) + 2 * kTileRows) *
                                 (TensorDepth(head_dim) + kTensorGap));
}

}  // namespace temper::kernels::cuda
