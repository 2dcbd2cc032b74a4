// What a block of threads does with one tile of 64 rows in shared memory; forward and backward of
// attention, and all sizes of block, share it to the bit.
//
// 256 threads stand as 16 groups of 16 lanes; a group owns kRows neighbouring rows of the block,
// 16 * kRows rows in all (kRows = 1: decoding, 4: prefill and training). Every number below is one
// chain, or one tree over the 16 lanes, that knows nothing of kRows or of the other rows: a row has
// the same bits in any block.
//
// Rows in shared memory are `pitch` floats apart, an odd number of quads: the 16 lanes that read a
// quad of 16 neighbouring rows meet no bank twice in a phase. Of a tile one panel of columns lies
// there at a time (PanelColumns); a sum over head_dim goes on from panel to panel.
#pragma once

#include <cstdint>

#include "kernels/cuda/attention_sizes.h"
#include "kernels/cuda/device_code.h"

namespace temper::kernels::cuda {

inline constexpr int kPerLane = kTileRows / kGroupLanes;  // rows of a tile that one lane multiplies

// Columns of a row of head_dim, and the pitch at which they lie in shared memory.
struct Columns {
  int first, count, pitch;
};

// head_dim and what follows from it, known to the compiler where kDepth is not 0.
template <int kDepth>
struct HeadSize {
  static constexpr int kMost = kDepth == 0 ? kHeadDimMax : kDepth;
  static constexpr int kChunks = kMost / kColumnsPerChunk;
  static constexpr int kPanelColumns = kDepth == 0 ? kColumnsPerChunk : kDepth;
  static constexpr int kPanels = kMost / kPanelColumns;
  static constexpr int kPanelChunks = kChunks / kPanels;
  static constexpr int kPitch = PitchOf(kDepth);

  int head_dim, row_pitch, panel_pitch;

  explicit HeadSize(int head_dim)
      : head_dim(head_dim),
        row_pitch(PitchOf(head_dim)),
        panel_pitch(PitchOf(PanelColumns(head_dim))) {}

  __device__ __forceinline__ int depth() const { return kDepth == 0 ? head_dim : kDepth; }
  __device__ __forceinline__ int pitch() const { return kDepth == 0 ? row_pitch : kPitch; }
  __device__ __forceinline__ int panels() const {
    return kDepth == 0 ? (head_dim + kPanelColumns - 1) / kPanelColumns : 1;
  }
  __device__ __forceinline__ Columns All() const { return {0, depth(), pitch()}; }
  // Nothing where `count` is not positive.
  __device__ __forceinline__ Columns Panel(int i) const {
    const int first = i * kPanelColumns, left = depth() - first;
    return {first, left < kPanelColumns ? left : kPanelColumns, kDepth == 0 ? panel_pitch : kPitch};
  }
};

// Row r of one key/value head is token r / group, query head r % group of those that share it.
template <class T>
struct HeadRows {
  T* first;  // row 0
  int64_t stride;
  int group, depth;

  __device__ __forceinline__ T* operator()(int row) const {
    return first + row / group * stride + row % group * depth;
  }
};

__device__ __forceinline__ int GroupLane() { return static_cast<int>(threadIdx.x) % kGroupLanes; }
// The block's row that is the thread's i-th.
template <int kRows>
__device__ __forceinline__ int OwnRow(int i) {
  return static_cast<int>(threadIdx.x) / kGroupLanes * kRows + i;
}
// Whether the thread's warp owns any of the block's first `rows` rows.
template <int kRows>
__device__ __forceinline__ bool WarpOwns(int rows) {
  return static_cast<int>(threadIdx.x) / kWarp * (kWarp / kGroupLanes) * kRows < rows;
}

__device__ __forceinline__ float4 Quad(const float* at) {
  return *reinterpret_cast<const float4*>(at);
}
__device__ __forceinline__ float Part(const float4& quad, int i) {
  return i == 0 ? quad.x : i == 1 ? quad.y : i == 2 ? quad.z : quad.w;
}
__device__ __forceinline__ float4 MulAdd(float a, const float4& b, const float4& c) {
  return make_float4(fmaf(a, b.x, c.x), fmaf(a, b.y, c.y), fmaf(a, b.z, c.z), fmaf(a, b.w, c.w));
}

// Sum and maximum over a group's lanes, the same bits in each.
__device__ __forceinline__ float GroupSum(float value) {
  for (int distance = kGroupLanes / 2; distance > 0; distance /= 2) {
    value += __shfl_xor_sync(kAllLanes, value, distance);
  }
  return value;
}
__device__ __forceinline__ float GroupMax(float value) {
  for (int distance = kGroupLanes / 2; distance > 0; distance /= 2) {
    value = fmaxf(value, __shfl_xor_sync(kAllLanes, value, distance));
  }
  return value;
}

// These columns of rows row_at(0 .. valid-1) of global memory, times `factor`, to `rows` rows of
// shared memory: what lies beyond them, and beyond head_dim, is never read and becomes zero.
// aligned: quads may be read whole.
template <class RowAt>
__device__ __forceinline__ void LoadRows(const Columns& columns, int rows, int valid, bool aligned,
                                         float factor, RowAt row_at, float* to) {
  const int quads = (columns.count + 3) / 4;
#pragma unroll 4
  for (int e = static_cast<int>(threadIdx.x); e < rows * quads; e += kAttentionThreads) {
    const int row = e / quads, column = e % quads * 4;
    float4 quad = make_float4(0.0f, 0.0f, 0.0f, 0.0f);
    if (row < valid) {
      const float* const from = row_at(row) + columns.first + column;
      if (aligned) {
        quad = Quad(from);
      } else {
        quad.x = from[0];
        if (column + 1 < columns.count) quad.y = from[1];
        if (column + 2 < columns.count) quad.z = from[2];
        if (column + 3 < columns.count) quad.w = from[3];
      }
    }
    *reinterpret_cast<float4*>(to + row * columns.pitch + column) =
        make_float4(quad.x * factor, quad.y * factor, quad.z * factor, quad.w * factor);
  }
}

// Rows 0 .. count-1 of a tile in global memory, as LoadRows takes them.
template <class RowAt>
struct TileSource {
  int count;
  bool aligned;
  float factor;
  RowAt row_at;

