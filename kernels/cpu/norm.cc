// RMSNorm, and Mamba's gated group norm, forward and backward.
//
// A row's sums run over sixteen lanes in column order. A gain's gradient is one chain over the
// tokens of the call, computed a block of columns at a time.
#include <algorithm>
#include <cmath>

#include "kernels/check.h"
#include "kernels/cpu/cpu_stream.h"
#include "kernels/cpu/ops_internal.h"

// clang-format off
#include "kernels/cpu/targets.h"
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/norm.cc"
#include "hwy/foreach_target.h"
#include "kernels/cpu/vector_math.h"
// clang-format on

#ifndef TEMPER_KERNELS_CPU_NORM_
#define TEMPER_KERNELS_CPU_NORM_
namespace temper::kernels::cpu {

// What the gain's gradient needs; z is empty without a gate.
struct GainGradient {
  View<const float> y, z, dout;
  const float* rstd;  // [tokens, groups]
  int64_t groups;
  float* gradient;  // [width]
};

}  // namespace temper::kernels::cpu
#endif

HWY_BEFORE_NAMESPACE();
namespace temper::kernels::cpu {
namespace HWY_NAMESPACE {

// Calls body(i, load, store) for each sixteen columns; load and store mind the end of the row.
template <class Body>
HWY_INLINE void EachSixteen(int64_t n, const Body& body) {
  int64_t i = 0;
  for (; i + 16 <= n; i += 16) body(i, int64_t{16});
  if (i < n) body(i, n - i);
}
HWY_INLINE Lanes16 LoadUpTo16(const float* from, int64_t n) {
  return n == 16 ? Load16(from) : LoadSome16(from, n);
}
HWY_INLINE void StoreUpTo16(const Lanes16& a, float* to, int64_t n) {
  n == 16 ? Store16(a, to) : StoreSome16(a, to, n);
}

// 1 / sqrt(mean(x^2) + epsilon) from the sum of squares.
HWY_INLINE float InverseRoot(float squares, int64_t n, float epsilon) {
  return 1.0f / __builtin_sqrtf(squares / static_cast<float>(n) + epsilon);
}

void RmsNormRow(const float* x, const float* gain, int64_t n, float epsilon, float* y,
                float* rstd_out) {
  const float rstd = InverseRoot(Dot16(x, x, n), n, epsilon);
  if (rstd_out != nullptr) *rstd_out = rstd;
  const Lanes16 scale = Set16(rstd);
  EachSixteen(n, [&](int64_t i, int64_t m) HWY_ATTR {
    const Lanes16 normal = Mul16(LoadUpTo16(x + i, m), scale);
    StoreUpTo16(Mul16(normal, LoadUpTo16(gain + i, m)), y + i, m);
  });
}

// dx += rstd * (dy * gain - xhat * mean(dy * gain * xhat)) with xhat = x * rstd.
void RmsNormBackwardRow(const float* x, const float* gain, const float* dy, int64_t n, float rstd,
                        float* dx) {
  Lanes16 sum = Set16(0.0f);
  EachSixteen(n, [&](int64_t i, int64_t m) HWY_ATTR {
    const Lanes16 g = Mul16(LoadUpTo16(dy + i, m), LoadUpTo16(gain + i, m));
    sum = MulAdd16(g, LoadUpTo16(x + i, m), sum);
  });
  const Lanes16 back = Set16(-Sum16(sum) * rstd * rstd / static_cast<float>(n));
  const Lanes16 scale = Set16(rstd);
  EachSixteen(n, [&](int64_t i, int64_t m) HWY_ATTR {
    const Lanes16 g = Mul16(LoadUpTo16(dy + i, m), LoadUpTo16(gain + i, m));
    const Lanes16 inner = MulAdd16(LoadUpTo16(x + i, m), back, g);
    StoreUpTo16(MulAdd16(inner, scale, LoadUpTo16(dx + i, m)), dx + i, m);
  });
}

// One group of a row of the gated norm: out = rms_norm(y * silu(z)) * gain.
void GatedNormGroup(const float* y, const float* z, const float* gain, int64_t n, float epsilon,
                    float* out, float* rstd_out) {
  Lanes16 squares = Set16(0.0f);
  EachSixteen(n, [&](int64_t i, int64_t m) HWY_ATTR {
    const Lanes16 u = Mul16(LoadUpTo16(y + i, m), Silu16(LoadUpTo16(z + i, m)));
    squares = MulAdd16(u, u, squares);
    StoreUpTo16(u, out + i, m);
  });
  const float rstd = InverseRoot(Sum16(squares), n, epsilon);
  if (rstd_out != nullptr) *rstd_out = rstd;
  const Lanes16 scale = Set16(rstd);
  EachSixteen(n, [&](int64_t i, int64_t m) HWY_ATTR {
    const Lanes16 normal = Mul16(LoadUpTo16(out + i, m), scale);
    StoreUpTo16(Mul16(normal, LoadUpTo16(gain + i, m)), out + i, m);
  });
}

HWY_INLINE Lanes16 SiluSlope16(const Lanes16& a) {
  Lanes16 r;
  TEMPER_EACH_PART(r.part[p] = SiluSlope(D16(), a.part[p]))
  return r;
}

void GatedNormBackwardGroup(const float* y, const float* z, const float* gain, const float* dout,
                            int64_t n, float rstd, float* dy, float* dz) {
  Lanes16 sum = Set16(0.0f);
  EachSixteen(n, [&](int64_t i, int64_t m) HWY_ATTR {
    const Lanes16 u = Mul16(LoadUpTo16(y + i, m), Silu16(LoadUpTo16(z + i, m)));
    const Lanes16 g = Mul16(LoadUpTo16(dout + i, m), LoadUpTo16(gain + i, m));
    sum = MulAdd16(g, u, sum);
  });
  const Lanes16 back = Set16(-Sum16(sum) * rstd * rstd / static_cast<float>(n));
  const Lanes16 scale = Set16(rstd);
  EachSixteen(n, [&](int64_t i, int64_t m) HWY_ATTR {
    const Lanes16 value = LoadUpTo16(y + i, m), gate = LoadUpTo16(z + i, m);
    const Lanes16 g = Mul16(LoadUpTo16(dout + i, m), LoadUpTo16(gain + i, m));
    const Lanes16 open = Silu16(gate);
    const Lanes16 du = Mul16(scale, MulAdd16(Mul16(value, open), back, g));
    StoreUpTo16(Mul16(du, open), dy + i, m);
    StoreUpTo16(Mul16(Mul16(du, value), SiluSlope16(gate)), dz + i, m);
  });
}

// gradient[j] += sum over tokens of dout * (y [* silu(z)]) * rstd, for columns [begin, end) of one
// group.
void GainGradientColumns(const GainGradient& g, int64_t group, int64_t begin, int64_t end) {
  EachSixteen(end - begin, [&](int64_t offset, int64_t m) HWY_ATTR {
    const int64_t j = begin + offset;
    Lanes16 sum = Set16(0.0f);
    for (int64_t t = 0; t < g.y.rows; ++t) {
      Lanes16 u = LoadUpTo16(g.y.row(t) + j, m);
      if (!g.z.empty()) u = Mul16(u, Silu16(LoadUpTo16(g.z.row(t) + j, m)));
      const Lanes16 normal = Mul16(u, Set16(g.rstd[t * g.groups + group]));
      sum = MulAdd16(LoadUpTo16(g.dout.row(t) + j, m), normal, sum);
    }
    StoreUpTo16(Add16(LoadUpTo16(g.gradient + j, m), sum), g.gradient + j, m);
  });
}

}  // namespace HWY_NAMESPACE
}  // namespace temper::kernels::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace temper::kernels::cpu {

