// Launches of the wide tile: operands rounded into scratch first, so many rows at a time.
#include <algorithm>
#include <limits>

#include "kernels/check.h"
#include "kernels/cuda/launch.h"
#include "kernels/cuda/matrix.h"
#include "kernels/cuda/product_wide.h"

namespace temper::kernels::cuda {

namespace {

constexpr int64_t kRowsAtOnce = 4096;  // bounds the rounded operand

int64_t WideTiles(int64_t sides) { return (sides + kWideTile - 1) / kWideTile; }

// An operand of the device: `stride` elements between memory's rows.
struct WideOperand {
  const uint16_t* data;
  int64_t stride;
};

// From its tile's first side on: `first` of `sides`.
template <Along kAlong>
__device__ __forceinline__ TileOperand<uint16_t> TileOf(const WideOperand& operand, int64_t first,
                                                        int64_t sides) {
  // Whole rows of eights; memory itself lies on 256 bytes, and experts begin at whole rows.
  const bool aligned = operand.stride % 8 == 0;
  return {operand.data + (kAlong == Along::kDepth ? first * operand.stride : first), operand.stride,
          sides - first, aligned};
}

// y (=|+=) a * b, of any lie of the operands.
template <Along kA, Along kB>
__global__ void __launch_bounds__(kWideThreads, 2)
    WideKernel(WideOperand a, WideOperand b, int64_t depth, int64_t row_tiles, int64_t add,
               Matrix<float> y) {
  TEMPER_DYNAMIC_SHARED(uint16_t, shared);
  const ProductPlace place =
      PlaceOfBlock(blockIdx.x, row_tiles, (y.cols + kWideTile - 1) / kWideTile);
  const int64_t row = place.row_tile * kWideTile, col = place.col_tile * kWideTile;
  WideTile<kA, kB>(shared, TileOf<kA>(a, row, y.rows), TileOf<kB>(b, col, y.cols), depth,
                   [&](int i, int j, float sum) {
                     float& to = y.at(row + i, col + j);
                     to = add != 0 ? to + sum : sum;
                   });
}

// The rows of experts. a: [rows, depth]; weights: `stride` elements between memory's rows.
template <Along kB>
__global__ void __launch_bounds__(kWideThreads, 2)
    ExpertKernel(WideOperand a, Experts experts, int64_t stride, int64_t depth, int64_t row_tiles,
                 Matrix<float> y) {
  TEMPER_DYNAMIC_SHARED(uint16_t, shared);
  const ProductPlace place =
      PlaceOfBlock(blockIdx.x, row_tiles, (y.cols + kWideTile - 1) / kWideTile);
  const ExpertTile tile = FindExpertTile<kWideTile>(experts.first, static_cast<int>(experts.count),
                                                    static_cast<int>(place.row_tile));
  if (tile.count == 0) return;
  const int64_t col = place.col_tile * kWideTile;
  const WideOperand b = {static_cast<const uint16_t*>(experts.weights[tile.expert]), stride};
  WideTile<Along::kDepth, kB>(shared, TileOf<Along::kDepth>(a, tile.begin, tile.begin + tile.count),
                              TileOf<kB>(b, col, y.cols), depth, [&](int i, int j, float sum) {
                                y.at(tile.begin + i, col + j) = sum;
                              });
}

// Of expert blockIdx.y. dy: [rows, out]  x: [rows, in]  gradients: [out, in] each. Over 128
// registers for the loop over chains: one block a multiprocessor, where two would spill.
__global__ void __launch_bounds__(kWideThreads, 1)
    ExpertGradientKernel(WideOperand dy, WideOperand x, int64_t row_tiles, Matrix<float> gradient,
                         const int32_t* first, float* const* gradients) {
  TEMPER_DYNAMIC_SHARED(uint16_t, shared);
  constexpr Along kSide = Along::kSide;
  const ProductPlace place =
      PlaceOfBlock(blockIdx.x, row_tiles, (gradient.cols + kWideTile - 1) / kWideTile);
  const int row = static_cast<int>(place.row_tile) * kWideTile;
  const int col = static_cast<int>(place.col_tile) * kWideTile;
#pragma unroll 1
  for (int done = 0;; done += static_cast<int>(kWideChain)) {
    const int64_t begin = int64_t{first[blockIdx.y]} + done;
    const int64_t left = first[blockIdx.y + 1] - begin;
    if (left <= 0) return;
    gradient.data = gradients[blockIdx.y];
    WideTile<kSide, kSide>(
        shared, TileOf<kSide>({dy.data + begin * dy.stride, dy.stride}, row, gradient.rows),
        TileOf<kSide>({x.data + begin * x.stride, x.stride}, col, gradient.cols),
        left < kWideChain ? left : kWideChain,
        [&](int i, int j, float sum) { gradient.at(row + i, col + j) += sum; });
    __syncthreads();  // the next chain's steps come to where this one's last were read
  }
}

dim3 WideBlocks(int64_t row_tiles, int64_t cols) {
  const int64_t blocks = row_tiles * WideTiles(cols);
  TEMPER_KERNEL_CHECK(blocks <= std::numeric_limits<int32_t>::max());
  return dim3(static_cast<unsigned>(blocks));
}

WideOperand Rounded(CudaStream& cuda, View<const float> from, uint16_t* to) {
  RoundRows(cuda, from, from.rows, to);
  return {to, from.cols};
}

}  // namespace

void MultiplyWide(CudaStream& cuda, Direction direction, View<const float> a,
                  const CudaPackedWeight& weight, View<float> y, Write write) {
  const WideOperand b = {weight.values<uint16_t>(), weight.in()};
  uint16_t* const rounded = cuda.Scratch<uint16_t>(std::min(a.rows, kRowsAtOnce) * a.cols);
  const int64_t add = write == Write::kAdd;
  constexpr Along kDepth = Along::kDepth, kSide = Along::kSide;
  for (int64_t begin = 0; begin < a.rows; begin += kRowsAtOnce) {
    const int64_t rows = std::min(kRowsAtOnce, a.rows - begin);
    const WideOperand own = Rounded(cuda, a.Rows(begin, rows), rounded);
    const View<float> to = y.Rows(begin, rows);
    const dim3 blocks = WideBlocks(WideTiles(rows), y.cols);
    if (direction == Direction::kForward) {
      TEMPER_LAUNCH((WideKernel<kDepth, kDepth>), cuda, blocks, kWideThreads,
                    WideSharedBytes(kDepth, kDepth), own, b, a.cols, WideTiles(rows), add, to);
    } else {
      TEMPER_LAUNCH((WideKernel<kDepth, kSide>), cuda, blocks, kWideThreads,
                    WideSharedBytes(kDepth, kSide), own, b, a.cols, WideTiles(rows), add, to);
    }
  }
}

void MultiplyWideGrouped(CudaStream& cuda, Direction direction, View<const float> a,
                         const Experts& experts, const CudaPackedWeight& one, View<float> y) {
  if (a.rows == 0) return;
  const WideOperand own = Rounded(cuda, a, cuda.Scratch<uint16_t>(a.rows * a.cols));
  const int64_t row_tiles = ExpertTilesMax(a.rows, experts.count, kWideTile);
  const dim3 blocks = WideBlocks(row_tiles, y.cols);
  constexpr Along kDepth = Along::kDepth, kSide = Along::kSide;
  if (direction == Direction::kForward) {
    TEMPER_LAUNCH(ExpertKernel<kDepth>, cuda, blocks, kWideThreads, WideSharedBytes(kDepth, kDepth),
                  own, experts, one.in(), a.cols, row_tiles, y);
  } else {
    TEMPER_LAUNCH(ExpertKernel<kSide>, cuda, blocks, kWideThreads, WideSharedBytes(kDepth, kSide),
                  own, experts, one.in(), a.cols, row_tiles, y);
  }
}

void WideWeightGradient(CudaStream& cuda, View<const float> x, View<const float> dy,
                        View<float> gradient) {
  const int64_t most = std::min(x.rows, kWideChain);
  uint16_t* const rounded_x = cuda.Scratch<uint16_t>(most * x.cols);
  uint16_t* const rounded_dy = cuda.Scratch<uint16_t>(most * dy.cols);
  const int64_t row_tiles = WideTiles(gradient.rows), add = 1;
  constexpr Along kSide = Along::kSide;
  for (int64_t begin = 0; begin < x.rows; begin += kWideChain) {
    const int64_t rows = std::min(kWideChain, x.rows - begin);
    const WideOperand b = Rounded(cuda, x.Rows(begin, rows), rounded_x);
    const WideOperand a = Rounded(cuda, dy.Rows(begin, rows), rounded_dy);
    TEMPER_LAUNCH((WideKernel<kSide, kSide>), cuda, WideBlocks(row_tiles, gradient.cols),
                  kWideThreads, WideSharedBytes(kSide, kSide), a, b, rows, row_tiles, add,
                  gradient);
  }
}

void WideWeightGradients(CudaStream& cuda, View<const float> x, View<const float> dy,
                         int64_t experts, const int32_t* first, float* const* gradients) {
  if (x.rows == 0 || experts == 0) return;
  const WideOperand b = Rounded(cuda, x, cuda.Scratch<uint16_t>(x.rows * x.cols));
  const WideOperand a = Rounded(cuda, dy, cuda.Scratch<uint16_t>(dy.rows * dy.cols));
  const int64_t row_tiles = WideTiles(dy.cols);
  dim3 blocks = WideBlocks(row_tiles, x.cols);
  blocks.y = static_cast<unsigned>(experts);
  TEMPER_LAUNCH(ExpertGradientKernel, cuda, blocks, kWideThreads,
                WideSharedBytes(Along::kSide, Along::kSide), a, b, row_tiles,
                View<float>(nullptr, dy.cols, x.cols), first, gradients);
}

}  // namespace temper::kernels::cuda
