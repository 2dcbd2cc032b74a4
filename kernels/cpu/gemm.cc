// Matrix products over packed panels: cut into items for the threads, tiles for the registers.
#include "kernels/cpu/gemm.h"

#include <algorithm>
#include <iterator>
#include <vector>

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
template <class B, int kRows, int kPanels>
HWY_NOINLINE void FewRowsTile(const TileWork<B>& work) {
  RunTile<B, kRows, kPanels, kPanelVectors, false, false>(work);
}
template <class B>
struct FewRowsKernel {
  int panels;
  void (*group)(const TileWork<B>&);
  void (*single)(const TileWork<B>&);
};
// With 4 vectors a panel (AVX2) fewer panels fill the registers.
inline constexpr int kWide = kPanelVectors <= 2 ? 2 : 1;
inline constexpr int kFewRows = kPanelVectors <= 2 ? 4 : 3;
template <class B>
FewRowsKernel<B> FewRows(int64_t rows) {
  switch (rows) {
    case 1:
      return {2 * kWide, FewRowsTile<B, 1, 2 * kWide>, FewRowsTile<B, 1, 1>};
    case 2:
      return {kWide, FewRowsTile<B, 2, kWide>, FewRowsTile<B, 2, 1>};
    case 3:
      return {kWide, FewRowsTile<B, 3, kWide>, FewRowsTile<B, 3, 1>};
    default:
      return {kWide, FewRowsTile<B, 4, kWide>, FewRowsTile<B, 4, 1>};
  }
}

