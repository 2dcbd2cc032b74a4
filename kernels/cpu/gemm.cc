// Matrix products over packed panels: cut into items for the threads, tiles for the registers.
#include "kernels/cpu/gemm.h"

#include <algorithm>

#include "kernels/check.h"
#include "kernels/cpu/cpu_stream.h"
#include "kernels/cpu/ops_internal.h"

// clang-format off
#include "kernels/cpu/targets.h"
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/gemm.cc"
#include "hwy/foreach_target.h"
#include "kernels/cpu/gemm_tile-inl.h"
// clang-format on

#ifndef TEMPER_KERNELS_CPU_GEMM_ITEM_
#define TEMPER_KERNELS_CPU_GEMM_ITEM_
namespace temper::kernels::cpu {

// Rows of C that one item covers at most: with the rows of A they stay in the second-level cache.
inline constexpr int64_t kItemRows = 240;
// Steps of depth after which a panel would leave the second-level cache.
inline constexpr int64_t kDepthBlock = 2048;

// One thread's share: some rows of A by a run of panels.
struct GemmItem {
  View<const float> a;
  const Panels* b;
  int64_t panel_begin, panel_end;
  View<float> c;
  bool add;
};

}  // namespace temper::kernels::cpu
#endif

HWY_BEFORE_NAMESPACE();
namespace temper::kernels::cpu {
namespace HWY_NAMESPACE {

// c (=|+=) tile for the columns that exist.
void StoreTile(const float* tile, int64_t tile_row, View<float> c, bool add) {
  for (int64_t r = 0; r < c.rows; ++r) {
    const float* from = tile + r * tile_row;
    float* to = c.row(r);
    if (add) {
      for (int64_t j = 0; j < c.cols; ++j) to[j] += from[j];
    } else {
      for (int64_t j = 0; j < c.cols; ++j) to[j] = from[j];
    }
  }
}

// ---- few rows: several panels at once, so that enough chains run side by side
template <int kRows, int kPanels>
HWY_NOINLINE void FewRowsTile(const TileWork& work) {
  RunTile<kRows, kPanels, kPanelVectors, false, false>(work);
}
struct FewRowsKernel {
  int panels;
  void (*group)(const TileWork&);
  void (*single)(const TileWork&);
};
// With 4 vectors a panel (AVX2) fewer panels fill the registers.
inline constexpr int kWide = kPanelVectors <= 2 ? 2 : 1;
inline constexpr int kFewRows = kPanelVectors <= 2 ? 4 : 3;
FewRowsKernel FewRows(int64_t rows) {
  switch (rows) {
    case 1:
      return {2 * kWide, FewRowsTile<1, 2 * kWide>, FewRowsTile<1, 1>};
    case 2:
      return {kWide, FewRowsTile<2, kWide>, FewRowsTile<2, 1>};
    case 3:
      return {kWide, FewRowsTile<3, kWide>, FewRowsTile<3, 1>};
    default:
      return {kWide, FewRowsTile<4, kWide>, FewRowsTile<4, 1>};
  }
}

void MultiplyFewRows(const GemmItem& item) {
  const FewRowsKernel kernel = FewRows(item.a.rows);
  HWY_ALIGN float tile[4 * 4 * kPanelColumns];
  const int64_t depth = item.b->depth();
  for (int64_t panel = item.panel_begin; panel < item.panel_end;) {
    const int64_t panels = panel + kernel.panels <= item.panel_end ? kernel.panels : 1;
    const int64_t column = panel * kPanelColumns;
    const int64_t columns = HWY_MIN(panels * kPanelColumns, item.c.cols - column);
    const bool direct = !item.add && columns == panels * kPanelColumns;
    const View<float> c = item.c.Columns(column, columns);
    TileWork work = {item.a.data,
                     item.a.stride,
                     item.b->panel(panel),
                     depth * kPanelColumns,
                     depth,
                     direct ? c.data : tile,
                     direct ? c.stride : panels * kPanelColumns,
                     nullptr,
                     kPanelColumns};
    work.ahead = work.b + 32 * kPanelColumns;
    (panels == 1 ? kernel.single : kernel.group)(work);
    if (!direct) StoreTile(tile, panels * kPanelColumns, c, item.add);
    panel += panels;
  }
}

// ---- many rows: full tiles, a panel at a time
template <int kRows, bool kChain>
HWY_NOINLINE void RowsTile(const TileWork& work) {
  TileWork part = work;
  for (int column = 0; column < kPanelColumns; column += 2 * kGemmLanes) {
    RunTile<kRows, 1, 2, false, kChain>(part);
    part.b += 2 * kGemmLanes;
    part.c += 2 * kGemmLanes;
  }
}
using TileFunction = void (*)(const TileWork&);
template <bool kChain>
TileFunction RowsKernel(int64_t rows) {
  static constexpr TileFunction kTable[] = {
      nullptr,
      RowsTile<1, kChain>,
      RowsTile<2, kChain>,
      RowsTile<3, kChain>,
      RowsTile<4, kChain>,
      RowsTile<5, kChain>,
      RowsTile<6, kChain>,
      RowsTile<HWY_MIN(7, kTileRows), kChain>,
      RowsTile<HWY_MIN(8, kTileRows), kChain>,
      RowsTile<HWY_MIN(9, kTileRows), kChain>,
      RowsTile<HWY_MIN(10, kTileRows), kChain>,
      RowsTile<HWY_MIN(11, kTileRows), kChain>,
      RowsTile<HWY_MIN(12, kTileRows), kChain>,
  };
  return kTable[rows];
}

// One panel by steps [begin, begin + depth) of depth, all rows of the item.
void MultiplyPanel(const GemmItem& item, int64_t panel, int64_t begin, int64_t depth, float* c,
                   int64_t c_row) {
  const int64_t tiles = (item.a.rows + kTileRows - 1) / kTileRows;
  const float* const b = item.b->panel(panel) + begin * kPanelColumns;
  // While this block of a panel is in use, the next one of the same size is fetched, shared out
  // over the tiles.
  const int64_t ahead_step = (kPanelColumns + tiles - 1) / tiles;
  for (int64_t tile = 0; tile < tiles; ++tile) {
    const int64_t row = tile * item.a.rows / tiles;
    const int64_t rows = (tile + 1) * item.a.rows / tiles - row;
    TileWork work = {item.a.row(row) + begin, item.a.stride, b,       0,         depth,
                     c + row * c_row,         c_row,         nullptr, ahead_step};
    work.ahead = tiles == 1 ? b + 32 * kPanelColumns
                            : b + item.b->panel_floats() + tile * ahead_step * depth;
    (begin > 0 ? RowsKernel<true>(rows) : RowsKernel<false>(rows))(work);
  }
}

void MultiplyItem(const GemmItem& item) {
  if (item.a.rows <= kFewRows) return MultiplyFewRows(item);
  HWY_ALIGN float tile[kItemRows * kPanelColumns];
  const int64_t depth = item.b->depth();
  const int64_t blocks = (depth + kDepthBlock - 1) / kDepthBlock;
  for (int64_t panel = item.panel_begin; panel < item.panel_end; ++panel) {
    const int64_t column = panel * kPanelColumns;
    const View<float> c = item.c.Columns(column, HWY_MIN(kPanelColumns, item.c.cols - column));
    const bool direct = !item.add && c.cols == kPanelColumns;
    for (int64_t block = 0; block < blocks; ++block) {
      const int64_t begin = block * depth / blocks;
      const int64_t end = (block + 1) * depth / blocks;
      MultiplyPanel(item, panel, begin, end - begin, direct ? c.data : tile,
                    direct ? c.stride : kPanelColumns);
    }
    if (!direct) StoreTile(tile, kPanelColumns, c, item.add);
  }
}

// ---- packing
// panel[k][j] = source[j][k] for 4 rows j and 4 steps k.
HWY_INLINE void TransposeFour(const float* from, int64_t stride, float* to) {
#if HWY_TARGET == HWY_SCALAR
  for (int64_t j = 0; j < 4; ++j) {
    for (int64_t k = 0; k < 4; ++k) to[k * kPanelColumns + j] = from[j * stride + k];
  }
#else
  const hn::Full128<float> d;
  const auto a = hn::LoadU(d, from), b = hn::LoadU(d, from + stride);
  const auto c = hn::LoadU(d, from + 2 * stride), e = hn::LoadU(d, from + 3 * stride);
  const auto low_even = hn::InterleaveLower(d, a, c), low_odd = hn::InterleaveLower(d, b, e);
  const auto high_even = hn::InterleaveUpper(d, a, c), high_odd = hn::InterleaveUpper(d, b, e);
  hn::StoreU(hn::InterleaveLower(d, low_even, low_odd), d, to);
  hn::StoreU(hn::InterleaveUpper(d, low_even, low_odd), d, to + kPanelColumns);
  hn::StoreU(hn::InterleaveLower(d, high_even, high_odd), d, to + 2 * kPanelColumns);
  hn::StoreU(hn::InterleaveUpper(d, high_even, high_odd), d, to + 3 * kPanelColumns);
#endif
}

// panel[k][j] = source[j][k]; columns of the panel beyond source's rows are zero.
void TransposeToPanel(View<const float> source, float* panel) {
  constexpr int64_t kSteps = 64;  // of depth at a time: they stay in the first-level cache
  for (int64_t k = 0; k < source.cols; k += kSteps) {
    const int64_t steps = HWY_MIN(kSteps, source.cols - k);
    float* const to = panel + k * kPanelColumns;
    int64_t j = 0;
    for (; j + 4 <= source.rows; j += 4) {
      int64_t s = 0;
      for (; s + 4 <= steps; s += 4) {
        TransposeFour(source.row(j) + k + s, source.stride, to + s * kPanelColumns + j);
      }
      for (; s < steps; ++s) {
        for (int64_t r = j; r < j + 4; ++r) to[s * kPanelColumns + r] = source.row(r)[k + s];
      }
    }
    for (; j < kPanelColumns; ++j) {
      for (int64_t s = 0; s < steps; ++s) {
        to[s * kPanelColumns + j] = j < source.rows ? source.row(j)[k + s] : 0.0f;
      }
    }
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace temper::kernels::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace temper::kernels::cpu {

HWY_EXPORT(MultiplyItem);
HWY_EXPORT(TransposeToPanel);

void Multiply(ThreadPool& pool, View<const float> a, const Panels& b, View<float> c, Write write) {
  TEMPER_KERNEL_CHECK(a.cols == b.depth());
  TEMPER_KERNEL_CHECK(c.rows == a.rows && c.cols == b.columns());
  if (a.rows == 0) return;
  // About eight items a thread even out what else runs on the cores; whole groups of panels for few
  // rows.
  const int64_t row_blocks = (a.rows + kItemRows - 1) / kItemRows;
  const int64_t wanted = std::max<int64_t>(1, 8 * pool.size() / row_blocks);
  int64_t run = std::max<int64_t>(1, b.count() / wanted);
  if (a.rows <= 4) run = (run + 3) / 4 * 4;
  const int64_t runs = (b.count() + run - 1) / run;
  const auto multiply = HWY_DYNAMIC_DISPATCH(MultiplyItem);
  pool.ParallelFor(row_blocks * runs, [&](int64_t i) {
    const int64_t block = i / runs;
    const int64_t row = block * a.rows / row_blocks;
    const int64_t rows = (block + 1) * a.rows / row_blocks - row;
    const int64_t panel = i % runs * run;
    multiply({a.Rows(row, rows), &b, panel, std::min(panel + run, b.count()), c.Rows(row, rows),
              write == Write::kAdd});
  });
}

void Panels::Pack(ThreadPool& pool, View<const float> source) {
  TEMPER_KERNEL_CHECK(source.rows == depth_ && source.cols == columns_);
  // Several panels side by side, so that a row is read in long pieces.
  pool.ParallelRanges(count(), 4, [&](int64_t begin, int64_t end) {
    for (int64_t k = 0; k < depth_; ++k) {
      for (int64_t i = begin; i < end; ++i) {
        const int64_t column = i * kPanelColumns;
        const int64_t columns = std::min(kPanelColumns, columns_ - column);
        float* const to = panel(i) + k * kPanelColumns;
        const float* const from = source.row(k) + column;
        if (columns == kPanelColumns) {
          std::copy_n(from, kPanelColumns, to);
        } else {
          std::copy_n(from, columns, to);
          std::fill(to + columns, to + kPanelColumns, 0.0f);
        }
      }
    }
  });
}

void Panels::PackTransposed(ThreadPool& pool, View<const float> source) {
  TEMPER_KERNEL_CHECK(source.rows == columns_ && source.cols == depth_);
  const auto transpose = HWY_DYNAMIC_DISPATCH(TransposeToPanel);
  pool.ParallelFor(count(), [&](int64_t i) {
    const int64_t column = i * kPanelColumns;
    const int64_t columns = std::min(kPanelColumns, columns_ - column);
    transpose(source.Rows(column, columns), panel(i));
  });
}

std::unique_ptr<PackedWeight> PackWeight(Stream& stream, View<const float> weight, bool backward) {
  auto packed = std::make_unique<CpuPackedWeight>(weight.rows, weight.cols, backward);
  RepackWeight(stream, weight, *packed);
  return packed;
}

void RepackWeight(Stream& stream, View<const float> weight, PackedWeight& packed) {
  auto& panels = static_cast<CpuPackedWeight&>(packed);
  ThreadPool& pool = Cpu(stream).pool();
  panels.forward().PackTransposed(pool, weight);
  if (panels.has_backward()) panels.backward().Pack(pool, weight);
}

void Matmul(Stream& stream, View<const float> x, const PackedWeight& weight, View<float> y,
            Write write) {
  Multiply(Cpu(stream).pool(), x, static_cast<const CpuPackedWeight&>(weight).forward(), y, write);
}

void MatmulBackwardInput(Stream& stream, View<const float> dy, const PackedWeight& weight,
                         View<float> dx, Write write) {
  const auto& packed = static_cast<const CpuPackedWeight&>(weight);
  TEMPER_KERNEL_CHECK(packed.has_backward());
  Multiply(Cpu(stream).pool(), dy, packed.backward(), dx, write);
}

}  // namespace temper::kernels::cpu
#endif  // HWY_ONCE
