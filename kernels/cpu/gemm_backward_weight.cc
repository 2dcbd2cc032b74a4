// weight_gradient += transpose(dy) * x: both sides packed by blocks of tokens, then tiles over
// tokens.
#include <algorithm>

#include "kernels/check.h"
#include "kernels/cpu/cpu_stream.h"
#include "kernels/cpu/gemm.h"
#include "kernels/cpu/ops_internal.h"

// clang-format off
#include "kernels/cpu/targets.h"
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/gemm_backward_weight.cc"
#include "hwy/foreach_target.h"
#include "kernels/cpu/gemm_tile-inl.h"
// clang-format on

#ifndef TEMPER_KERNELS_CPU_GRADIENT_ITEM_
#define TEMPER_KERNELS_CPU_GRADIENT_ITEM_
namespace temper::kernels::cpu {

// Tokens of one chain; chains of a call are added to the gradient in order. Part of the op's
// definition: another number gives other bits.
inline constexpr int64_t kTokenBlock = 512;

// Some rows of the gradient by all panels of x, over one block of tokens.
struct GradientItem {
  const float* dy;  // tiles of rows: [tile][token][rows of a tile]
  const Panels* x;
  View<float> gradient;
};

}  // namespace temper::kernels::cpu
#endif

HWY_BEFORE_NAMESPACE();
namespace temper::kernels::cpu {
namespace HWY_NAMESPACE {

int64_t GradientTileRows() { return kTileRows; }

// packed[tile][token][row] = dy[token][tile * kTileRows + row] for tiles [begin, end).
void PackTiles(View<const float> dy, int64_t begin, int64_t end, float* packed) {
  for (int64_t t = 0; t < dy.rows; ++t) {
    for (int64_t tile = begin; tile < end; ++tile) {
      const int64_t first = tile * kTileRows;
      const float* const from = dy.row(t) + first;
      float* const to = packed + (tile * dy.rows + t) * kTileRows;
      if (first + kTileRows <= dy.cols) {
        for (int64_t r = 0; r < kTileRows; ++r) to[r] = from[r];
      } else {
        for (int64_t r = 0; r < kTileRows; ++r) to[r] = first + r < dy.cols ? from[r] : 0.0f;
      }
    }
  }
}

// The gradient's lines are wanted when the tile is done; they come from memory meanwhile.
void FetchTile(View<float> gradient) {
  for (int64_t r = 0; r < gradient.rows; ++r) {
    for (int64_t j = 0; j < gradient.cols; j += 16) hwy::Prefetch(gradient.row(r) + j);
  }
}

void AddTile(const float* tile, View<float> gradient) {
  for (int64_t r = 0; r < gradient.rows; ++r) {
    float* to = gradient.row(r);
    for (int64_t j = 0; j < gradient.cols; ++j) to[j] += tile[r * kPanelColumns + j];
  }
}

void GradientRows(const GradientItem& item) {
  HWY_ALIGN float tile[kTileRows * kPanelColumns];
  const int64_t tokens = item.x->depth();
  for (int64_t panel = 0; panel < item.x->count(); ++panel) {
    const int64_t column = panel * kPanelColumns;
    const int64_t columns = HWY_MIN(kPanelColumns, item.gradient.cols - column);
    const float* dy = item.dy;
    for (int64_t row = 0; row < item.gradient.rows; row += kTileRows) {
      const int64_t rows = HWY_MIN(int64_t{kTileRows}, item.gradient.rows - row);
      const View<float> gradient = item.gradient.Rows(row, rows).Columns(column, columns);
      FetchTile(gradient);
      TileWork<float> work = {dy,      0, item.x->panel(panel), 0, tokens, tile, kPanelColumns,
                              nullptr, 0};
      work.ahead = item.x->panel(panel);
      for (int part = 0; part < kPanelColumns; part += 2 * kGemmLanes) {
        RunTile<float, kTileRows, 1, 2, true, false>(work);
        work.b += 2 * kGemmLanes;
        work.c += 2 * kGemmLanes;
      }
      AddTile(tile, gradient);
      dy += tokens * kTileRows;
    }
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace temper::kernels::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace temper::kernels::cpu {

HWY_EXPORT(GradientTileRows);
HWY_EXPORT(PackTiles);
HWY_EXPORT(GradientRows);

namespace {

// Rows of the gradient packed at a time: bounds the working memory for a wide vocabulary.
constexpr int64_t kGradientRowBlock = 4096;

// The calling thread's working memory, kept between calls: fresh pages cost more than the packing.
float* WorkingMemory(int64_t floats) {
  static thread_local FloatBuffer memory;
  if (memory.size() < floats) memory = FloatBuffer(floats);
  return memory.data();
}

void AddRows(ThreadPool& pool, const Panels& x, View<const float> dy, float* memory,
             View<float> gradient) {
  const int64_t tile_rows = HWY_DYNAMIC_DISPATCH(GradientTileRows)();
  const int64_t tiles = (dy.cols + tile_rows - 1) / tile_rows;
  const int64_t tile_floats = dy.rows * tile_rows;
  const auto pack = HWY_DYNAMIC_DISPATCH(PackTiles);
  pool.ParallelRanges(tiles, 8, [&](int64_t begin, int64_t end) { pack(dy, begin, end, memory); });

  const int64_t run = std::clamp<int64_t>(tiles / (8 * pool.size()), 1, 16);
  const auto multiply = HWY_DYNAMIC_DISPATCH(GradientRows);
  pool.ParallelRanges(tiles, run, [&](int64_t begin, int64_t end) {
    const int64_t row = begin * tile_rows;
    const int64_t rows = std::min(end * tile_rows, gradient.rows) - row;
    multiply({memory + begin * tile_floats, &x, gradient.Rows(row, rows)});
  });
}

void AddTokenBlock(ThreadPool& pool, View<const float> x, View<const float> dy,
                   View<float> gradient) {
  const int64_t x_floats = Panels::FloatsFor(x.rows, x.cols);
  const int64_t dy_floats = x.rows * (std::min(kGradientRowBlock, dy.cols) + 16);
  float* const memory = WorkingMemory(x_floats + dy_floats);
  Panels panels(x.rows, x.cols, memory);
  panels.Pack(pool, 0, x);
  for (int64_t row = 0; row < dy.cols; row += kGradientRowBlock) {
    const int64_t rows = std::min(kGradientRowBlock, dy.cols - row);
    AddRows(pool, panels, dy.Columns(row, rows), memory + x_floats, gradient.Rows(row, rows));
  }
}

}  // namespace

void MatmulBackwardWeight(Stream& stream, View<const float> x, View<const float> dy, Dtype,
                          View<float> weight_gradient) {
  TEMPER_KERNEL_CHECK(x.rows == dy.rows);
  TEMPER_KERNEL_CHECK(weight_gradient.rows == dy.cols && weight_gradient.cols == x.cols);
  for (int64_t token = 0; token < x.rows; token += kTokenBlock) {
    const int64_t tokens = std::min(kTokenBlock, x.rows - token);
    AddTokenBlock(Cpu(stream).pool(), x.Rows(token, tokens), dy.Rows(token, tokens),
                  weight_gradient);
  }
}

void MatmulGroupedBackwardWeight(Stream& stream, View<const float> x, View<const float> dy,
                                 const int32_t* first, Dtype dtype,
                                 std::span<float* const> gradients) {
  for (size_t e = 0; e < gradients.size(); ++e) {
    const int64_t begin = first[e], count = first[e + 1] - begin;
    TEMPER_KERNEL_CHECK(begin >= 0 && count >= 0 && begin + count <= x.rows);
    MatmulBackwardWeight(stream, x.Rows(begin, count), dy.Rows(begin, count), dtype,
                         View<float>(gradients[e], dy.cols, x.cols));
  }
}

}  // namespace temper::kernels::cpu
#endif  // HWY_ONCE