template <class B>
void MultiplyFewRows(const GemmItem& item) {
  const FewRowsKernel<B> kernel = FewRows<B>(item.a.rows);
  HWY_ALIGN float tile[4 * 4 * kPanelColumns];
  const int64_t depth = item.b->depth();
  for (int64_t panel = item.panel_begin; panel < item.panel_end;) {
    const int64_t panels = panel + kernel.panels <= item.panel_end ? kernel.panels : 1;
    const int64_t column = panel * kPanelColumns;
    const int64_t columns = HWY_MIN(panels * kPanelColumns, item.c.cols - column);
    const bool direct = !item.add && columns == panels * kPanelColumns;
    const View<float> c = item.c.Columns(column, columns);
    TileWork<B> work = {item.a.data,
                        item.a.stride,
                        item.b->panel<B>(panel),
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
inline constexpr int kTileParts = kPanelVectors / 2;  // passes over the panel that a tile takes
template <class B, int kRows, bool kChain>
HWY_NOINLINE void RowsTile(const TileWork<B>& work) {
  TileWork<B> part = work;
  for (int i = 0; i < kTileParts; ++i) {
    RunTile<B, kRows, 1, 2, false, kChain>(part);
    part.b += 2 * kGemmLanes;
    part.c += PanelPart<B, 2>::kColumns;
    part.ahead += part.ahead_part;
  }
}
template <class B>
using TileFunction = void (*)(const TileWork<B>&);
template <class B, bool kChain>
TileFunction<B> RowsKernel(int64_t rows) {
  static constexpr TileFunction<B> kTable[] = {
      nullptr,
      RowsTile<B, 1, kChain>,
      RowsTile<B, 2, kChain>,
      RowsTile<B, 3, kChain>,
      RowsTile<B, 4, kChain>,
      RowsTile<B, 5, kChain>,
      RowsTile<B, 6, kChain>,
      RowsTile<B, HWY_MIN(7, kTileRows), kChain>,
      RowsTile<B, HWY_MIN(8, kTileRows), kChain>,
      RowsTile<B, HWY_MIN(9, kTileRows), kChain>,
      RowsTile<B, HWY_MIN(10, kTileRows), kChain>,
      RowsTile<B, HWY_MIN(11, kTileRows), kChain>,
      RowsTile<B, HWY_MIN(12, kTileRows), kChain>,
  };
  return kTable[rows];
}

// One panel by steps [begin, begin + depth) of depth, all rows of the item.
template <class B>
void MultiplyPanel(const GemmItem& item, int64_t panel, int64_t begin, int64_t depth, float* c,
                   int64_t c_row) {
  const int64_t tiles = (item.a.rows + kTileRows - 1) / kTileRows;
  const B* const b = item.b->panel<B>(panel) + begin * kPanelColumns;
  // While this block of a panel is in use, the next one of the same size is fetched, shared out
  // over the tiles or their parts, as measured best; a single share fetches what is just ahead.
  const bool by_parts = (tiles == 1) == (sizeof(B) == 4);
  const int64_t shares = by_parts ? tiles * kTileParts : tiles;
  const int64_t ahead_step = (kPanelColumns + shares - 1) / shares;
  for (int64_t tile = 0; tile < tiles; ++tile) {
    const int64_t row = tile * item.a.rows / tiles;
    const int64_t rows = (tile + 1) * item.a.rows / tiles - row;
    TileWork<B> work = {item.a.row(row) + begin, item.a.stride, b,       0,         depth,
                        c + row * c_row,         c_row,         nullptr, ahead_step};
    work.ahead = shares == 1
                     ? b + 32 * kPanelColumns
                     : b + item.b->panel_values() + tile * shares / tiles * ahead_step * depth;
    work.ahead_part = by_parts && shares > 1 ? ahead_step * depth : 0;
    (begin > 0 ? RowsKernel<B, true>(rows) : RowsKernel<B, false>(rows))(work);
  }
}

template <class B>
void MultiplyRows(const GemmItem& item) {
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
      MultiplyPanel<B>(item, panel, begin, end - begin, direct ? c.data : tile,
                       direct ? c.stride : kPanelColumns);
    }
    if (!direct) StoreTile(tile, kPanelColumns, c, item.add);
  }
}

template <class B>
void MultiplyItemOf(const GemmItem& item) {
  item.a.rows <= kFewRows ? MultiplyFewRows<B>(item) : MultiplyRows<B>(item);
}
void MultiplyItem(const GemmItem& item) {
  item.b->dtype() == Dtype::kBFloat16 ? MultiplyItemOf<BFloat16>(item)
                                      : MultiplyItemOf<float>(item);
}

}  // namespace HWY_NAMESPACE
}  // namespace temper::kernels::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace temper::kernels::cpu {

HWY_EXPORT(MultiplyItem);

namespace {

// How one product is shared out: blocks of its rows by runs of its panels.
struct Cut {
  int64_t row_blocks;
  int64_t run;        // panels of a run
  int64_t runs;       // of one block of rows
  int64_t items_end;  // of this product and those before it
};

// `items`: how many this product should make, more or less.
Cut CutProduct(const GemmProduct& product, int64_t items, int64_t items_before) {
  TEMPER_KERNEL_CHECK(product.a.cols == product.b->depth());
  TEMPER_KERNEL_CHECK(product.c.rows == product.a.rows);
  TEMPER_KERNEL_CHECK(product.c.cols == product.b->columns());
  const int64_t panels = product.b->count();
  const int64_t row_blocks = (product.a.rows + kItemRows - 1) / kItemRows;
  const int64_t wanted = std::max<int64_t>(1, items / std::max<int64_t>(1, row_blocks));
  int64_t run = std::max<int64_t>(1, panels / wanted);
  // Whole groups of panels for few rows.
  if (product.a.rows <= 4) run = (run + 3) / 4 * 4;
  const int64_t runs = (panels + run - 1) / run;
  return {row_blocks, run, runs, items_before + row_blocks * runs};
}

GemmItem ItemOf(const GemmProduct& product, const Cut& cut, int64_t i, bool add) {
  const int64_t block = i / cut.runs;
  const int64_t row = block * product.a.rows / cut.row_blocks;
  const int64_t rows = (block + 1) * product.a.rows / cut.row_blocks - row;
  const int64_t panel = i % cut.runs * cut.run;
  return {
      product.a.Rows(row, rows), product.b, panel, std::min(panel + cut.run, product.b->count()),
      product.c.Rows(row, rows), add};
}

// The products of a grouped call; `panels` picks each weight's.
template <class PanelsOf>
std::vector<GemmProduct> ProductsOf(View<const float> a,
                                    std::span<const PackedWeight* const> weights,
                                    const int32_t* first, View<float> c, const PanelsOf& panels) {
  TEMPER_KERNEL_CHECK(a.rows == c.rows);
  std::vector<GemmProduct> products;
  products.reserve(std::min(weights.size(), static_cast<size_t>(a.rows)));
  for (size_t e = 0; e < weights.size(); ++e) {
    const int64_t begin = first[e], count = first[e + 1] - begin;
    TEMPER_KERNEL_CHECK(begin >= 0 && count >= 0 && begin + count <= a.rows);
    if (count == 0) continue;
    products.push_back({a.Rows(begin, count),
                        panels(static_cast<const CpuPackedWeight&>(*weights[e])),
                        c.Rows(begin, count)});
  }
  return products;
}

const Panels* BackwardOf(const CpuPackedWeight& weight) {
  TEMPER_KERNEL_CHECK(weight.has_backward());
  return &weight.backward();
}

}  // namespace

