// exp, log and their relatives, and sums in one fixed order, the same bits for every vector width.
//
// A per-target header: include it after "hwy/highway.h", inside no namespace; use it between
// HWY_BEFORE_NAMESPACE() and HWY_AFTER_NAMESPACE(). Each function works lane by lane, or on
// Lanes16, sixteen floats held in as many vectors as the target needs.
#if defined(TEMPER_KERNELS_CPU_VECTOR_MATH_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef TEMPER_KERNELS_CPU_VECTOR_MATH_H_
#undef TEMPER_KERNELS_CPU_VECTOR_MATH_H_
#else
#define TEMPER_KERNELS_CPU_VECTOR_MATH_H_
#endif

#include <cstddef>
#include <cstdint>

#include "hwy/highway.h"

HWY_BEFORE_NAMESPACE();
namespace temper::kernels::cpu {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

// e^x within 1.5 ulp; 0 below -87.3, infinity above 88.3, NaN for NaN.
template <class D, class V = hn::Vec<D>>
HWY_INLINE V Exp(D d, V x) {
  const hn::RebindToSigned<D> di;
  const auto n = hn::NearestInt(hn::Mul(x, hn::Set(d, 1.44269504f)));
  const V nf = hn::ConvertTo(d, n);
  // ln 2 in two parts; the first has few bits, so that n times it is exact.
  V r = hn::NegMulAdd(nf, hn::Set(d, 0.69140625f), x);
  r = hn::NegMulAdd(nf, hn::Set(d, 0.0017409306f), r);
  V p = hn::Set(d, 0.0013814467f);
  p = hn::MulAdd(p, r, hn::Set(d, 0.008368781f));
  p = hn::MulAdd(p, r, hn::Set(d, 0.041668393f));
  p = hn::MulAdd(p, r, hn::Set(d, 0.16666520f));
  p = hn::MulAdd(p, r, hn::Set(d, 0.49999994f));
  p = hn::Add(hn::MulAdd(hn::Mul(r, r), p, r), hn::Set(d, 1.0f));
  const V scale = hn::BitCast(d, hn::ShiftLeft<23>(hn::Add(n, hn::Set(di, 127))));
  const V y = hn::Mul(p, scale);
  const V capped = hn::IfThenElse(hn::Gt(x, hn::Set(d, 88.3f)), hn::Set(d, __builtin_inff()), y);
  return hn::IfThenElse(hn::Lt(x, hn::Set(d, -87.3f)), hn::Zero(d), capped);
}

// Natural logarithm within 2 ulp, for positive normal x.
template <class D, class V = hn::Vec<D>>
HWY_INLINE V Log(D d, V x) {
  const hn::RebindToSigned<D> di;
  // x = 2^e * m with m in [sqrt(1/2), sqrt(2)).
  const auto bits = hn::BitCast(di, x);
  const auto e = hn::ShiftRight<23>(hn::Sub(bits, hn::Set(di, 0x3f3504f3)));
  const V t = hn::Sub(hn::BitCast(d, hn::Sub(bits, hn::ShiftLeft<23>(e))), hn::Set(d, 1.0f));
  const V ef = hn::ConvertTo(d, e);
  V p = hn::Set(d, 0.06746731f);
  p = hn::MulAdd(p, t, hn::Set(d, -0.11677516f));
  p = hn::MulAdd(p, t, hn::Set(d, 0.11888697f));
  p = hn::MulAdd(p, t, hn::Set(d, -0.12405340f));
  p = hn::MulAdd(p, t, hn::Set(d, 0.14219452f));
  p = hn::MulAdd(p, t, hn::Set(d, -0.16668005f));
  p = hn::MulAdd(p, t, hn::Set(d, 0.20002124f));
  p = hn::MulAdd(p, t, hn::Set(d, -0.25000009f));
  p = hn::MulAdd(p, t, hn::Set(d, 0.33333313f));
  const V t2 = hn::Mul(t, t);
  V s = hn::Mul(hn::Mul(t2, t), p);
  s = hn::NegMulAdd(hn::Set(d, 0.5f), t2, s);
  s = hn::MulAdd(ef, hn::Set(d, 0.0017409306f), s);
  return hn::MulAdd(ef, hn::Set(d, 0.69140625f), hn::Add(t, s));
}

// log(1 + x) for x in [0, 1e30], accurate for small x as well.
template <class D, class V = hn::Vec<D>>
HWY_INLINE V Log1p(D d, V x) {
  const V one = hn::Set(d, 1.0f);
  const V w = hn::Add(one, x);
  const V lost = hn::Sub(x, hn::Sub(w, one));
  return hn::Add(Log(d, w), hn::Div(lost, w));
}

// log(1 + e^x).
template <class D, class V = hn::Vec<D>>
HWY_INLINE V Softplus(D d, V x) {
  return hn::Add(hn::Max(x, hn::Zero(d)), Log1p(d, Exp(d, hn::Neg(hn::Abs(x)))));
}

template <class D, class V = hn::Vec<D>>
HWY_INLINE V Sigmoid(D d, V x) {
  const V one = hn::Set(d, 1.0f);
  return hn::Div(one, hn::Add(one, Exp(d, hn::Neg(x))));
}

// x * sigmoid(x).
template <class D, class V = hn::Vec<D>>
HWY_INLINE V Silu(D d, V x) {
  return hn::Div(x, hn::Add(hn::Set(d, 1.0f), Exp(d, hn::Neg(x))));
}

// d silu(x) / dx.
template <class D, class V = hn::Vec<D>>
HWY_INLINE V SiluSlope(D d, V x) {
  const V one = hn::Set(d, 1.0f);
  const V s = Sigmoid(d, x);
  return hn::Mul(s, hn::MulAdd(x, hn::Sub(one, s), one));
}

// ---- sixteen lanes on any target
using D16 = hn::CappedTag<float, 16>;
using V16 = hn::Vec<D16>;
inline constexpr size_t kVectorLanes = hn::MaxLanes(D16());
inline constexpr size_t kParts = 16 / kVectorLanes;

struct Lanes16 {
  V16 part[kParts];
};

// Applies an expression to each part p: TEMPER_EACH_PART(r.part[p] = hn::Add(a.part[p], b.part[p]))
#define TEMPER_EACH_PART(...)           \
  for (size_t p = 0; p < kParts; ++p) { \
    __VA_ARGS__;                        \
  }

HWY_INLINE Lanes16 Set16(float value) {
  Lanes16 r;
  TEMPER_EACH_PART(r.part[p] = hn::Set(D16(), value))
  return r;
}
HWY_INLINE Lanes16 Load16(const float* from) {
  Lanes16 r;
  TEMPER_EACH_PART(r.part[p] = hn::LoadU(D16(), from + p * kVectorLanes))
  return r;
}
HWY_INLINE void Store16(const Lanes16& a, float* to){
    TEMPER_EACH_PART(hn::StoreU(a.part[p], D16(), to + p * kVectorLanes))}
// The first n (< 16) floats; `fill` in the other lanes.
HWY_INLINE Lanes16 LoadSome16(const float* from, int64_t n, float fill = 0.0f) {
  HWY_ALIGN float lanes[16];
  for (int64_t i = 0; i < 16; ++i) lanes[i] = i < n ? from[i] : fill;
  return Load16(lanes);
}
HWY_INLINE void StoreSome16(const Lanes16& a, float* to, int64_t n) {
  HWY_ALIGN float lanes[16];
  Store16(a, lanes);
  for (int64_t i = 0; i < n; ++i) to[i] = lanes[i];
}
HWY_INLINE Lanes16 Add16(const Lanes16& a, const Lanes16& b) {
  Lanes16 r;
  TEMPER_EACH_PART(r.part[p] = hn::Add(a.part[p], b.part[p]))
  return r;
}
HWY_INLINE Lanes16 Sub16(const Lanes16& a, const Lanes16& b) {
  Lanes16 r;
  TEMPER_EACH_PART(r.part[p] = hn::Sub(a.part[p], b.part[p]))
  return r;
}
HWY_INLINE Lanes16 Mul16(const Lanes16& a, const Lanes16& b) {
  Lanes16 r;
  TEMPER_EACH_PART(r.part[p] = hn::Mul(a.part[p], b.part[p]))
  return r;
}
// a * b + c, rounded once.
HWY_INLINE Lanes16 MulAdd16(const Lanes16& a, const Lanes16& b, const Lanes16& c) {
  Lanes16 r;
  TEMPER_EACH_PART(r.part[p] = hn::MulAdd(a.part[p], b.part[p], c.part[p]))
  return r;
}
HWY_INLINE Lanes16 Max16(const Lanes16& a, const Lanes16& b) {
  Lanes16 r;
  TEMPER_EACH_PART(r.part[p] = hn::Max(a.part[p], b.part[p]))
  return r;
}
HWY_INLINE Lanes16 Exp16(const Lanes16& a) {
  Lanes16 r;
  TEMPER_EACH_PART(r.part[p] = Exp(D16(), a.part[p]))
  return r;
}
HWY_INLINE Lanes16 Silu16(const Lanes16& a) {
  Lanes16 r;
  TEMPER_EACH_PART(r.part[p] = Silu(D16(), a.part[p]))
  return r;
}

// The sum of the lanes, by halves: lane i with lane i + 8, then + 4, + 2, + 1.
HWY_INLINE float Sum16(const Lanes16& a) {
  HWY_ALIGN float lanes[16];
  Store16(a, lanes);
  for (int half = 8; half >= 1; half /= 2) {
    for (int i = 0; i < half; ++i) lanes[i] = lanes[i] + lanes[i + half];
  }
  return lanes[0];
}
HWY_INLINE float Max16Lane(const Lanes16& a) {
  HWY_ALIGN float lanes[16];
  Store16(a, lanes);
  float most = lanes[0];
  for (int i = 1; i < 16; ++i) most = lanes[i] > most ? lanes[i] : most;
  return most;
}

// sum_i a[i] * b[i]: lane j of sixteen takes i = j, j + 16, ...
HWY_INLINE float Dot16(const float* a, const float* b, int64_t n) {
  Lanes16 sum = Set16(0.0f);
  int64_t i = 0;
  for (; i + 16 <= n; i += 16) sum = MulAdd16(Load16(a + i), Load16(b + i), sum);
  if (i < n) sum = MulAdd16(LoadSome16(a + i, n - i), LoadSome16(b + i, n - i), sum);
  return Sum16(sum);
}

}  // namespace HWY_NAMESPACE
}  // namespace temper::kernels::cpu
HWY_AFTER_NAMESPACE();

#endif  // per-target include guard