  // A panel of them takes the place of what lies in `tile`. Called by all threads.
  __device__ __forceinline__ void Load(const Columns& panel, float* tile) const {
    __syncthreads();  // what lies there has been used
    LoadRows(panel, kTileRows, count, aligned, factor, row_at, tile);
    __syncthreads();
  }
};
template <class RowAt>
TileSource(int, bool, float, RowAt) -> TileSource<RowAt>;

// use(panel's number) with each panel in turn. Called by all threads.
template <int kDepth, class RowAt, class Use>
__device__ __forceinline__ void ForEachPanel(HeadSize<kDepth> size, const TileSource<RowAt>& from,
                                             float* tile, Use use) {
#pragma unroll
  for (int i = 0; i < HeadSize<kDepth>::kPanels; ++i) {
    const Columns panel = size.Panel(i);
    if (panel.count <= 0) continue;
    from.Load(panel, tile);
    use(i);
  }
}
// The same after ForEachPanel, from the last panel, which lies there still, to the first.
template <int kDepth, class RowAt, class Use>
__device__ __forceinline__ void ForEachPanelAgain(HeadSize<kDepth> size,
                                                  const TileSource<RowAt>& from, float* tile,
                                                  Use use) {
#pragma unroll
  for (int i = HeadSize<kDepth>::kPanels - 1; i >= 0; --i) {
    const Columns panel = size.Panel(i);
    if (panel.count <= 0) continue;
    if (panel.first + panel.count < size.depth()) from.Load(panel, tile);
    use(i);
  }
}

// Four columns of a row of global memory, of those that are less than head_dim.
__device__ __forceinline__ void StoreQuad(const float4& quad, int column, int depth, bool aligned,
                                          float* row) {
  if (aligned) {
    *reinterpret_cast<float4*>(row + column) = quad;
    return;
  }
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    if (column + i < depth) row[column + i] = Part(quad, i);
  }
}

template <int kRows, int kCount>
__device__ __forceinline__ void Clear(float (&values)[kRows][kCount]) {
#pragma unroll
  for (int i = 0; i < kRows; ++i) {
#pragma unroll
    for (int c = 0; c < kCount; ++c) values[i][c] = 0.0f;
  }
}
template <int kRows, int kCount>
__device__ __forceinline__ void Clear(float4 (&values)[kRows][kCount]) {
#pragma unroll
  for (int i = 0; i < kRows; ++i) {
#pragma unroll
    for (int c = 0; c < kCount; ++c) values[i][c] = make_float4(0.0f, 0.0f, 0.0f, 0.0f);
  }
}

