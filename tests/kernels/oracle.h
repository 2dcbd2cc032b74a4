// What kernel tests share: seeded matrices, a comparison with float64 oracles, bit equality and
// devices.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>
#include <functional>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "hwy/highway.h"
#include "kernels/device.h"
#include "kernels/ops.h"
#include "kernels/view.h"

namespace temper::kernels::oracle {

// A matrix that owns its floats; `stride` may exceed `cols`, the gap is filled with NaN so that a
// kernel that reads it is caught.
struct Matrix {
  int64_t rows = 0, cols = 0, stride = 0;
  std::vector<float> values;

  Matrix(int64_t rows, int64_t cols, int64_t gap = 0)
      : rows(rows), cols(cols), stride(cols + gap), values(rows * stride, NAN) {
    for (int64_t i = 0; i < rows; ++i) std::fill_n(row(i), cols, 0.0f);
  }
  float* row(int64_t i) { return values.data() + i * stride; }
  const float* row(int64_t i) const { return values.data() + i * stride; }
  float& at(int64_t i, int64_t j) { return row(i)[j]; }
  float at(int64_t i, int64_t j) const { return row(i)[j]; }
  View<float> view() { return {values.data(), rows, cols, stride}; }
  View<const float> view() const { return {values.data(), rows, cols, stride}; }
  operator View<float>() { return view(); }
  operator View<const float>() const { return view(); }
};

// Normal values with the given scale; the same for the same seed.
inline Matrix RandomMatrix(int64_t rows, int64_t cols, uint64_t seed, float scale = 1.0f,
                           int64_t gap = 0) {
  Matrix m(rows, cols, gap);
  std::mt19937_64 engine(seed);
  std::normal_distribution<float> normal(0.0f, scale);
  for (int64_t i = 0; i < rows; ++i) {
    for (int64_t j = 0; j < cols; ++j) m.at(i, j) = normal(engine);
  }
  return m;
}
inline std::vector<float> RandomVector(int64_t n, uint64_t seed, float scale = 1.0f,
                                       float offset = 0.0f) {
  Matrix m = RandomMatrix(1, n, seed, scale);
  for (float& value : m.values) value += offset;
  return m.values;
}

// Bitwise equality of n floats (NaN equals itself, 0 differs from -0).
inline bool SameBits(const float* a, const float* b, int64_t n) {
  return n == 0 || std::memcmp(a, b, n * sizeof(float)) == 0;
}
inline bool SameBits(const Matrix& a, const Matrix& b) {
  if (a.rows != b.rows || a.cols != b.cols) return false;
  for (int64_t i = 0; i < a.rows; ++i) {
    if (!SameBits(a.row(i), b.row(i), a.cols)) return false;
  }
  return true;
}
inline bool SameBits(const std::vector<float>& a, const std::vector<float>& b) {
  return a.size() == b.size() && SameBits(a.data(), b.data(), a.size());
}

// max_i |got - want| / (|want| + scale), where scale is the largest |want|: an error relative to
// the matrix. NaN or infinity in `got` gives infinity.
inline double RelativeError(const float* got, const double* want, int64_t n) {
  double scale = 1e-30, worst = 0;
  for (int64_t i = 0; i < n; ++i) scale = std::max(scale, std::fabs(want[i]));
  for (int64_t i = 0; i < n; ++i) {
    if (!std::isfinite(got[i])) return INFINITY;
    worst = std::max(worst, std::fabs(got[i] - want[i]) / (std::fabs(want[i]) + scale));
  }
  return worst;
}
inline double RelativeError(const Matrix& got, const std::vector<double>& want) {
  std::vector<float> packed;
  for (int64_t i = 0; i < got.rows; ++i) {
    packed.insert(packed.end(), got.row(i), got.row(i) + got.cols);
  }
  if (packed.size() != want.size()) return INFINITY;
  return RelativeError(packed.data(), want.data(), static_cast<int64_t>(want.size()));
}
inline double RelativeError(const std::vector<float>& got, const std::vector<double>& want) {
  if (got.size() != want.size()) return INFINITY;
  return RelativeError(got.data(), want.data(), static_cast<int64_t>(want.size()));
}

// d f / d x_i by central differences in float64.
inline std::vector<double> NumericGradient(
    std::vector<double> x, const std::function<double(const std::vector<double>&)>& f,
    double step = 1e-5) {
  std::vector<double> gradient(x.size());
  for (size_t i = 0; i < x.size(); ++i) {
    const double at = x[i];
    x[i] = at + step;
    const double up = f(x);
    x[i] = at - step;
    const double down = f(x);
    x[i] = at;
    gradient[i] = (up - down) / (2 * step);
  }
  return gradient;
}

// Runs `work` once with each instruction set this machine has and the kernels were compiled for
// (not the scalar fallback, which has no fused multiply-add), widest first, then restores the
// default.
inline void ForEachVectorWidth(const std::function<void(const std::string& name)>& work) {
  for (const int64_t target : {HWY_AVX3, HWY_AVX2}) {
    if ((hwy::SupportedTargets() & target) == 0) continue;
    hwy::SetSupportedTargetsForTest(target);
    hwy::GetChosenTarget().Update(hwy::SupportedTargets());
    work(hwy::TargetName(target));
    hwy::SetSupportedTargetsForTest(0);
    hwy::GetChosenTarget().Update(hwy::SupportedTargets());
  }
}

}  // namespace temper::kernels::oracle
