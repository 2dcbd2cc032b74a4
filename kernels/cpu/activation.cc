// The MLPs' activations, max(x, 0)^2 and silu(gate) * up, and their derivatives.
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

void SwigluRow(const float* gate, const float* up, float* y, int64_t n) {
  int64_t i = 0;
  for (; i + 16 <= n; i += 16) Store16(Mul16(Silu16(Load16(gate + i)), Load16(up + i)), y + i);
  if (i < n) {
    StoreSome16(Mul16(Silu16(LoadSome16(gate + i, n - i)), LoadSome16(up + i, n - i)), y + i,
                n - i);
  }
}

struct SwigluGradients {
  Lanes16 gate, up;
};
HWY_INLINE SwigluGradients SwigluSlopes(const Lanes16& gate, const Lanes16& up, const Lanes16& dy) {
  Lanes16 slope;
  TEMPER_EACH_PART(slope.part[p] = SiluSlope(D16(), gate.part[p]))
  return {Mul16(Mul16(dy, up), slope), Mul16(dy, Silu16(gate))};
}

void SwigluBackwardRow(const float* gate, const float* up, const float* dy, float* d_gate,
                       float* d_up, int64_t n) {
  int64_t i = 0;
  for (; i + 16 <= n; i += 16) {
    const SwigluGradients d = SwigluSlopes(Load16(gate + i), Load16(up + i), Load16(dy + i));
    Store16(d.gate, d_gate + i);
    Store16(d.up, d_up + i);
  }
  if (i < n) {
    const int64_t m = n - i;
    const SwigluGradients d =
        SwigluSlopes(LoadSome16(gate + i, m), LoadSome16(up + i, m), LoadSome16(dy + i, m));
    StoreSome16(d.gate, d_gate + i, m);
    StoreSome16(d.up, d_up + i, m);
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace temper::kernels::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace temper::kernels::cpu {

HWY_EXPORT(Relu2Row);
HWY_EXPORT(Relu2BackwardRow);
HWY_EXPORT(SwigluRow);
HWY_EXPORT(SwigluBackwardRow);

namespace {
// Rows of a range worth a thread's while.
int64_t RowsPerItem(int64_t cols) { return 1 + 16384 / (cols + 1); }

bool SameShape(View<const float> a, View<const float> b) {
  return a.rows == b.rows && a.cols == b.cols;
}
}  // namespace

void Relu2(Stream& stream, View<const float> x, View<float> y) {
  TEMPER_KERNEL_CHECK(SameShape(x, y));
  const auto row = HWY_DYNAMIC_DISPATCH(Relu2Row);
  Cpu(stream).pool().ParallelRanges(x.rows, RowsPerItem(x.cols), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) row(x.row(i), y.row(i), x.cols);
  });
}

void Relu2Backward(Stream& stream, View<const float> x, View<const float> dy, View<float> dx) {
  TEMPER_KERNEL_CHECK(SameShape(x, dy) && SameShape(x, dx));
  const auto row = HWY_DYNAMIC_DISPATCH(Relu2BackwardRow);
  Cpu(stream).pool().ParallelRanges(x.rows, RowsPerItem(x.cols), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) row(x.row(i), dy.row(i), dx.row(i), x.cols);
  });
}

void Swiglu(Stream& stream, View<const float> gate, View<const float> up, View<float> y) {
  TEMPER_KERNEL_CHECK(SameShape(gate, up) && SameShape(gate, y));
  const auto row = HWY_DYNAMIC_DISPATCH(SwigluRow);
  Cpu(stream).pool().ParallelRanges(y.rows, RowsPerItem(y.cols), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) row(gate.row(i), up.row(i), y.row(i), y.cols);
  });
}

void SwigluBackward(Stream& stream, View<const float> gate, View<const float> up,
                    View<const float> dy, View<float> d_gate, View<float> d_up) {
  TEMPER_KERNEL_CHECK(SameShape(gate, up) && SameShape(gate, dy));
  TEMPER_KERNEL_CHECK(SameShape(gate, d_gate) && SameShape(gate, d_up));
  const auto row = HWY_DYNAMIC_DISPATCH(SwigluBackwardRow);
  Cpu(stream).pool().ParallelRanges(dy.rows, RowsPerItem(dy.cols), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      row(gate.row(i), up.row(i), dy.row(i), d_gate.row(i), d_up.row(i), dy.cols);
    }
  });
}

}  // namespace temper::kernels::cpu
#endif  // HWY_ONCE
