// exp, log and their relatives against the C library in float64, and the same bits for every vector
// width.
#include <cmath>
#include <cstring>
#include <vector>

// clang-format off
#include "kernels/cpu/targets.h"
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "tests/kernels/vector_math_test.cc"
#include "hwy/foreach_target.h"
#include "kernels/cpu/vector_math.h"
#include "tests/kernels/oracle.h"
// clang-format on

HWY_BEFORE_NAMESPACE();
namespace temper::kernels::cpu {
namespace HWY_NAMESPACE {

using F = V16 (*)(D16, V16);

template <F f>
void Apply(const float* x, float* y, size_t n) {
  for (size_t i = 0; i < n; i += kVectorLanes) {
    hn::StoreU(f(D16(), hn::LoadU(D16(), x + i)), D16(), y + i);
  }
}
void ApplyAll(const float* x, float* y, size_t n, int which) {
  switch (which) {
    case 0:
      return Apply<Exp<D16>>(x, y, n);
    case 1:
      return Apply<Log<D16>>(x, y, n);
    case 2:
      return Apply<Log1p<D16>>(x, y, n);
    case 3:
      return Apply<Softplus<D16>>(x, y, n);
    case 4:
      return Apply<Sigmoid<D16>>(x, y, n);
    case 5:
      return Apply<Silu<D16>>(x, y, n);
    default:
      return Apply<SiluSlope<D16>>(x, y, n);
  }
}
float DotOf(const float* a, const float* b, int64_t n) { return Dot16(a, b, n); }

}  // namespace HWY_NAMESPACE
}  // namespace temper::kernels::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace temper::kernels::cpu {
namespace {

HWY_EXPORT(ApplyAll);
HWY_EXPORT(DotOf);

double Exact(int which, double x) {
  const double s = 1 / (1 + std::exp(-x));
  switch (which) {
    case 0:
      return std::exp(x);
    case 1:
      return std::log(x);
    case 2:
      return std::log1p(x);
    case 3:
      return x > 30 ? x + std::exp(-x) : std::log1p(std::exp(x));
    case 4:
      return s;
    case 5:
      return x * s;
    default:
      return s * (1 + x * (1 - s));
  }
}

std::vector<float> Range(double from, double to, bool geometric) {
  std::vector<float> x(1 << 16);
  for (size_t i = 0; i < x.size(); ++i) {
    const double u = static_cast<double>(i) / (x.size() - 1);
    x[i] = geometric ? from * std::pow(to / from, u) : from + (to - from) * u;
  }
  return x;
}

// Largest error in units of the result's last place.
double WorstUlp(int which, const std::vector<float>& x, std::vector<float>* y) {
  y->resize(x.size());
  HWY_DYNAMIC_DISPATCH(ApplyAll)(x.data(), y->data(), x.size(), which);
  double worst = 0;
  for (size_t i = 0; i < x.size(); ++i) {
    const double want = Exact(which, x[i]);
    const double ulp = std::ldexp(1.0, std::max(-126, std::ilogb(want)) - 23);
    worst = std::max(worst, std::fabs((*y)[i] - want) / ulp);
  }
  return worst;
}

struct Case {
  const char* name;
  int which;
  double from, to;
  bool geometric;
  double ulp_max;
};
constexpr Case kCases[] = {
    {"exp", 0, -87.2, 88.2, false, 1.5},   {"exp near 0", 0, -1e-3, 1e-3, false, 1.0},
    {"log", 1, 1.2e-38, 3e38, true, 2.0},  {"log near 1", 1, 0.5, 2.0, false, 2.0},
    {"log1p", 2, 1e-12, 1.0, true, 2.5},   {"softplus", 3, -80, 80, false, 4.0},
    {"sigmoid", 4, -80, 80, false, 3.0},   {"silu", 5, -80, 80, false, 3.0},
    {"silu slope", 6, 0, 80, false, 16.0},
};

TEST(VectorMathTest, StaysWithinAFewUnitsOfTheLastPlace) {
  oracle::ForEachVectorWidth([](const std::string& width) {
    for (const Case& c : kCases) {
      std::vector<float> y;
      EXPECT_LE(WorstUlp(c.which, Range(c.from, c.to, c.geometric), &y), c.ulp_max)
          << c.name << " on " << width;
    }
  });
}

TEST(VectorMathTest, GivesTheSameBitsForEveryVectorWidth) {
  for (const Case& c : kCases) {
    std::vector<std::vector<float>> results;
    oracle::ForEachVectorWidth([&](const std::string&) {
      WorstUlp(c.which, Range(c.from, c.to, c.geometric), &results.emplace_back());
    });
    for (const auto& result : results) EXPECT_TRUE(oracle::SameBits(result, results[0])) << c.name;
  }
}

TEST(VectorMathTest, ExpMeetsItsLimits) {
  const float infinity = std::numeric_limits<float>::infinity();
  std::vector<float> x(16, 0.0f), y(16);
  const float edges[] = {-infinity, -1000, -88, 0, 89, 1000, infinity, NAN};
  std::copy(std::begin(edges), std::end(edges), x.begin());
  HWY_DYNAMIC_DISPATCH(ApplyAll)(x.data(), y.data(), 16, 0);
  const float want[] = {0, 0, 0, 1, infinity, infinity, infinity};
  for (int i = 0; i < 7; ++i) EXPECT_EQ(y[i], want[i]) << x[i];
  EXPECT_TRUE(std::isnan(y[7]));
}

TEST(VectorMathTest, DotHasOneOrderOfSummationForEveryVectorWidth) {
  for (const int64_t n : {1, 5, 16, 17, 64, 127}) {
    const auto a = oracle::RandomVector(n, 1), b = oracle::RandomVector(n, 2);
    double exact = 0;
    for (int64_t i = 0; i < n; ++i) exact += static_cast<double>(a[i]) * b[i];
    std::vector<float> results;
    oracle::ForEachVectorWidth([&](const std::string&) {
      results.push_back(HWY_DYNAMIC_DISPATCH(DotOf)(a.data(), b.data(), n));
    });
    for (const float result : results) {
      EXPECT_EQ(result, results[0]);
      EXPECT_NEAR(result, exact, 1e-5 * std::sqrt(n));
    }
  }
}

}  // namespace
}  // namespace temper::kernels::cpu
#endif  // HWY_ONCE
