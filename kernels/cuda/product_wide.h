// One 128 x 128 tile of a product of two bfloat16 operands, by tensor cores: the products of many
// rows, and of experts.
//
// 256 threads: 8 warps of 64 x 32 elements. A step of depth 32 brings 16 KB for 1 Mflop: at about
// 5.5 TB/s from an H200's second-level cache 360 Tflop/s, which bounds it before mma does
// (attention_bf16.cu). By count: nothing of it is measured. Each sum is one chain over depth by the
// sixteen of an instruction, from zero. Sixteens of rows and columns that do not exist cost no
// arithmetic.
#pragma once

#include "kernels/cuda/cuda_stream.h"
#include "kernels/cuda/expert_tiles.h"
#include "kernels/cuda/mma.h"
#include "kernels/cuda/packed_weight.h"
#include "kernels/cuda/product_tile.h"
#include "kernels/view.h"

namespace temper::kernels::cuda {

inline constexpr int kWideTile = 128;
inline constexpr int kWideThreads = 256;
inline constexpr int kWideDepth = 32;  // of a step
inline constexpr int kWideStages = 4;

// Rows of memory in a stage, and their distance, at which ldmatrix finds them in different banks.
__host__ __device__ constexpr int WideRows(Along along) {
  return along == Along::kDepth ? kWideTile : kWideDepth;
}
__host__ __device__ constexpr int WidePitch(Along along) {
  return (along == Along::kDepth ? kWideDepth : kWideTile) + 8;
}
__host__ __device__ constexpr int WideStage(Along a, Along b) {  // bfloat16
  return WideRows(a) * WidePitch(a) + WideRows(b) * WidePitch(b);
}
constexpr int WideSharedBytes(Along a, Along b) {
  return kWideStages * WideStage(a, b) * static_cast<int>(sizeof(uint16_t));
}

// One sixteen of depth of a warp's 64 x 32. a, b: the warp's first row and column, at that depth.
// Sixteens of rows and columns from `rows` and `cols` on are left out.
template <Along kA, Along kB>
__device__ __forceinline__ void MultiplyWideSixteen(const uint16_t* a, const uint16_t* b,
                                                    int64_t rows, int64_t cols,
                                                    float (&sum)[4][4][4]) {
  uint32_t from_b[2][2][2];
#pragma unroll
  for (int j = 0; j < 2; ++j) {
    if (16 * j >= cols) break;  // the same for the whole warp, as below
    if constexpr (kB == Along::kDepth) {
      LoadTwoB(b + 16 * j * WidePitch(kB), WidePitch(kB), from_b[j]);
    } else {
      LoadTwoBOfRows(b + 16 * j, WidePitch(kB), from_b[j]);
    }
  }
#pragma unroll
  for (int i = 0; i < 4; ++i) {
    if (16 * i >= rows) break;
    uint32_t from_a[4];
    if constexpr (kA == Along::kDepth) {
      LoadA(a + 16 * i * WidePitch(kA), WidePitch(kA), from_a);
    } else {
      LoadAOfColumns(a + 16 * i, WidePitch(kA), from_a);
    }
#pragma unroll
    for (int j = 0; j < 2; ++j) {
      if (16 * j >= cols) break;
      MmaBFloat16(sum[i][2 * j], from_a, from_b[j][0]);
      MmaBFloat16(sum[i][2 * j + 1], from_a, from_b[j][1]);
    }
  }
}

// store(row, column, sum) for the elements of the tile. shared: WideSharedBytes(kA, kB), which
// nobody reads any more when the next tile is begun after a barrier.
template <Along kA, Along kB, class Store>
__device__ __forceinline__ void WideTile(uint16_t* shared, const TileOperand<uint16_t>& a,
                                         const TileOperand<uint16_t>& b, int64_t depth,
                                         Store store) {
  constexpr int kStage = WideStage(kA, kB), kFirstB = WideRows(kA) * WidePitch(kA);
  const int warp = static_cast<int>(threadIdx.x) / kWarp;
  const int warp_row = warp / 4 * 64, warp_col = warp % 4 * 32;
  const int64_t rows = a.sides - warp_row, cols = b.sides - warp_col;
  float sum[4][4][4] = {};
  ForEachStep<kWideStages>(
      (depth + kWideDepth - 1) / kWideDepth,
      [&](int64_t fetched, int slot) {
        uint16_t* const stage = shared + slot * kStage;
        const int64_t begin = fetched * kWideDepth;
        FetchTile<kA, kWideTile, kWideDepth, WidePitch(kA), kWideThreads>(a, depth, begin, stage);
        FetchTile<kB, kWideTile, kWideDepth, WidePitch(kB), kWideThreads>(b, depth, begin,
                                                                          stage + kFirstB);
      },
      [&](int slot) {
        if (rows <= 0 || cols <= 0) return;  // the same for the whole warp
        const uint16_t* const tile_a = shared + slot * kStage;
        const uint16_t* const tile_b = tile_a + kFirstB;
#pragma unroll
        for (int k = 0; k < kWideDepth; k += 16) {
          MultiplyWideSixteen<kA, kB>(tile_a + (kA == Along::kDepth ? warp_row * WidePitch(kA) + k
                                                                    : k * WidePitch(kA) + warp_row),
                                      tile_b + (kB == Along::kDepth ? warp_col * WidePitch(kB) + k
                                                                    : k * WidePitch(kB) + warp_col),
                                      rows, cols, sum);
        }
      });
  const int lane = static_cast<int>(threadIdx.x) % kWarp, g = lane / 4, t = lane % 4;
#pragma unroll
  for (int i = 0; i < 4; ++i) {
#pragma unroll
    for (int j = 0; j < 4; ++j) {
#pragma unroll
      for (int e = 0; e < 4; ++e) {
        const int row = 16 * i + g + e / 2 * 8, col = 8 * j + 2 * t + e % 2;
        if (row < rows && col < cols) store(warp_row + row, warp_col + col, sum[i][j][e]);
      }
    }
  }
}

// ---- within ops that have begun. product_wide.cu
// y (=|+=) a * transpose(weight), or a * weight backward; a's rows are rounded to bfloat16.
void MultiplyWide(CudaStream& cuda, Direction direction, View<const float> a,
                  const CudaPackedWeight& weight, View<float> y, Write write);

// Rows [first[e], first[e + 1]) of y = those of a * transpose(weights[e]), or of a * weights[e]
// backward; all weights have the shape of `one`.
void MultiplyWideGrouped(CudaStream& cuda, Direction direction, View<const float> a,
                         const Experts& experts, const CudaPackedWeight& one, View<float> y);

// gradient += transpose(dy) * x, both rounded to bfloat16; tokens in chains of kWideChain, each
// added to the gradient when it ends, so that long batches lose no more bits than short ones.
inline constexpr int64_t kWideChain = 2048;
void WideWeightGradient(CudaStream& cuda, View<const float> x, View<const float> dy,
                        View<float> gradient);
// The same for each of some experts: gradients[e], [dy.cols, x.cols] and packed, from the rows
// [first[e], first[e + 1]). first, gradients: of the device.
void WideWeightGradients(CudaStream& cuda, View<const float> x, View<const float> dy,
                         int64_t experts, const int32_t* first, float* const* gradients);

}  // namespace temper::kernels::cuda