HWY_EXPORT(RmsNormRow);
HWY_EXPORT(RmsNormBackwardRow);
HWY_EXPORT(GatedNormGroup);
HWY_EXPORT(GatedNormBackwardGroup);
HWY_EXPORT(GainGradientColumns);

namespace {

constexpr int64_t kColumnBlock = 64;

// Rows of a range worth a thread's while.
int64_t RowsPerItem(int64_t cols) { return 1 + 8192 / (cols + 1); }

void AddGainGradient(ThreadPool& pool, const GainGradient& gradient) {
  const int64_t width = gradient.y.cols / gradient.groups;
  const int64_t blocks = (width + kColumnBlock - 1) / kColumnBlock;
  const auto columns = HWY_DYNAMIC_DISPATCH(GainGradientColumns);
  pool.ParallelFor(gradient.groups * blocks, [&](int64_t i) {
    const int64_t group = i / blocks;
    const int64_t begin = group * width + i % blocks * kColumnBlock;
    columns(gradient, group, begin, std::min(begin + kColumnBlock, (group + 1) * width));
  });
}

bool SameShape(View<const float> a, View<const float> b) {
  return a.rows == b.rows && a.cols == b.cols;
}

}  // namespace

void RmsNorm(Stream& stream, View<const float> x, const float* gain, float epsilon, View<float> y,
             float* rstd) {
  TEMPER_KERNEL_CHECK(SameShape(x, y));
  const auto row = HWY_DYNAMIC_DISPATCH(RmsNormRow);
  Cpu(stream).pool().ParallelRanges(x.rows, RowsPerItem(x.cols), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      row(x.row(i), gain, x.cols, epsilon, y.row(i), rstd == nullptr ? nullptr : rstd + i);
    }
  });
}

