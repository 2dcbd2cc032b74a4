// The MLP's activation, max(x, 0)^2, and its derivative.
#include "kernels/check.h"
#include "kernels/cpu/cpu_stream.h"
#include "kernels/cpu/ops_internal.h"

// clang-format off
#include "kernels/cpu/targets.h"
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/activation.cc"
#include "hwy/foreach_target.h"
#include "kernels/cpu/vector_math.h"
// clang-format on

HWY_BEFORE_NAMESPACE();
namespace temper::kernels::cpu {
namespace HWY_NAMESPACE {

void Relu2Row(const float* x, float* y, int64_t n) {
  const Lanes16 zero = Set16(0.0f);
  const auto square = [&](const Lanes16& v) HWY_ATTR {
    const Lanes16 positive = Max16(v, zero);
    return Mul16(positive, positive);
  };
  int64_t i = 0;
  for (; i + 16 <= n; i += 16) Store16(square(Load16(x + i)), y + i);
  if (i < n) StoreSome16(square(LoadSome16(x + i, n - i)), y + i, n - i);
}

void Relu2BackwardRow(const float* x, const float* dy, float* dx, int64_t n) {
  const Lanes16 zero = Set16(0.0f);
  const auto slope = [&](const Lanes16& v, const Lanes16& gradient) HWY_ATTR {
    const Lanes16 positive = Max16(v, zero);
    return Mul16(gradient, Add16(positive, positive));
  };
  int64_t i = 0;
  for (; i + 16 <= n; i += 16) Store16(slope(Load16(x + i), Load16(dy + i)), dx + i);
  if (i < n) {
    StoreSome16(slope(LoadSome16(x + i, n - i), LoadSome16(dy + i, n - i)), dx + i, n - i);
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace temper::kernels::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace temper::kernels::cpu {

HWY_EXPORT(Relu2Row);
HWY_EXPORT(Relu2BackwardRow);

namespace {
// Rows of a range worth a thread's while.
int64_t RowsPerItem(int64_t cols) { return 1 + 16384 / (cols + 1); }
}  // namespace

void Relu2(Stream& stream, View<const float> x, View<float> y) {
  TEMPER_KERNEL_CHECK(x.rows == y.rows && x.cols == y.cols);
  const auto row = HWY_DYNAMIC_DISPATCH(Relu2Row);
  Cpu(stream).pool().ParallelRanges(x.rows, RowsPerItem(x.cols), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) row(x.row(i), y.row(i), x.cols);
  });
}

void Relu2Backward(Stream& stream, View<const float> x, View<const float> dy, View<float> dx) {
  TEMPER_KERNEL_CHECK(x.rows == dy.rows && x.cols == dy.cols);
  TEMPER_KERNEL_CHECK(x.rows == dx.rows && x.cols == dx.cols);
  const auto row = HWY_DYNAMIC_DISPATCH(Relu2BackwardRow);
  Cpu(stream).pool().ParallelRanges(x.rows, RowsPerItem(x.cols), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) row(x.row(i), dy.row(i), dx.row(i), x.cols);
  });
}

}  // namespace temper::kernels::cpu
#endif  // HWY_ONCE
