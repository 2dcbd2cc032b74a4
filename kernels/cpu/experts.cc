// Takes tokens to their experts and sums what the experts made of them, forward and backward.
#include <algorithm>

#include "kernels/check.h"
#include "kernels/cpu/cpu_stream.h"
#include "kernels/cpu/ops_internal.h"

// clang-format off
#include "kernels/cpu/targets.h"
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/experts.cc"
#include "hwy/foreach_target.h"
#include "kernels/cpu/vector_math.h"
// clang-format on

#ifndef TEMPER_KERNELS_CPU_EXPERTS_TYPES_
#define TEMPER_KERNELS_CPU_EXPERTS_TYPES_
namespace temper::kernels::cpu {

// The rows of x that one token takes part in.
struct TokenSlots {
  View<const float> x;
  const int32_t* slots;  // [count]
  int64_t count;
  const float* weight;  // [count] or null: ones
};

}  // namespace temper::kernels::cpu
#endif

HWY_BEFORE_NAMESPACE();
namespace temper::kernels::cpu {
namespace HWY_NAMESPACE {

// y (=|+=) sum_j weight[j] * x[slots[j]]: one chain of fused multiply-adds from zero; y added last.
void CombineToken(const TokenSlots& token, float* y, bool add) {
  const int64_t n = token.x.cols;
  for (int64_t i = 0; i < n; i += 16) {
    const int64_t m = HWY_MIN(int64_t{16}, n - i);
    Lanes16 sum = Set16(0.0f);
    for (int64_t j = 0; j < token.count; ++j) {
      const float* const from = token.x.row(token.slots[j]) + i;
      const Lanes16 weight = Set16(token.weight == nullptr ? 1.0f : token.weight[j]);
      sum = MulAdd16(weight, m == 16 ? Load16(from) : LoadSome16(from, m), sum);
    }
    if (add) sum = Add16(m == 16 ? Load16(y + i) : LoadSome16(y + i, m), sum);
    m == 16 ? Store16(sum, y + i) : StoreSome16(sum, y + i, m);
  }
}

float DotRow(const float* a, const float* b, int64_t n) { return Dot16(a, b, n); }

}  // namespace HWY_NAMESPACE
}  // namespace temper::kernels::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace temper::kernels::cpu {

HWY_EXPORT(CombineToken);
HWY_EXPORT(DotRow);

namespace {

// Rows of a range worth a thread's while.
int64_t RowsPerItem(int64_t cols) { return 1 + 8192 / (cols + 1); }

void CheckRows(const int32_t* list, int64_t count, int64_t rows) {
  for (int64_t i = 0; i < count; ++i) TEMPER_KERNEL_CHECK(list[i] >= 0 && list[i] < rows);
}

}  // namespace

void GatherRows(Stream& stream, View<const float> x, std::span<const int32_t> rows, View<float> y) {
  TEMPER_KERNEL_CHECK(static_cast<int64_t>(rows.size()) == y.rows);
  GatherSlots(stream, x, rows.data(), y);
}

void GatherSlots(Stream& stream, View<const float> x, const int32_t* rows, View<float> y) {
  TEMPER_KERNEL_CHECK(x.cols == y.cols);
  CheckRows(rows, y.rows, x.rows);
  Cpu(stream).pool().ParallelRanges(y.rows, RowsPerItem(y.cols), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) std::copy_n(x.row(rows[i]), y.cols, y.row(i));
  });
}

void CombineRows(Stream& stream, View<const float> x, const int32_t* slots, int64_t chosen,
                 const float* weight, View<float> y, Write write) {
  TEMPER_KERNEL_CHECK(x.cols == y.cols);
  CheckRows(slots, y.rows * chosen, x.rows);
  const auto combine = HWY_DYNAMIC_DISPATCH(CombineToken);
  const int64_t grain = RowsPerItem(y.cols * chosen);
  Cpu(stream).pool().ParallelRanges(y.rows, grain, [&](int64_t begin, int64_t end) {
    for (int64_t t = begin; t < end; ++t) {
      const TokenSlots token = {x, slots + t * chosen, chosen,
                                weight == nullptr ? nullptr : weight + t * chosen};
      combine(token, y.row(t), write == Write::kAdd);
    }
  });
}

void CombineRowsBackward(Stream& stream, View<const float> x, const int32_t* slots, int64_t chosen,
                         const float* weight, View<const float> dy, View<float> dx,
                         float* d_weight) {
  TEMPER_KERNEL_CHECK(x.cols == dy.cols && dx.cols == dy.cols && dx.rows == x.rows);
  CheckRows(slots, dy.rows * chosen, x.rows);
  const auto dot = HWY_DYNAMIC_DISPATCH(DotRow);
  const int64_t n = dy.cols;
  const auto one = [&](int64_t i) {
    const float* const from = dy.row(i / chosen);
    if (d_weight != nullptr) d_weight[i] = dot(from, x.row(slots[i]), n);
    const float scale = weight == nullptr ? 1.0f : weight[i];
    float* const to = dx.row(slots[i]);
    for (int64_t j = 0; j < n; ++j) to[j] = scale * from[j];
  };
  Cpu(stream).pool().ParallelRanges(dy.rows * chosen, RowsPerItem(n),
                                    [&](int64_t begin, int64_t end) {
                                      for (int64_t i = begin; i < end; ++i) one(i);
                                    });
}

}  // namespace temper::kernels::cpu
#endif  // HWY_ONCE
