// RMSNorm and the gated norm against float64, their gradients against differences of the float64
// forms.
#include <cmath>
#include <vector>

#include "gtest/gtest.h"
#include "kernels/device.h"
#include "kernels/ops.h"
#include "tests/kernels/oracle.h"

namespace temper::kernels {
namespace {

using oracle::Matrix;
using oracle::RandomMatrix;
using oracle::RandomVector;
using oracle::SameBits;

constexpr float kEpsilon = 1e-5f;

std::vector<double> Doubles(const Matrix& m) {
  std::vector<double> values;
  for (int64_t i = 0; i < m.rows; ++i) values.insert(values.end(), m.row(i), m.row(i) + m.cols);
  return values;
}

// out[t, j] = u * rsqrt(mean over the group of u^2 + epsilon) * gain, u = y or y * silu(z).
std::vector<double> ExactNorm(const std::vector<double>& y, const std::vector<double>* z,
                              const std::vector<double>& gain, int64_t groups) {
  const int64_t cols = static_cast<int64_t>(gain.size()), width = cols / groups;
  std::vector<double> out(y.size());
  for (size_t begin = 0; begin < y.size(); begin += width) {
    double squares = 0;
    for (int64_t j = 0; j < width; ++j) {
      double u = y[begin + j];
      if (z != nullptr) u *= (*z)[begin + j] / (1 + std::exp(-(*z)[begin + j]));
      out[begin + j] = u;
      squares += u * u;
    }
    const double rstd = 1 / std::sqrt(squares / width + kEpsilon);
    for (int64_t j = 0; j < width; ++j) out[begin + j] *= rstd * gain[(begin + j) % cols];
  }
  return out;
}

double Dot(const std::vector<double>& a, const std::vector<double>& b) {
  double sum = 0;
  for (size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}

struct Shape {
  int64_t tokens, width, groups;
};

class NormTest : public testing::TestWithParam<Shape> {
 protected:
  const Shape s_ = GetParam();
  const Matrix y_ = RandomMatrix(s_.tokens, s_.width, 1, 1.5f, 4);
  const Matrix z_ = RandomMatrix(s_.tokens, s_.width, 2, 1.5f, 1);
  const Matrix dout_ = RandomMatrix(s_.tokens, s_.width, 3, 1.0f, 2);
  const std::vector<float> gain_ = RandomVector(s_.width, 4, 0.3f, 1.0f);
  const std::vector<double> gain64_{gain_.begin(), gain_.end()};
};

TEST_P(NormTest, RmsNormMatchesFloat64AndIsTheSameForEveryWidthAndThread) {
  const std::vector<double> y64 = Doubles(y_);
  const std::vector<double> exact = ExactNorm(y64, nullptr, gain64_, 1);
  std::vector<Matrix> results;
  for (const int threads : {1, 2, 4}) {
    const auto device = OpenCpuDevice(threads);
    oracle::ForEachVectorWidth([&](const std::string&) {
      Matrix& out = results.emplace_back(s_.tokens, s_.width, 3);
      device->ops().rms_norm(device->stream(), y_, gain_.data(), kEpsilon, out, nullptr);
      EXPECT_LT(oracle::RelativeError(out, exact), 1e-6);
      EXPECT_TRUE(SameBits(out, results[0]));
    });
  }
  // A token alone has the bits it has among others.
  const auto device = OpenCpuDevice(2);
  Matrix alone(1, s_.width);
  device->ops().rms_norm(device->stream(), y_.view().Rows(s_.tokens - 1, 1), gain_.data(), kEpsilon,
                         alone, nullptr);
  EXPECT_TRUE(SameBits(alone.row(0), results[0].row(s_.tokens - 1), s_.width));
}

TEST_P(NormTest, GatedNormMatchesFloat64AndIsTheSameForEveryWidthAndThread) {
  const std::vector<double> y64 = Doubles(y_), z64 = Doubles(z_);
  const std::vector<double> exact = ExactNorm(y64, &z64, gain64_, s_.groups);
  std::vector<Matrix> results;
  for (const int threads : {1, 2, 4}) {
    const auto device = OpenCpuDevice(threads);
    oracle::ForEachVectorWidth([&](const std::string&) {
      Matrix& out = results.emplace_back(s_.tokens, s_.width, 3);
      device->ops().gated_norm(device->stream(), y_, z_, gain_.data(), s_.groups, kEpsilon, out,
                               nullptr);
      EXPECT_LT(oracle::RelativeError(out, exact), 2e-6);
      EXPECT_TRUE(SameBits(out, results[0]));
    });
  }
  const auto device = OpenCpuDevice(2);
  Matrix alone(1, s_.width);
  device->ops().gated_norm(device->stream(), y_.view().Rows(s_.tokens - 1, 1),
                           z_.view().Rows(s_.tokens - 1, 1), gain_.data(), s_.groups, kEpsilon,
                           alone, nullptr);
  EXPECT_TRUE(SameBits(alone.row(0), results[0].row(s_.tokens - 1), s_.width));
}

TEST_P(NormTest, RmsNormGradientsMatchDifferencesAndAccumulate) {
  const std::vector<double> y64 = Doubles(y_), dout64 = Doubles(dout_);
  std::vector<double> dx_exact = oracle::NumericGradient(
      y64, [&](const auto& y) { return Dot(ExactNorm(y, nullptr, gain64_, 1), dout64); });
  std::vector<double> dgain_exact = oracle::NumericGradient(
      gain64_, [&](const auto& gain) { return Dot(ExactNorm(y64, nullptr, gain, 1), dout64); });
  for (double& value : dx_exact) value += 0.5;
  for (double& value : dgain_exact) value += 0.25;
  std::vector<Matrix> results;
  std::vector<std::vector<float>> gains;
  for (const int threads : {1, 2, 4}) {
    const auto device = OpenCpuDevice(threads);
    Matrix out(s_.tokens, s_.width), &dx = results.emplace_back(s_.tokens, s_.width, 2);
    for (int64_t i = 0; i < dx.rows; ++i) std::fill_n(dx.row(i), dx.cols, 0.5f);
    std::vector<float> rstd(s_.tokens), &dgain = gains.emplace_back(s_.width, 0.25f);
    device->ops().rms_norm(device->stream(), y_, gain_.data(), kEpsilon, out, rstd.data());
    device->ops().rms_norm_backward(device->stream(), y_, gain_.data(), rstd.data(), dout_, dx,
                                    dgain.data());
    EXPECT_LT(oracle::RelativeError(dx, dx_exact), 2e-6);
    EXPECT_LT(oracle::RelativeError(dgain, dgain_exact), 2e-6);
    EXPECT_TRUE(SameBits(dx, results[0]) && SameBits(dgain, gains[0])) << threads;
  }
}

TEST_P(NormTest, GatedNormGradientsMatchDifferencesAndOverwriteInputsOnly) {
  const std::vector<double> y64 = Doubles(y_), z64 = Doubles(z_), dout64 = Doubles(dout_);
  const auto dy_exact = oracle::NumericGradient(
      y64, [&](const auto& y) { return Dot(ExactNorm(y, &z64, gain64_, s_.groups), dout64); });
  const auto dz_exact = oracle::NumericGradient(
      z64, [&](const auto& z) { return Dot(ExactNorm(y64, &z, gain64_, s_.groups), dout64); });
  auto dgain_exact = oracle::NumericGradient(gain64_, [&](const auto& gain) {
    return Dot(ExactNorm(y64, &z64, gain, s_.groups), dout64);
  });
  for (double& value : dgain_exact) value += 0.25;
  std::vector<Matrix> results;
  std::vector<std::vector<float>> gains;
  for (const int threads : {1, 2, 4}) {
    const auto device = OpenCpuDevice(threads);
    Matrix out(s_.tokens, s_.width);
    Matrix dy = RandomMatrix(s_.tokens, s_.width, 9), dz = RandomMatrix(s_.tokens, s_.width, 10);
    std::vector<float> rstd(s_.tokens * s_.groups), &dgain = gains.emplace_back(s_.width, 0.25f);
    device->ops().gated_norm(device->stream(), y_, z_, gain_.data(), s_.groups, kEpsilon, out,
                             rstd.data());
    device->ops().gated_norm_backward(device->stream(), y_, z_, gain_.data(), s_.groups,
                                      rstd.data(), dout_, dy, dz, dgain.data());
    EXPECT_LT(oracle::RelativeError(dy, dy_exact), 3e-6);
    EXPECT_LT(oracle::RelativeError(dz, dz_exact), 3e-6);
    EXPECT_LT(oracle::RelativeError(dgain, dgain_exact), 3e-6);
    results.push_back(dy);
    results.push_back(dz);
    EXPECT_TRUE(SameBits(dy, results[0]) && SameBits(dz, results[1])) << threads;
    EXPECT_TRUE(SameBits(dgain, gains[0])) << threads;
  }
}

// Query and key norms: heads of a token are rows of the same memory.
TEST(HeadNormTest, AHeadsBitsAreThoseOfARowAndTheNormMayBeInPlace) {
  for (const int64_t head_dim : {8, 20, 64, 128}) {
    const int64_t tokens = 70, heads = 6;
    const std::vector<float> gain = RandomVector(head_dim, 1, 0.3f, 1.0f);
    const Matrix q = RandomMatrix(tokens, heads * head_dim, 2),
                 dy = RandomMatrix(tokens, q.cols, 3);
    const auto as_rows = [&](const Matrix& m) {
      return View<const float>(m.values.data(), tokens * heads, head_dim);
    };
    const auto device = OpenCpuDevice(2);
    Matrix y = q, dx(tokens, q.cols);
    std::vector<float> rstd(tokens * heads), d_gain(head_dim), d_gain_one(head_dim);
    const View<float> rows(y.values.data(), tokens * heads, head_dim);
    device->ops().rms_norm(device->stream(), rows, gain.data(), kEpsilon, rows, rstd.data());
    device->ops().rms_norm_backward(device->stream(), as_rows(q), gain.data(), rstd.data(),
                                    as_rows(dy), View<float>(dx.values.data(), rows.rows, head_dim),
                                    d_gain.data());
    Matrix one(1, head_dim), dx_one(1, head_dim);
    float rstd_one = 0;
    const int64_t last = rows.rows - 1;
    device->ops().rms_norm(device->stream(), as_rows(q).Rows(last, 1), gain.data(), kEpsilon, one,
                           &rstd_one);
    device->ops().rms_norm_backward(device->stream(), as_rows(q).Rows(last, 1), gain.data(),
                                    &rstd_one, as_rows(dy).Rows(last, 1), dx_one,
                                    d_gain_one.data());
    EXPECT_TRUE(SameBits(one.row(0), rows.row(last), head_dim));
    EXPECT_TRUE(SameBits(dx_one.row(0), dx.values.data() + last * head_dim, head_dim));
  }
}

INSTANTIATE_TEST_SUITE_P(Shapes, NormTest,
                         testing::Values(Shape{1, 16, 1}, Shape{3, 7, 1}, Shape{5, 96, 2},
                                         Shape{9, 150, 3}, Shape{24, 8, 1}, Shape{6, 128, 1}));

}  // namespace
}  // namespace temper::kernels