// dots[i][j] += (own row i of `rows`) . (row lane + 16 j of `tile`) over the columns of a panel:
// with all panels one chain over head_dim. Of a quad of columns: 16 kRows fused multiply-adds,
// 4 + kRows reads of shared memory.
template <int kDepth, int kRows>
__device__ __forceinline__ void AddDots(HeadSize<kDepth> size, int panel, const float* rows,
                                        const float* tile, float (&dots)[kRows][kPerLane]) {
  const Columns columns = size.Panel(panel);
  const int pitch = size.pitch(), quads = (columns.count + 3) / 4;
  const float* const left = rows + OwnRow<kRows>(0) * pitch + columns.first;
  const float* const right = tile + GroupLane() * columns.pitch;
#pragma unroll 1  // more of them at once cost registers that are not there
  for (int quad = 0; quad < quads; ++quad) {
    float4 a[kRows];
#pragma unroll
    for (int i = 0; i < kRows; ++i) a[i] = Quad(left + i * pitch + 4 * quad);
#pragma unroll
    for (int j = 0; j < kPerLane; ++j) {
      const float4 b = Quad(right + kGroupLanes * j * columns.pitch + 4 * quad);
#pragma unroll
      for (int i = 0; i < kRows; ++i) {
        dots[i][j] = fmaf(a[i].x, b.x, dots[i][j]);
        dots[i][j] = fmaf(a[i].y, b.y, dots[i][j]);
        dots[i][j] = fmaf(a[i].z, b.z, dots[i][j]);
        dots[i][j] = fmaf(a[i].w, b.w, dots[i][j]);
      }
    }
  }
}

// dots[i][j] = (own row i of `rows`) . (row lane + 16 j of the tile), which passes through `tile`
// panel by panel; `active` threads have them. Called by all threads.
template <int kDepth, int kRows, class RowAt>
__device__ __forceinline__ void Dots(HeadSize<kDepth> size, const TileSource<RowAt>& from,
                                     bool active, const float* rows, float* tile,
                                     float (&dots)[kRows][kPerLane]) {
  Clear(dots);
#pragma unroll 1
  for (int panel = 0; panel < size.panels(); ++panel) {
    from.Load(size.Panel(panel), tile);
    if (active) AddDots(size, panel, rows, tile, dots);
  }
}

// The own rows of `weights`, [16 * kRows, kWeightPitch], which only the group itself reads.
template <int kRows>
__device__ __forceinline__ void StoreWeights(const float (&values)[kRows][kPerLane],
                                             float* weights) {
  __syncwarp();  // what was stored before has been read
#pragma unroll
  for (int i = 0; i < kRows; ++i) {
#pragma unroll
    for (int j = 0; j < kPerLane; ++j) {
      weights[OwnRow<kRows>(i) * kWeightPitch + GroupLane() + kGroupLanes * j] = values[i][j];
    }
  }
  __syncwarp();
}

// sums[i][c] = shrink[i] * sums[i][c] + sum_j weights[own row i, j] * (row j of tile), j < count,
// at a panel's columns 64 c + 4 lane ..: the tile's share is one chain over j from zero. Where
// counts(i, j) is false nothing is multiplied or added. Of four rows of the tile and a chunk:
// 16 kRows fused multiply-adds, 4 + kRows reads.
template <int kDepth, int kRows, class Counts>
__device__ __forceinline__ void AddWeighted(HeadSize<kDepth> size, int panel, const float* weights,
                                            const float* tile, int count, Counts counts,
                                            const float (&shrink)[kRows],
                                            float4 (&sums)[kRows][HeadSize<kDepth>::kChunks]) {
  const Columns columns = size.Panel(panel);
  const float* const left = weights + OwnRow<kRows>(0) * kWeightPitch;
#pragma unroll
  for (int c = 0; c < HeadSize<kDepth>::kPanelChunks; ++c) {
    const int chunk = panel * HeadSize<kDepth>::kPanelChunks + c;
    const int column = c * kColumnsPerChunk + 4 * GroupLane();
    if (column >= columns.count) continue;
    float4 share[kRows];
#pragma unroll
    for (int i = 0; i < kRows; ++i) share[i] = make_float4(0.0f, 0.0f, 0.0f, 0.0f);
#pragma unroll 1
    for (int j = 0; j < count; j += 4) {
      float4 weight[kRows];
#pragma unroll
      for (int i = 0; i < kRows; ++i) weight[i] = Quad(left + i * kWeightPitch + j);
#pragma unroll
      for (int u = 0; u < 4; ++u) {
        const float4 values = Quad(tile + (j + u) * columns.pitch + column);
#pragma unroll
        for (int i = 0; i < kRows; ++i) {
          if (counts(i, j + u)) share[i] = MulAdd(Part(weight[i], u), values, share[i]);
        }
      }
    }
#pragma unroll
    for (int i = 0; i < kRows; ++i) sums[i][chunk] = MulAdd(shrink[i], sums[i][chunk], share[i]);
  }
}

}  // namespace temper::kernels::cuda
