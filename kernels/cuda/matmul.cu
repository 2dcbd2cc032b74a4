// Products with weights: our own tiles, or a library's algorithm where one is pinned to the weight.
//
// Which of the two, and which tile, depends on the rows only where the bits do not.
#include <limits>
#include <vector>

#include "kernels/check.h"
#include "kernels/cuda/expert_tiles.h"
#include "kernels/cuda/launch.h"
#include "kernels/cuda/library_product.h"
#include "kernels/cuda/matrix.h"
#include "kernels/cuda/ops_internal.h"
#include "kernels/cuda/packed_weight.h"
#include "kernels/cuda/product_f32.h"
#include "kernels/cuda/product_few_rows.h"
#include "kernels/cuda/product_wide.h"

namespace temper::kernels::cuda {

namespace {

// y (=|+=) a * transpose(weight), or a * weight backward, of float32.
struct ProductCall {
  Experts experts;  // where there are any, each has its rows and its weight; else `weight` has all
  int64_t row_tiles;  // at most
  const float* weight;
  int64_t out, in;
  Matrix<const float> a;
  Matrix<float> y;
  bool a_aligned, weight_aligned, add;

  static constexpr size_t kFieldBytes = sizeof(Experts) + sizeof(void*) + 3 * sizeof(int64_t) +
                                        2 * sizeof(Matrix<float>) + 3 * sizeof(bool);
};

// Forward a weight runs along depth, backward along the product's columns.
__host__ __device__ constexpr Along WeightAlong(Direction direction) {
  return direction == Direction::kForward ? Along::kDepth : Along::kSide;
}

int64_t Tiles(int64_t sides) { return (sides + kProductTile - 1) / kProductTile; }

template <Direction kDirection>
__global__ void __launch_bounds__(kFloatThreads) ProductKernel(ProductCall call) {
  TEMPER_DYNAMIC_SHARED(float, shared);
  constexpr bool kForward = kDirection == Direction::kForward;
  const int64_t depth = kForward ? call.in : call.out, cols = kForward ? call.out : call.in;
  const ProductPlace place =
      PlaceOfBlock(blockIdx.x, call.row_tiles, (cols + kProductTile - 1) / kProductTile);
  int64_t begin = place.row_tile * kProductTile, rows = call.a.rows - begin;
  const float* weight = call.weight;
  if (call.experts.count > 0) {
    const ExpertTile tile = FindExpertTile<kProductTile>(
        call.experts.first, static_cast<int>(call.experts.count), static_cast<int>(place.row_tile));
    if (tile.count == 0) return;
    begin = tile.begin, rows = tile.count;
    weight = static_cast<const float*>(call.experts.weights[tile.expert]);
  }
  if (rows > kProductTile) rows = kProductTile;
  const int64_t first = place.col_tile * kProductTile;
  const TileOperand<float> a = {call.a.row(begin), call.a.stride, rows, call.a_aligned};
  const TileOperand<float> b = {weight + (kForward ? first * call.in : first), call.in,
                                cols - first, call.weight_aligned};
  FloatTile<Along::kDepth, WeightAlong(kDirection)>(
      shared, a, b, depth, [](int64_t, float(&)[4][4]) {},
      [&](int row, int col, int, int, float sum) {
        float& y = call.y.at(begin + row, first + col);
        y = call.add ? y + sum : sum;
      });
}

// Tokens of one chain; chains of a call are added to the gradient in order, as on the CPU. Part of
// the op's definition: another number gives other bits.
constexpr int64_t kTokenBlock = 512;

// gradient += transpose(dy) * x. One block a tile goes through all tokens: 64 x 64 weights a block
// are enough blocks for any layer that takes long. Grouped: of expert blockIdx.y, over its tokens;
// first: [experts + 1]  gradients: [experts]; null: one gradient, all tokens.
__global__ void __launch_bounds__(kFloatThreads)
    WeightGradientKernel(Matrix<const float> dy, bool dy_aligned, Matrix<const float> x,
                         bool x_aligned, Matrix<float> gradient, int64_t row_tiles,
                         const int32_t* first, float* const* gradients) {
  TEMPER_DYNAMIC_SHARED(float, shared);
  constexpr Along kSide = Along::kSide;
  constexpr int64_t kSteps = kTokenBlock / kFloatDepth;
  if (gradients != nullptr) {
    const int64_t begin = first[blockIdx.y];
    gradient.data = gradients[blockIdx.y];
    dy.data = dy.row(begin), x.data = x.row(begin);
    x.rows = first[blockIdx.y + 1] - begin;
    if (x.rows == 0) return;
  }
  const ProductPlace place =
      PlaceOfBlock(blockIdx.x, row_tiles, (gradient.cols + kProductTile - 1) / kProductTile);
  const int64_t first_row = place.row_tile * kProductTile;
  const int64_t first_col = place.col_tile * kProductTile;
  const TileOperand<float> a = {dy.data + first_row, dy.stride, dy.cols - first_row, dy_aligned};
  const TileOperand<float> b = {x.data + first_col, x.stride, x.cols - first_col, x_aligned};
  const int tx = static_cast<int>(threadIdx.x) % 16, ty = static_cast<int>(threadIdx.x) / 16;
  float total[4][4];  // the gradient so far
#pragma unroll
  for (int i = 0; i < 4; ++i) {
#pragma unroll
    for (int j = 0; j < 4; ++j) {
      const int row = FloatSide<kSide>(ty, i), col = FloatSide<kSide>(tx, j);
      const bool there = row < a.sides && col < b.sides;
      total[i][j] = there ? gradient.at(first_row + row, first_col + col) : 0.0f;
    }
  }
  FloatTile<kSide, kSide>(
      shared, a, b, x.rows,
      [&](int64_t step, float(&sum)[4][4]) {
        if ((step + 1) % kSteps != 0) return;
#pragma unroll
        for (int i = 0; i < 4; ++i) {
#pragma unroll
          for (int j = 0; j < 4; ++j) {
            total[i][j] += sum[i][j];
            sum[i][j] = 0.0f;
          }
        }
      },
      [&](int row, int col, int i, int j, float sum) {
        gradient.at(first_row + row, first_col + col) = total[i][j] + sum;
      });
}

dim3 Blocks(int64_t row_tiles, int64_t cols) {
  const int64_t blocks = row_tiles * Tiles(cols);
  TEMPER_KERNEL_CHECK(blocks <= std::numeric_limits<int32_t>::max());
  return dim3(static_cast<unsigned>(blocks));
}

bool Aligned(View<const float> view) {
  return view.stride % 4 == 0 && reinterpret_cast<uintptr_t>(view.data) % 16 == 0;
}

// With `weight`, or with the experts' weights, which have its shape.
void FloatTiles(CudaStream& cuda, Direction direction, View<const float> a,
                const CudaPackedWeight& weight, const Experts& experts, int64_t row_tiles,
                View<float> y, Write write) {
  const ProductCall call = {.experts = experts,
                            .row_tiles = row_tiles,
                            .weight = weight.values<float>(),
                            .out = weight.out(),
                            .in = weight.in(),
                            .a = a,
                            .y = y,
                            .a_aligned = Aligned(a),
                            .weight_aligned = weight.in() % 4 == 0,
                            .add = write == Write::kAdd};
  const dim3 blocks = Blocks(row_tiles, y.cols);
  if (direction == Direction::kForward) {
    TEMPER_LAUNCH(ProductKernel<Direction::kForward>, cuda, blocks, kFloatThreads,
                  FloatSharedBytes(Along::kDepth, Along::kDepth), call);
  } else {
    TEMPER_LAUNCH(ProductKernel<Direction::kBackwardInput>, cuda, blocks, kFloatThreads,
                  FloatSharedBytes(Along::kDepth, Along::kSide), call);
  }
}

void LibraryProductOf(CudaStream& cuda, Direction direction, View<const float> a,
                      const CudaPackedWeight& weight, View<float> y, Write write) {
  // Another way would give other bits than this weight's other calls have.
  TEMPER_KERNEL_CHECK(MultiplyByLibrary(cuda, PinnedLibrary(), *weight.pinned(direction), direction,
                                        a, weight.values<uint16_t>(), weight.out(), weight.in(), y,
                                        write));
}

void CheckSizes(Direction direction, View<const float> a, const PackedWeight& weight,
                View<float> y) {
  const bool forward = direction == Direction::kForward;
  TEMPER_KERNEL_CHECK(a.rows == y.rows && a.cols == (forward ? weight.in() : weight.out()) &&
                      y.cols == (forward ? weight.out() : weight.in()));
}

void Product(Stream& stream, Direction direction, View<const float> a, const PackedWeight& packed,
             View<float> y, Write write) {
  CudaStream& cuda = BeginOp(stream);
  const auto& weight = static_cast<const CudaPackedWeight&>(packed);
  CheckSizes(direction, a, weight, y);
  const Algorithm* const pinned = weight.pinned(direction);
  if (pinned != nullptr && a.rows >= pinned->from_rows) {
    LibraryProductOf(cuda, direction, a, weight, y, write);
  } else {
    MultiplyByOwnTiles(cuda, direction, a, weight, y, write);
  }
}

// One launch, of as many tiles as there can be for so many rows: what the router chose decides
// which of them have work.
void GroupedProduct(Stream& stream, Direction direction, View<const float> a,
                    std::span<const PackedWeight* const> weights, const int32_t* first,
                    View<float> y) {
  CudaStream& cuda = BeginOp(stream);
  if (weights.empty()) return;
  const auto& one = static_cast<const CudaPackedWeight&>(*weights.front());
  std::vector<const void*> values;
  values.reserve(weights.size());
  for (const PackedWeight* packed : weights) {
    const auto& weight = static_cast<const CudaPackedWeight&>(*packed);
    TEMPER_KERNEL_CHECK(weight.grouped() && weight.dtype() == one.dtype());
    CheckSizes(direction, a, weight, y);
    values.push_back(weight.values<void>());
  }
  const Experts experts = {.count = static_cast<int64_t>(values.size()),
                           .weights = cuda.Upload(std::span<const void* const>(values)),
                           .first = first};
  if (one.dtype() == Dtype::kBFloat16) {
    MultiplyWideGrouped(cuda, direction, a, experts, one, y);
  } else {
    FloatTiles(cuda, direction, a, one, experts,
               ExpertTilesMax(a.rows, experts.count, kProductTile), y, Write::kReplace);
  }
}

void Matmul(Stream& stream, View<const float> x, const PackedWeight& weight, View<float> y,
            Write write) {
  Product(stream, Direction::kForward, x, weight, y, write);
}

void MatmulBackwardInput(Stream& stream, View<const float> dy, const PackedWeight& weight,
                         View<float> dx, Write write) {
  Product(stream, Direction::kBackwardInput, dy, weight, dx, write);
}

void MatmulGrouped(Stream& stream, View<const float> x,
                   std::span<const PackedWeight* const> weights, const int32_t* first,
                   View<float> y) {
  GroupedProduct(stream, Direction::kForward, x, weights, first, y);
}

void MatmulGroupedBackwardInput(Stream& stream, View<const float> dy,
                                std::span<const PackedWeight* const> weights, const int32_t* first,
                                View<float> dx) {
  GroupedProduct(stream, Direction::kBackwardInput, dy, weights, first, dx);
}

// first, gradients: of the device, or null. grid.y: experts
void WeightGradients(CudaStream& cuda, View<const float> x, View<const float> dy,
                     View<float> gradient, int64_t experts, const int32_t* first,
                     float* const* gradients) {
  TEMPER_KERNEL_CHECK(x.rows == dy.rows && experts <= std::numeric_limits<uint16_t>::max());
  if (x.rows == 0) return;
  const int64_t row_tiles = Tiles(dy.cols);
  dim3 blocks = Blocks(row_tiles, x.cols);
  blocks.y = static_cast<unsigned>(experts);
  TEMPER_LAUNCH(WeightGradientKernel, cuda, blocks, kFloatThreads,
                FloatSharedBytes(Along::kSide, Along::kSide), dy, Aligned(dy), x, Aligned(x),
                gradient, row_tiles, first, gradients);
}

void MatmulBackwardWeight(Stream& stream, View<const float> x, View<const float> dy, Dtype dtype,
                          View<float> weight_gradient) {
  TEMPER_KERNEL_CHECK(weight_gradient.rows == dy.cols && weight_gradient.cols == x.cols);
  CudaStream& cuda = BeginOp(stream);
  if (dtype == Dtype::kBFloat16) {
    TEMPER_KERNEL_CHECK(x.rows == dy.rows);
    WideWeightGradient(cuda, x, dy, weight_gradient);
  } else {
    WeightGradients(cuda, x, dy, weight_gradient, 1, nullptr, nullptr);
  }
}

void MatmulGroupedBackwardWeight(Stream& stream, View<const float> x, View<const float> dy,
                                 const int32_t* first, Dtype dtype,
                                 std::span<float* const> gradients) {
  CudaStream& cuda = BeginOp(stream);
  const auto experts = static_cast<int64_t>(gradients.size());
  TEMPER_KERNEL_CHECK(x.rows == dy.rows && experts <= std::numeric_limits<uint16_t>::max());
  float* const* const uploaded = cuda.Upload(gradients);
  if (dtype == Dtype::kBFloat16) {
    WideWeightGradients(cuda, x, dy, experts, first, uploaded);
  } else {
    WeightGradients(cuda, x, dy, View<float>(nullptr, dy.cols, x.cols), experts, first, uploaded);
  }
}

// Their bits are the same. With over 32 rows the kernel for few rows reads them from the
// second-level cache as often as the weight from memory; wide tiles, where they are enough for the
// device, half as often.
bool FewRowsAreFaster(const CudaStream& cuda, int64_t rows, int64_t out) {
  if (rows > kFewRowsMax) return false;
  return rows <= kFewRowsMax / 2 || out < int64_t{kWideTile} * cuda.multiprocessors();
}

}  // namespace

void MultiplyByOwnTiles(CudaStream& cuda, Direction direction, View<const float> a,
                        const CudaPackedWeight& weight, View<float> y, Write write) {
  if (weight.dtype() == Dtype::kFloat32) {
    FloatTiles(cuda, direction, a, weight, {}, Tiles(a.rows), y, write);
  } else if (direction == Direction::kForward && FewRowsAreFaster(cuda, a.rows, weight.out())) {
    MultiplyFewRows(cuda, a, weight, y, write);
  } else {
    MultiplyWide(cuda, direction, a, weight, y, write);
  }
}

void AddMatmulOps(Ops& ops) {
  ops.matmul = Matmul;
  ops.matmul_backward_input = MatmulBackwardInput;
  ops.matmul_backward_weight = MatmulBackwardWeight;
  ops.matmul_grouped = MatmulGrouped;
  ops.matmul_grouped_backward_input = MatmulGroupedBackwardInput;
  ops.matmul_grouped_backward_weight = MatmulGroupedBackwardWeight;
}

}  // namespace temper::kernels::cuda
