// What products have in common: an operand's tile, how it comes into shared memory, and which block
// computes which tile.
//
// The sum over depth has one order, without a split, so that an element has the same bits wherever
// its row stands. 64 x 64 elements are the tile of float32 weights.
#pragma once

#include <cstdint>

#include "kernels/cuda/copy_async.h"
#include "kernels/cuda/device_code.h"

namespace temper::kernels::cuda {

inline constexpr int kProductTile = 64;

// Which index of an operand runs along memory: depth (an element's neighbour is the next of the
// same sum) or side (the next row or column of the product).
enum class Along { kDepth, kSide };

// An operand at a tile's first row (or column) and depth 0.
template <class T>
struct TileOperand {
  const T* data;
  int64_t stride;  // elements between memory's rows
  int64_t sides;   // that exist from here on
  bool aligned;    // data and stride, to 16 bytes
};

// The 16 bytes at `to` become the first `count` elements of `from`, and zeros; asynchronously where
// both lie on 16 bytes.
template <class T>
__device__ __forceinline__ void FetchVector(T* to, const T* from, int count, bool aligned) {
  if (aligned) {
    FetchAsync(to, from, count * static_cast<int>(sizeof(T)));
  } else {
    for (int j = 0; j < static_cast<int>(16 / sizeof(T)); ++j) to[j] = j < count ? from[j] : T{0};
  }
}

// Brings depths [begin, begin + kDepth) of kSides sides to `shared`, asynchronously where it can;
// zeros for what does not exist. Memory's rows stay rows, kRow elements apart.
template <Along kAlong, int kSides, int kDepth, int kRow, int kThreads, class T>
__device__ __forceinline__ void FetchTile(const TileOperand<T>& operand, int64_t depth,
                                          int64_t begin, T* shared) {
  constexpr int kVector = 16 / sizeof(T);
  constexpr int kCols = kAlong == Along::kDepth ? kDepth : kSides;
  constexpr int kChunks = kSides * kDepth / kVector;
  static_assert(kChunks % kThreads == 0 && kRow % kVector == 0);
  for (int i = 0; i < kChunks / kThreads; ++i) {
    const int chunk = i * kThreads + static_cast<int>(threadIdx.x);
    const int row = chunk / (kCols / kVector);
    const int col = chunk % (kCols / kVector) * kVector;
    int64_t memory_row = row, memory_col = col, rows = operand.sides, cols = operand.sides;
    if constexpr (kAlong == Along::kDepth) {
      memory_col += begin;
      cols = depth;
    } else {
      memory_row += begin;
      rows = depth;
    }
    int64_t count = memory_row < rows ? cols - memory_col : 0;
    count = count < 0 ? 0 : count > kVector ? kVector : count;
    const T* const from =
        count > 0 ? operand.data + memory_row * operand.stride + memory_col : operand.data;
    FetchVector(shared + row * kRow + col, from, static_cast<int>(count), operand.aligned);
  }
}

// A pipeline of kStages: calls fetch(step, slot) early and multiply(slot) when that is there. The
// barrier of step s says that all have done with s - 1, whose place the fetch then takes.
template <int kStages, class Fetch, class Multiply>
__device__ __forceinline__ void ForEachStep(int64_t steps, Fetch fetch, Multiply multiply) {
  for (int stage = 0; stage < kStages - 1; ++stage) {
    if (stage < steps) fetch(stage, stage);
    CommitFetches();
  }
  int slot = 0;  // of `step`; the one before is free
  for (int64_t step = 0; step < steps; ++step) {
    WaitForFetches<kStages - 2>();
    __syncthreads();
    const int64_t next = step + kStages - 1;
    if (next < steps) fetch(next, slot == 0 ? kStages - 1 : slot - 1);
    CommitFetches();
    multiply(slot);
    slot = slot == kStages - 1 ? 0 : slot + 1;
  }
  WaitForFetches<0>();
}

// Block `block` of a grid of row_tiles * col_tiles: walks down 16 tiles of rows before the next of
// columns, so that blocks under way at a time share what they read in the second-level cache.
struct ProductPlace {
  int64_t row_tile, col_tile;
};
__device__ __forceinline__ ProductPlace PlaceOfBlock(int64_t block, int64_t row_tiles,
                                                  int64_t col_tiles) {
  constexpr int64_t kBand = 16;
  const int64_t first = block / (kBand * col_tiles) * kBand;
  const int64_t rows = row_tiles - first < kBand ? row_tiles - first : kBand;
  const int64_t within = block - first * col_tiles;
  return {first + within % rows, within / rows};
}

}  // namespace temper::kernels::cuda
