// The inner tile of every matrix product: rows of A times panels of B, each result one chain over
// depth.
//
// A panel is [depth][kPanelColumns]. An output element is fma(a[k], b[k], acc) for k = 0, 1, ... in
// order, whatever the tile's size and the vector width; that is what makes a row's bits independent
// of all else.
#if defined(TEMPER_KERNELS_CPU_GEMM_TILE_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef TEMPER_KERNELS_CPU_GEMM_TILE_INL_H_
#undef TEMPER_KERNELS_CPU_GEMM_TILE_INL_H_
#else
#define TEMPER_KERNELS_CPU_GEMM_TILE_INL_H_
#endif

#include <cstdint>

#include "hwy/cache_control.h"
#include "hwy/highway.h"
#include "kernels/cpu/gemm.h"

// Loops over a tile's registers must vanish, or the tile would live in memory.
#ifndef TEMPER_UNROLL
#ifdef __clang__
#define TEMPER_UNROLL _Pragma("unroll")
#else
#define TEMPER_UNROLL _Pragma("GCC unroll 16")
#endif
#endif

HWY_BEFORE_NAMESPACE();
namespace temper::kernels::cpu {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using GemmTag = hn::CappedTag<float, 16>;
inline constexpr int kGemmLanes = static_cast<int>(hn::MaxLanes(GemmTag()));
inline constexpr int kPanelVectors = static_cast<int>(kPanelColumns) / kGemmLanes;
// Rows of a full tile of two vectors: the accumulators fill the registers (32 with AVX-512, else
// 16).
inline constexpr int kTileRows = kGemmLanes >= 16 ? 12 : 6;

// What one tile reads and writes. B: float or BFloat16.
template <class B>
struct TileWork {
  const float* a;  // row r, step k: a[r * a_row + k], or a[k * kTileRows + r] when packed
  int64_t a_row;
  const B* b;       // step k starts at b + k * kPanelColumns
  int64_t b_panel;  // values from one panel to the next
  int64_t depth;
  float* c;  // row r: c[r * c_row + column]; the next panel is kPanelColumns on
  int64_t c_row;
  const B* ahead;          // memory wanted soon, of each panel; only prefetched
  int64_t ahead_step;      // values of it to fetch at each step of depth
  int64_t ahead_part = 0;  // values of it from one part of the tile to the next
};

// How the vectors of a tile lie in one panel. A tile has all of a panel's vectors, or two of them:
// neighbours in float32, in bfloat16 the two that share their words.
template <class B, int kVectors>
struct PanelPart;
template <int kVectors>
struct PanelPart<float, kVectors> {
  static constexpr int kColumns = kVectors * kGemmLanes;  // from one part of C to the next
  static constexpr int ColumnOf(int vector) { return vector * kGemmLanes; }
  static HWY_INLINE hn::Vec<GemmTag> Load(const float* step, int vector) {
    return hn::Load(GemmTag(), step + vector * kGemmLanes);
  }
};
template <int kVectors>
struct PanelPart<BFloat16, kVectors> {
  static constexpr int kWords = kVectors / 2;  // vectors of words
  static constexpr int kColumns = kWords * kGemmLanes;
  static constexpr int ColumnOf(int vector) {
    return vector / kWords * static_cast<int>(kPanelColumns / 2) + vector % kWords * kGemmLanes;
  }
  static HWY_INLINE hn::Vec<GemmTag> Load(const BFloat16* step, int vector) {
    const hn::RebindToUnsigned<GemmTag> words;
    const auto pair =
        hn::Load(words, reinterpret_cast<const uint32_t*>(step) + vector % kWords * kGemmLanes);
    return hn::BitCast(GemmTag(), vector < kWords ? hn::ShiftLeft<16>(pair)
                                                  : hn::And(pair, hn::Set(words, 0xffff0000u)));
  }
};

// c = A * B, or c += A * B as a continued chain. kVectors vectors of each of kPanels panels.
template <class B, int kRows, int kPanels, int kVectors, bool kPackedA, bool kChain>
HWY_INLINE void RunTile(const TileWork<B>& work) {
  using V = hn::Vec<GemmTag>;
  using Part = PanelPart<B, kVectors>;
  const GemmTag d;
  constexpr int kColumns = kPanels * kVectors;
  // Panels fetched ahead: one line a step is all of a step in bfloat16. In float32 it is half, and
  // half of several panels misleads the processor's own fetching; a single row has no time for it.
  constexpr int kFetched = sizeof(B) == 2 && kRows > 1 ? kPanels : 1;
  const auto target = [&work](int r, int j) HWY_ATTR {
    return work.c + r * work.c_row + j / kVectors * kPanelColumns + Part::ColumnOf(j % kVectors);
  };
  V acc[kRows][kColumns];
  TEMPER_UNROLL
  for (int r = 0; r < kRows; ++r) {
    TEMPER_UNROLL
    for (int j = 0; j < kColumns; ++j) {
      acc[r][j] = kChain ? hn::LoadU(d, target(r, j)) : hn::Zero(d);
    }
  }
  const B* HWY_RESTRICT b = work.b;
  const float* HWY_RESTRICT a = work.a;
  const B* ahead = work.ahead;
  for (int64_t k = 0; k < work.depth; ++k) {
    V right[kColumns];
    TEMPER_UNROLL
    for (int j = 0; j < kColumns; ++j) {
      right[j] = Part::Load(b + j / kVectors * work.b_panel, j % kVectors);
    }
    TEMPER_UNROLL
    for (int r = 0; r < kRows; ++r) {
      const V left = hn::Set(d, kPackedA ? a[r] : a[r * work.a_row]);
      TEMPER_UNROLL
      for (int j = 0; j < kColumns; ++j) acc[r][j] = hn::MulAdd(left, right[j], acc[r][j]);
    }
    TEMPER_UNROLL
    for (int p = 0; p < kFetched; ++p) hwy::Prefetch(ahead + p * work.b_panel);
    ahead += work.ahead_step;
    a += kPackedA ? kTileRows : 1;
    b += kPanelColumns;
  }
  TEMPER_UNROLL
  for (int r = 0; r < kRows; ++r) {
    TEMPER_UNROLL
    for (int j = 0; j < kColumns; ++j) hn::StoreU(acc[r][j], d, target(r, j));
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace temper::kernels::cpu
HWY_AFTER_NAMESPACE();

#endif  // per-target include guard