void Multiply(ThreadPool& pool, std::span<const GemmProduct> products, Write write) {
  int64_t rows = 0;
  for (const GemmProduct& product : products) rows += product.a.rows;
  if (rows == 0) return;
  // About eight items a thread even out what else runs on the cores.
  std::vector<Cut> cuts;
  cuts.reserve(products.size());
  int64_t items = 0;
  for (const GemmProduct& product : products) {
    cuts.push_back(CutProduct(product, 8 * pool.size() * product.a.rows / rows, items));
    items = cuts.back().items_end;
  }
  const auto multiply = HWY_DYNAMIC_DISPATCH(MultiplyItem);
  pool.ParallelFor(items, [&](int64_t i) {
    const auto cut = std::upper_bound(
        cuts.begin(), cuts.end(), i, [](int64_t item, const Cut& c) { return item < c.items_end; });
    const int64_t first = cut == cuts.begin() ? 0 : std::prev(cut)->items_end;
    multiply(ItemOf(products[cut - cuts.begin()], *cut, i - first, write == Write::kAdd));
  });
}

void Matmul(Stream& stream, View<const float> x, const PackedWeight& weight, View<float> y,
            Write write) {
  const GemmProduct product = {x, &static_cast<const CpuPackedWeight&>(weight).forward(), y};
  Multiply(Cpu(stream).pool(), {&product, 1}, write);
}

void MatmulBackwardInput(Stream& stream, View<const float> dy, const PackedWeight& weight,
                         View<float> dx, Write write) {
  const GemmProduct product = {dy, BackwardOf(static_cast<const CpuPackedWeight&>(weight)), dx};
  Multiply(Cpu(stream).pool(), {&product, 1}, write);
}

void MatmulGrouped(Stream& stream, View<const float> x,
                   std::span<const PackedWeight* const> weights, const int32_t* first,
                   View<float> y) {
  const auto forward = [](const CpuPackedWeight& weight) { return &weight.forward(); };
  Multiply(Cpu(stream).pool(), ProductsOf(x, weights, first, y, forward), Write::kReplace);
}

void MatmulGroupedBackwardInput(Stream& stream, View<const float> dy,
                                std::span<const PackedWeight* const> weights, const int32_t* first,
                                View<float> dx) {
  Multiply(Cpu(stream).pool(), ProductsOf(dy, weights, first, dx, BackwardOf), Write::kReplace);
}

}  // namespace temper::kernels::cpu
#endif  // HWY_ONCE
