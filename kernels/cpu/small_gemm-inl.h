// Products of matrices that fit in cache, on sixteen lanes.
//
// Every element of the product is one chain of fused multiply-adds in ascending depth: its bits
// depend on its own row and column only, not on the block it was computed in. Included once per
// Highway target.
#if defined(TEMPER_KERNELS_CPU_SMALL_GEMM_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef TEMPER_KERNELS_CPU_SMALL_GEMM_INL_H_
#undef TEMPER_KERNELS_CPU_SMALL_GEMM_INL_H_
#else
#define TEMPER_KERNELS_CPU_SMALL_GEMM_INL_H_
#endif

#include "kernels/cpu/vector_math.h"

// Loops over a block of registers must vanish, or the block would live in memory.
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

// Element (i, k) lies at data[i * row + k * step]; so a transpose costs nothing.
struct LeftMatrix {
  const float* data;
  int64_t row;
  int64_t step;
};
// Row k starts at data + k * row.
struct RightMatrix {
  const float* data;
  int64_t row;
};
// out = scale * start + product; start null: zero. start may be out.
struct Product {
  float* out;
  int64_t row;
  const float* start = nullptr;
  int64_t start_row = 0;
  float scale = 1.0f;
};

template <int kRows, int kColumns>
HWY_INLINE void MultiplyBlock(int64_t depth, LeftMatrix left, RightMatrix right,
                              const Product& product) {
  Lanes16 sum[kRows][kColumns];
  const Lanes16 scale = Set16(product.scale);
  TEMPER_UNROLL
  for (int i = 0; i < kRows; ++i) {
    TEMPER_UNROLL
    for (int j = 0; j < kColumns; ++j) {
      sum[i][j] = product.start == nullptr
                      ? Set16(0.0f)
                      : Mul16(scale, Load16(product.start + i * product.start_row + j * 16));
    }
  }
  for (int64_t k = 0; k < depth; ++k) {
    const float* b = right.data + k * right.row;
    const float* a = left.data + k * left.step;
    Lanes16 column[kColumns];
    TEMPER_UNROLL
    for (int j = 0; j < kColumns; ++j) column[j] = Load16(b + j * 16);
    TEMPER_UNROLL
    for (int i = 0; i < kRows; ++i) {
      const Lanes16 value = Set16(a[i * left.row]);
      TEMPER_UNROLL
      for (int j = 0; j < kColumns; ++j) sum[i][j] = MulAdd16(value, column[j], sum[i][j]);
    }
  }
  TEMPER_UNROLL
  for (int i = 0; i < kRows; ++i) {
    TEMPER_UNROLL
    for (int j = 0; j < kColumns; ++j) Store16(sum[i][j], product.out + i * product.row + j * 16);
  }
}

// Fewer rows than a block has: one to seven.
template <int kColumns>
HWY_INLINE void MultiplyRest(int64_t rows, int64_t depth, LeftMatrix left, RightMatrix right,
                             const Product& product) {
  switch (rows) {
    case 1:
      return MultiplyBlock<1, kColumns>(depth, left, right, product);
    case 2:
      return MultiplyBlock<2, kColumns>(depth, left, right, product);
    case 3:
      return MultiplyBlock<3, kColumns>(depth, left, right, product);
    default:
      break;
  }
  if constexpr (kParts == 1) {
    switch (rows) {
      case 4:
        return MultiplyBlock<4, kColumns>(depth, left, right, product);
      case 5:
        return MultiplyBlock<5, kColumns>(depth, left, right, product);
      case 6:
        return MultiplyBlock<6, kColumns>(depth, left, right, product);
      case 7:
        return MultiplyBlock<7, kColumns>(depth, left, right, product);
      default:
        break;
    }
  }
}

template <int kColumns>
HWY_INLINE void MultiplyPanel(int64_t rows, int64_t depth, LeftMatrix left, RightMatrix right,
                              Product product) {
  constexpr int kRows = kParts == 1 ? 8 : 4;
  for (; rows >= kRows; rows -= kRows) {
    MultiplyBlock<kRows, kColumns>(depth, left, right, product);
    left.data += kRows * left.row;
    product.out += kRows * product.row;
    if (product.start != nullptr) product.start += kRows * product.start_row;
  }
  MultiplyRest<kColumns>(rows, depth, left, right, product);
}

// columns is a multiple of 16.
inline HWY_NOINLINE void Multiply(int64_t rows, int64_t columns, int64_t depth, LeftMatrix left,
                                  RightMatrix right, Product product) {
  constexpr int kColumns = kParts == 1 ? 2 : 1;
  int64_t j = 0;
  const auto panel = [&product](int64_t at) {
    Product shifted = product;
    shifted.out += at;
    if (shifted.start != nullptr) shifted.start += at;
    return shifted;
  };
  // Few rows, as in decoding: a wide panel reads the right matrix once and keeps the adders busy.
  if (kParts == 1 && rows < 5) {
    for (; j + 64 <= columns; j += 64) {
      MultiplyRest<4>(rows, depth, left, {right.data + j, right.row}, panel(j));
    }
  }
  for (; j + 16 * kColumns <= columns; j += 16 * kColumns) {
    MultiplyPanel<kColumns>(rows, depth, left, {right.data + j, right.row}, panel(j));
  }
  for (; j < columns; j += 16) {
    MultiplyPanel<1>(rows, depth, left, {right.data + j, right.row}, panel(j));
  }
}

// to [columns, rows] = transpose(from [rows, columns]); rows and columns are multiples of 4.
inline HWY_NOINLINE void Transpose(const float* from, int64_t from_row, int64_t rows,
                                   int64_t columns, float* to, int64_t to_row) {
#if HWY_TARGET == HWY_SCALAR
  for (int64_t j = 0; j < columns; ++j) {
    for (int64_t i = 0; i < rows; ++i) to[j * to_row + i] = from[i * from_row + j];
  }
#else
  const hn::FixedTag<float, 4> tag;
  for (int64_t i = 0; i < rows; i += 4) {
    for (int64_t j = 0; j < columns; j += 4) {
      const float* a = from + i * from_row + j;
      const auto r0 = hn::LoadU(tag, a);
      const auto r1 = hn::LoadU(tag, a + from_row);
      const auto r2 = hn::LoadU(tag, a + 2 * from_row);
      const auto r3 = hn::LoadU(tag, a + 3 * from_row);
      const auto low02 = hn::InterleaveLower(tag, r0, r2);   // 00 20 01 21
      const auto low13 = hn::InterleaveLower(tag, r1, r3);   // 10 30 11 31
      const auto high02 = hn::InterleaveUpper(tag, r0, r2);  // 02 22 03 23
      const auto high13 = hn::InterleaveUpper(tag, r1, r3);  // 12 32 13 33
      float* b = to + j * to_row + i;
      hn::StoreU(hn::InterleaveLower(tag, low02, low13), tag, b);
      hn::StoreU(hn::InterleaveUpper(tag, low02, low13), tag, b + to_row);
      hn::StoreU(hn::InterleaveLower(tag, high02, high13), tag, b + 2 * to_row);
      hn::StoreU(hn::InterleaveUpper(tag, high02, high13), tag, b + 3 * to_row);
    }
  }
#endif
}

}  // namespace HWY_NAMESPACE
}  // namespace temper::kernels::cpu
HWY_AFTER_NAMESPACE();

#endif  // TEMPER_KERNELS_CPU_SMALL_GEMM_INL_H_
