// The gradient's norm and the AdamW update.
#include <algorithm>
#include <cmath>
#include <vector>

#include "kernels/adamw_factors.h"
#include "kernels/check.h"
#include "kernels/cpu/cpu_stream.h"
#include "kernels/cpu/ops_internal.h"

// clang-format off
#include "kernels/cpu/targets.h"
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/optimizer.cc"
#include "hwy/foreach_target.h"
#include "kernels/cpu/vector_math.h"
// clang-format on

#ifndef TEMPER_KERNELS_CPU_ADAMW_
#define TEMPER_KERNELS_CPU_ADAMW_
namespace temper::kernels::cpu {

// Values that one thread takes at a time, and that one partial sum of squares covers.
inline constexpr int64_t kChunk = 1 << 15;

}  // namespace temper::kernels::cpu
#endif

HWY_BEFORE_NAMESPACE();
namespace temper::kernels::cpu {
namespace HWY_NAMESPACE {

struct Moments {
  Lanes16 parameter, m, v;
};

HWY_INLINE Moments UpdateSixteen(const AdamWFactors& f, const Lanes16& raw, const Moments& old) {
  const Lanes16 gradient = Mul16(raw, Set16(f.gradient_scale));
  Moments next;
  next.m = MulAdd16(gradient, Set16(f.one_minus_beta1), Mul16(old.m, Set16(f.beta1)));
  next.v =
      MulAdd16(Mul16(gradient, gradient), Set16(f.one_minus_beta2), Mul16(old.v, Set16(f.beta2)));
  TEMPER_EACH_PART(
      const V16 root = hn::Mul(hn::Sqrt(next.v.part[p]), hn::Set(D16(), f.root_correction));
      const V16 direction = hn::Div(next.m.part[p], hn::Add(root, hn::Set(D16(), f.epsilon)));
      const V16 kept = hn::Mul(old.parameter.part[p], hn::Set(D16(), f.keep));
      next.parameter.part[p] = hn::NegMulAdd(direction, hn::Set(D16(), f.step_size), kept))
  return next;
}

void AdamWChunk(const AdamWFactors& f, const float* gradient, float* parameter, float* m, float* v,
                int64_t n) {
  int64_t i = 0;
  for (; i + 16 <= n; i += 16) {
    const Moments old = {Load16(parameter + i), Load16(m + i), Load16(v + i)};
    const Moments next = UpdateSixteen(f, Load16(gradient + i), old);
    Store16(next.parameter, parameter + i);
    Store16(next.m, m + i);
    Store16(next.v, v + i);
  }
  if (i == n) return;
  const int64_t rest = n - i;
  const Moments old = {LoadSome16(parameter + i, rest), LoadSome16(m + i, rest),
                       LoadSome16(v + i, rest)};
  const Moments next = UpdateSixteen(f, LoadSome16(gradient + i, rest), old);
  StoreSome16(next.parameter, parameter + i, rest);
  StoreSome16(next.m, m + i, rest);
  StoreSome16(next.v, v + i, rest);
}

}  // namespace HWY_NAMESPACE
}  // namespace temper::kernels::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace temper::kernels::cpu {

HWY_EXPORT(AdamWChunk);

namespace {

// Eight sums of every eighth value: a fixed order that the compiler may turn into vectors.
double SumSquaresOfChunk(const float* values, int64_t n) {
  double sums[8] = {};
  int64_t i = 0;
  for (; i + 8 <= n; i += 8) {
    for (int j = 0; j < 8; ++j) {
      const double value = values[i + j];
      sums[j] += value * value;
    }
  }
  for (int j = 0; i < n; ++i, ++j) sums[j] += static_cast<double>(values[i]) * values[i];
  return ((sums[0] + sums[4]) + (sums[2] + sums[6])) + ((sums[1] + sums[5]) + (sums[3] + sums[7]));
}

}  // namespace

double SumSquares(Stream& stream, std::span<const float> values) {
  const int64_t n = static_cast<int64_t>(values.size());
  std::vector<double> chunks((n + kChunk - 1) / kChunk);
  Cpu(stream).pool().ParallelRanges(n, kChunk, [&](int64_t begin, int64_t end) {
    chunks[begin / kChunk] = SumSquaresOfChunk(values.data() + begin, end - begin);
  });
  double sum = 0;
  for (const double chunk : chunks) sum += chunk;
  return sum;
}

void AdamW(Stream& stream, const AdamWStep& step, std::span<const float> gradient,
           std::span<float> parameter, std::span<float> m, std::span<float> v) {
  TEMPER_KERNEL_CHECK(gradient.size() == parameter.size());
  TEMPER_KERNEL_CHECK(m.size() == parameter.size() && v.size() == parameter.size());
  TEMPER_KERNEL_CHECK(step.step >= 1);
  const AdamWFactors factors = FactorsOf(step);
  const auto update = HWY_DYNAMIC_DISPATCH(AdamWChunk);
  const int64_t n = static_cast<int64_t>(parameter.size());
  Cpu(stream).pool().ParallelRanges(n, kChunk, [&](int64_t begin, int64_t end) {
    update(factors, gradient.data() + begin, parameter.data() + begin, m.data() + begin,
           v.data() + begin, end - begin);
  });
}

}  // namespace temper::kernels::cpu
#endif  // HWY_ONCE
