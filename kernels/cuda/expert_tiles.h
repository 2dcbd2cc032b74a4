// Which rows of which expert a tile of a grouped product has, where only the device knows how many
// rows each expert has.
//
// Tiles are counted through the experts in order. The host launches as many as there can be at
// most; those beyond the last are empty.
#pragma once

#include <algorithm>
#include <cstdint>

#include "kernels/cuda/device_code.h"

namespace temper::kernels::cuda {

// Experts of a grouped call and their rows, on the device.
struct Experts {
  int64_t count = 0;
  const void* const* weights = nullptr;  // [count]
  const int32_t* first = nullptr;        // [count + 1]
};

// Tiles of up to `tile_rows` rows that `experts` experts can have between them: each but the last
// of an expert is full, and no more experts than rows have any.
inline int64_t ExpertTilesMax(int64_t rows, int64_t experts, int64_t tile_rows) {
  return (rows + (tile_rows - 1) * std::min(rows, experts)) / tile_rows;
}

struct ExpertTile {
  int expert;
  int64_t begin, count;  // rows; count 0: an empty tile
};

// The `tile`-th, the same in all lanes; by whole warps. Each lane counts the tiles of a run of
// experts. first: [experts + 1]
template <int kTileRows>
__device__ __forceinline__ ExpertTile FindExpertTile(const int32_t* first, int experts, int tile) {
  const auto tiles_of = [first](int expert) {
    return (first[expert + 1] - first[expert] + kTileRows - 1) / kTileRows;
  };
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
  const int run = (experts + kWarp - 1) / kWarp;
  int expert = lane * run;
  int own = 0;
#pragma unroll 4
  for (int e = expert; e < expert + run; ++e) own += e < experts ? tiles_of(e) : 0;
  int sum = own;  // with the tiles of the lanes before it
  for (int distance = 1; distance < kWarp; distance *= 2) {
    const int lower = __shfl_up_sync(kAllLanes, sum, static_cast<unsigned>(distance));
    if (lane >= distance) sum += lower;
  }
  const int owner = __popc(__ballot_sync(kAllLanes, sum <= tile));
  if (owner == kWarp) return {0, 0, 0};
  int before = tile - (sum - own);  // tiles of its lane before this one
  if (lane == owner) {
    for (int tiles = tiles_of(expert); before >= tiles; tiles = tiles_of(expert)) {
      before -= tiles;
      ++expert;
    }
  }
  expert = __shfl_sync(kAllLanes, expert, owner);
  before = __shfl_sync(kAllLanes, before, owner);
  const int64_t begin = first[expert] + static_cast<int64_t>(before) * kTileRows;
  const int64_t left = first[expert + 1] - begin;
  return {expert, begin, left < kTileRows ? left : kTileRows};
}

}  // namespace temper::kernels::cuda