void RmsNormBackward(Stream& stream, View<const float> x, const float* gain, const float* rstd,
                     View<const float> dy, View<float> dx, float* gain_gradient) {
  TEMPER_KERNEL_CHECK(SameShape(x, dy) && SameShape(x, dx));
  ThreadPool& pool = Cpu(stream).pool();
  // The gain first: dx may be dy.
  AddGainGradient(pool, {x, {}, dy, rstd, 1, gain_gradient});
  const auto row = HWY_DYNAMIC_DISPATCH(RmsNormBackwardRow);
  pool.ParallelRanges(x.rows, RowsPerItem(x.cols), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      row(x.row(i), gain, dy.row(i), x.cols, rstd[i], dx.row(i));
    }
  });
}

void GatedNorm(Stream& stream, View<const float> y, View<const float> z, const float* gain,
               int64_t groups, float epsilon, View<float> out, float* rstd) {
  TEMPER_KERNEL_CHECK(SameShape(y, z) && SameShape(y, out));
  TEMPER_KERNEL_CHECK(groups > 0 && y.cols % groups == 0);
  const int64_t width = y.cols / groups;
  const auto norm = HWY_DYNAMIC_DISPATCH(GatedNormGroup);
  const auto one = [&](int64_t i) {
    const int64_t token = i / groups, group = i % groups, j = group * width;
    norm(y.row(token) + j, z.row(token) + j, gain + j, width, epsilon, out.row(token) + j,
         rstd == nullptr ? nullptr : rstd + i);
  };
  Cpu(stream).pool().ParallelRanges(y.rows * groups, RowsPerItem(width),
                                    [&](int64_t begin, int64_t end) {
                                      for (int64_t i = begin; i < end; ++i) one(i);
                                    });
}

void GatedNormBackward(Stream& stream, View<const float> y, View<const float> z, const float* gain,
                       int64_t groups, const float* rstd, View<const float> dout, View<float> dy_in,
                       View<float> dz, float* gain_gradient) {
  TEMPER_KERNEL_CHECK(SameShape(y, z) && SameShape(y, dout));
  TEMPER_KERNEL_CHECK(SameShape(y, dy_in) && SameShape(y, dz));
  TEMPER_KERNEL_CHECK(groups > 0 && y.cols % groups == 0);
  ThreadPool& pool = Cpu(stream).pool();
  // The gain first: an output may be an input.
  AddGainGradient(pool, {y, z, dout, rstd, groups, gain_gradient});
  const int64_t width = y.cols / groups;
  const auto norm = HWY_DYNAMIC_DISPATCH(GatedNormBackwardGroup);
  const auto one = [&](int64_t i) {
    const int64_t token = i / groups, j = i % groups * width;
    norm(y.row(token) + j, z.row(token) + j, gain + j, dout.row(token) + j, width, rstd[i],
         dy_in.row(token) + j, dz.row(token) + j);
  };
  pool.ParallelRanges(y.rows * groups, RowsPerItem(width), [&](int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) one(i);
  });
}

}  // namespace temper::kernels::cpu
#endif  // HWY_ONCE
