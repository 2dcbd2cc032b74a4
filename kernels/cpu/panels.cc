// Lays weights out as panels, in float32 or rounded to bfloat16, whole or a slab of rows at a time.
#include <algorithm>

#include "kernels/check.h"
#include "kernels/cpu/cpu_stream.h"
#include "kernels/cpu/gemm.h"
#include "kernels/cpu/ops_internal.h"

// clang-format off
#include "kernels/cpu/targets.h"
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/panels.cc"
#include "hwy/foreach_target.h"
#include "hwy/highway.h"
// clang-format on

HWY_BEFORE_NAMESPACE();
namespace temper::kernels::cpu {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

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

// Steps of depth that are transposed at a time: they stay in the first-level cache.
inline constexpr int64_t kSteps = 64;

// panel[k][j] = source[j][k]; columns of the panel beyond source's rows are zero.
// source: [columns, steps]
void TransposeBlock(View<const float> source, float* panel) {
  int64_t j = 0;
  for (; j + 4 <= source.rows; j += 4) {
    int64_t k = 0;
    for (; k + 4 <= source.cols; k += 4) {
      TransposeFour(source.row(j) + k, source.stride, panel + k * kPanelColumns + j);
    }
    for (; k < source.cols; ++k) {
      for (int64_t r = j; r < j + 4; ++r) panel[k * kPanelColumns + r] = source.row(r)[k];
    }
  }
  for (; j < kPanelColumns; ++j) {
    for (int64_t k = 0; k < source.cols; ++k) {
      panel[k * kPanelColumns + j] = j < source.rows ? source.row(j)[k] : 0.0f;
    }
  }
}

using WordTag = hn::CappedTag<uint32_t, 16>;

// The bits of bfloat16 nearest to each float, ties to even, in the upper half of its word; the
// lower half is undefined. A NaN stays one.
HWY_INLINE hn::Vec<WordTag> Round(const float* from) {
  const WordTag d;
  const hn::RebindToFloat<WordTag> df;
  const auto value = hn::LoadU(df, from);
  const auto bits = hn::BitCast(d, value);
  const auto odd = hn::And(hn::ShiftRight<16>(bits), hn::Set(d, 1));
  const auto rounded = hn::Add(bits, hn::Add(odd, hn::Set(d, 0x7fff)));
  const auto quiet = hn::Or(bits, hn::Set(d, 0x400000));
  return hn::IfThenElse(hn::MaskFromVec(hn::BitCast(d, hn::VecFromMask(df, hn::IsNaN(value)))),
                        quiet, rounded);
}

// One step of a panel: column j in the lower half of word j, column j + 16 in the upper.
void NarrowStep(const float* step, BFloat16* to) {
  const WordTag d;
  constexpr int64_t kHalf = kPanelColumns / 2;
  for (int64_t j = 0; j < kHalf; j += static_cast<int64_t>(hn::Lanes(d))) {
    const auto low = hn::ShiftRight<16>(Round(step + j));
    const auto high = hn::And(Round(step + kHalf + j), hn::Set(d, 0xffff0000u));
    hn::StoreU(hn::Or(low, high), d, reinterpret_cast<uint32_t*>(to) + j);
  }
}

// One panel from its columns as rows. source: [columns of the panel, depth]
void TransposeToPanel(View<const float> source, float* panel) {
  for (int64_t k = 0; k < source.cols; k += kSteps) {
    const int64_t steps = HWY_MIN(kSteps, source.cols - k);
    TransposeBlock(source.Columns(k, steps), panel + k * kPanelColumns);
  }
}
void TransposeToBFloat16(View<const float> source, BFloat16* panel) {
  HWY_ALIGN float block[kSteps * kPanelColumns];
  for (int64_t k = 0; k < source.cols; k += kSteps) {
    const int64_t steps = HWY_MIN(kSteps, source.cols - k);
    TransposeBlock(source.Columns(k, steps), block);
    for (int64_t s = 0; s < steps; ++s) {
      NarrowStep(block + s * kPanelColumns, panel + (k + s) * kPanelColumns);
    }
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace temper::kernels::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace temper::kernels::cpu {

HWY_EXPORT(TransposeToPanel);
HWY_EXPORT(TransposeToBFloat16);
HWY_EXPORT(NarrowStep);

void Panels::Pack(ThreadPool& pool, int64_t first, View<const float> source) {
  TEMPER_KERNEL_CHECK(first >= 0 && first + source.rows <= depth_ && source.cols == columns_);
  const auto narrow = HWY_DYNAMIC_DISPATCH(NarrowStep);
  const auto pack = [&](const float* from, int64_t i, int64_t k) {
    if (dtype_ == Dtype::kBFloat16) {
      narrow(from, panel<BFloat16>(i) + k * kPanelColumns);
    } else {
      std::copy_n(from, kPanelColumns, panel(i) + k * kPanelColumns);
    }
  };
  // Several panels side by side, so that a row is read in long pieces.
  pool.ParallelRanges(count(), 4, [&](int64_t begin, int64_t end) {
    float padded[kPanelColumns] = {};
    for (int64_t k = 0; k < source.rows; ++k) {
      for (int64_t i = begin; i < end; ++i) {
        const float* const from = source.row(k) + i * kPanelColumns;
        const int64_t columns = std::min(kPanelColumns, columns_ - i * kPanelColumns);
        if (columns < kPanelColumns) std::copy_n(from, columns, padded);
        pack(columns < kPanelColumns ? padded : from, i, first + k);
      }
    }
  });
}

void Panels::PackTransposed(ThreadPool& pool, int64_t first, View<const float> source) {
  TEMPER_KERNEL_CHECK(first >= 0 && first % kPanelColumns == 0 && source.cols == depth_);
  TEMPER_KERNEL_CHECK(source.rows % kPanelColumns == 0 || first + source.rows == columns_);
  TEMPER_KERNEL_CHECK(first + source.rows <= columns_);
  const auto transpose = HWY_DYNAMIC_DISPATCH(TransposeToPanel);
  const auto transpose_bfloat16 = HWY_DYNAMIC_DISPATCH(TransposeToBFloat16);
  const int64_t panels = (source.rows + kPanelColumns - 1) / kPanelColumns;
  pool.ParallelFor(panels, [&](int64_t i) {
    const int64_t row = i * kPanelColumns;
    const View<const float> rows = source.Rows(row, std::min(kPanelColumns, source.rows - row));
    const int64_t to = first / kPanelColumns + i;
    if (dtype_ == Dtype::kBFloat16) {
      transpose_bfloat16(rows, panel<BFloat16>(to));
    } else {
      transpose(rows, panel(to));
    }
  });
}

std::unique_ptr<PackedWeight> MakePacked(Stream&, int64_t out, int64_t in, PackOptions options) {
  return std::make_unique<CpuPackedWeight>(out, in, options);
}

void PackRows(Stream& stream, int64_t first_row, View<const float> rows, PackedWeight& packed) {
  auto& panels = static_cast<CpuPackedWeight&>(packed);
  ThreadPool& pool = Cpu(stream).pool();
  panels.forward().PackTransposed(pool, first_row, rows);
  if (panels.has_backward()) panels.backward().Pack(pool, first_row, rows);
}

std::unique_ptr<PackedWeight> PackWeight(Stream& stream, View<const float> weight,
                                         PackOptions options) {
  auto packed = MakePacked(stream, weight.rows, weight.cols, options);
  PackRows(stream, 0, weight, *packed);
  return packed;
}

}  // namespace temper::kernels::cpu
#endif  // HWY_ONCE
