// Products with weights: our own tiles, or a library's algorithm where one is pinned to the weight.
//
// Which of the two, and the tile, depend on the weight alone, never on the rows.
#include <algorithm>
#include <limits>
#include <type_traits>
#include <vector>

#include "kernels/check.h"
#include "kernels/cuda/launch.h"
#include "kernels/cuda/library_product.h"
#include "kernels/cuda/matrix.h"
#include "kernels/cuda/ops_internal.h"
#include "kernels/cuda/packed_weight.h"
#include "kernels/cuda/product_bf16.h"
#include "kernels/cuda/product_f32.h"

namespace temper::kernels::cuda {

namespace {

// Up to 64 rows that belong to one weight.
struct RowTile {
  const void* weight;
  int64_t begin, count;
};

// y (=|+=) a * transpose(weight), or a * weight backward.
template <class W>
struct ProductCall {
  const RowTile* tiles;  // row_tiles of them; null: all rows of a, in order, with `weight`
  int64_t row_tiles;
  const W* weight;
  int64_t out, in;
  Matrix<const float> a;
  Matrix<float> y;
  bool a_aligned, weight_aligned, add;

  static constexpr size_t kFieldBytes =
      2 * sizeof(void*) + 3 * sizeof(int64_t) + 2 * sizeof(Matrix<float>) + 3 * sizeof(bool);
};

template <class W>
inline constexpr int kThreadsFor = std::is_same_v<W, float> ? kFloatThreads : kBFloat16Threads;

// Forward a weight runs along depth, backward along the product's columns.
__host__ __device__ constexpr Along WeightAlong(Direction direction) {
  return direction == Direction::kForward ? Along::kDepth : Along::kSide;
}

int64_t Tiles(int64_t sides) { return (sides + kProductTile - 1) / kProductTile; }

template <class W, Direction kDirection>
__global__ void __launch_bounds__(kThreadsFor<W>) ProductKernel(ProductCall<W> call) {
  TEMPER_DYNAMIC_SHARED(unsigned char, shared);
  constexpr bool kForward = kDirection == Direction::kForward;
  const int64_t depth = kForward ? call.in : call.out, cols = kForward ? call.out : call.in;
  const ProductPlace place =
      PlaceOfBlock(blockIdx.x, call.row_tiles, (cols + kProductTile - 1) / kProductTile);
  RowTile rows = {call.weight, place.row_tile * kProductTile, kProductTile};
  if (call.tiles != nullptr) {
    rows = call.tiles[place.row_tile];
  } else if (call.a.rows - rows.begin < rows.count) {
    rows.count = call.a.rows - rows.begin;
  }
  const int64_t first = place.col_tile * kProductTile;
  const TileOperand<float> a = {call.a.row(rows.begin), call.a.stride, rows.count, call.a_aligned};
  const TileOperand<W> b = {
      static_cast<const W*>(rows.weight) + (kForward ? first * call.in : first), call.in,
      cols - first, call.weight_aligned};
  const auto store = [&](int row, int col, float sum) {
    float& y = call.y.at(rows.begin + row, first + col);
    y = call.add ? y + sum : sum;
  };
  if constexpr (std::is_same_v<W, float>) {
    FloatTile<Along::kDepth, WeightAlong(kDirection)>(
        reinterpret_cast<float*>(shared), a, b, depth, [](int64_t, float(&)[4][4]) {},
        [&](int row, int col, int, int, float sum) { store(row, col, sum); });
  } else {
    BFloat16Tile<WeightAlong(kDirection)>(shared, a, b, depth, store);
  }
}

// Tokens of one chain; chains of a call are added to the gradient in order, as on the CPU. Part of
// the op's definition: another number gives other bits.
constexpr int64_t kTokenBlock = 512;

// gradient += transpose(dy) * x. One block a tile goes through all tokens: 64 x 64 weights a block
// are enough blocks for any layer that takes long.
__global__ void __launch_bounds__(kFloatThreads)
    WeightGradientKernel(Matrix<const float> dy, bool dy_aligned, Matrix<const float> x,
                         bool x_aligned, Matrix<float> gradient, int64_t row_tiles) {
  TEMPER_DYNAMIC_SHARED(float, shared);
  constexpr Along kSide = Along::kSide;
  constexpr int64_t kSteps = kTokenBlock / kFloatDepth;
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

template <class W>
void LaunchProduct(CudaStream& cuda, Direction direction, const ProductCall<W>& call) {
  const dim3 blocks = Blocks(call.row_tiles, call.y.cols);
  constexpr bool kFloat = std::is_same_v<W, float>;
  constexpr int kForwardBytes =
      kFloat ? FloatSharedBytes(Along::kDepth, Along::kDepth) : BFloat16SharedBytes(Along::kDepth);
  constexpr int kBackwardBytes =
      kFloat ? FloatSharedBytes(Along::kDepth, Along::kSide) : BFloat16SharedBytes(Along::kSide);
  if (direction == Direction::kForward) {
    TEMPER_LAUNCH((ProductKernel<W, Direction::kForward>), cuda, blocks, kThreadsFor<W>,
                  kForwardBytes, call);
  } else {
    TEMPER_LAUNCH((ProductKernel<W, Direction::kBackwardInput>), cuda, blocks, kThreadsFor<W>,
                  kBackwardBytes, call);
  }
}

// The tiles of `tiles`, on the device; null: all rows of a with this weight.
void OwnTiles(CudaStream& cuda, Direction direction, View<const float> a,
              const CudaPackedWeight& weight, const RowTile* tiles, int64_t row_tiles,
              View<float> y, Write write) {
  const auto launch = [&](auto* values) {
    using W = std::remove_pointer_t<decltype(values)>;
    LaunchProduct<W>(cuda, direction,
                     {.tiles = tiles,
                      .row_tiles = row_tiles,
                      .weight = values,
                      .out = weight.out(),
                      .in = weight.in(),
                      .a = a,
                      .y = y,
                      .a_aligned = Aligned(a),
                      .weight_aligned = weight.in() % int64_t{16 / sizeof(W)} == 0,
                      .add = write == Write::kAdd});
  };
  if (weight.dtype() == Dtype::kBFloat16) {
    launch(weight.values<uint16_t>());
  } else {
    launch(weight.values<float>());
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
  if (weight.pinned(direction) != nullptr) {
    LibraryProductOf(cuda, direction, a, weight, y, write);
  } else {
    MultiplyByOwnTiles(cuda, direction, a, weight, y, write);
  }
}

// A group whose weight has a pinned algorithm is a call of the library; all others are one launch.
void GroupedProduct(Stream& stream, Direction direction, View<const float> a,
                    std::span<const RowGroup> groups, View<float> y) {
  CudaStream& cuda = BeginOp(stream);
  std::vector<RowTile> tiles;
  const CudaPackedWeight* first = nullptr;
  for (const RowGroup& group : groups) {
    if (group.count == 0) continue;
    TEMPER_KERNEL_CHECK(group.weight != nullptr && group.count > 0 && group.begin >= 0 &&
                        group.begin + group.count <= a.rows);
    const auto& weight = static_cast<const CudaPackedWeight&>(*group.weight);
    CheckSizes(direction, a, weight, y);
    if (first == nullptr) first = &weight;
    TEMPER_KERNEL_CHECK(weight.dtype() == first->dtype());
    if (weight.pinned(direction) != nullptr) {
      cuda.BeginOp();  // the last group's scratch is this one's
      LibraryProductOf(cuda, direction, a.Rows(group.begin, group.count), weight,
                       y.Rows(group.begin, group.count), Write::kReplace);
      continue;
    }
    for (int64_t row = 0; row < group.count; row += kProductTile) {
      tiles.push_back({weight.values<void>(), group.begin + row,
                       std::min<int64_t>(kProductTile, group.count - row)});
    }
  }
  if (tiles.empty()) return;
  OwnTiles(cuda, direction, a, *first, cuda.Upload(std::span<const RowTile>(tiles)),
           static_cast<int64_t>(tiles.size()), y, Write::kReplace);
}

void Matmul(Stream& stream, View<const float> x, const PackedWeight& weight, View<float> y,
            Write write) {
  Product(stream, Direction::kForward, x, weight, y, write);
}

void MatmulBackwardInput(Stream& stream, View<const float> dy, const PackedWeight& weight,
                         View<float> dx, Write write) {
  Product(stream, Direction::kBackwardInput, dy, weight, dx, write);
}

void MatmulGrouped(Stream& stream, View<const float> x, std::span<const RowGroup> groups,
                   View<float> y) {
  GroupedProduct(stream, Direction::kForward, x, groups, y);
}

void MatmulGroupedBackwardInput(Stream& stream, View<const float> dy,
                                std::span<const RowGroup> groups, View<float> dx) {
  GroupedProduct(stream, Direction::kBackwardInput, dy, groups, dx);
}

void MatmulBackwardWeight(Stream& stream, View<const float> x, View<const float> dy,
                          View<float> weight_gradient) {
  CudaStream& cuda = BeginOp(stream);
  TEMPER_KERNEL_CHECK(x.rows == dy.rows && weight_gradient.rows == dy.cols &&
                      weight_gradient.cols == x.cols);
  if (x.rows == 0) return;
  const int64_t row_tiles = Tiles(dy.cols);
  TEMPER_LAUNCH(WeightGradientKernel, cuda, Blocks(row_tiles, x.cols), kFloatThreads,
                FloatSharedBytes(Along::kSide, Along::kSide), dy, Aligned(dy), x, Aligned(x),
                weight_gradient, row_tiles);
}

}  // namespace

void MultiplyByOwnTiles(CudaStream& cuda, Direction direction, View<const float> a,
                        const CudaPackedWeight& weight, View<float> y, Write write) {
  OwnTiles(cuda, direction, a, weight, nullptr, Tiles(a.rows), y, write);
}

void AddMatmulOps(Ops& ops) {
  ops.matmul = Matmul;
  ops.matmul_backward_input = MatmulBackwardInput;
  ops.matmul_backward_weight = MatmulBackwardWeight;
  ops.matmul_grouped = MatmulGrouped;
  ops.matmul_grouped_backward_input = MatmulGroupedBackwardInput;
}

}  // namespace temper::kernels::cuda
