// Rotary positions against float64, for any cut into segments; backward turns back.
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
using oracle::SameBits;

std::vector<float> InverseFrequencies(int64_t head_dim, double theta) {
  std::vector<float> inverse;
  for (int64_t j = 0; j < head_dim / 2; ++j) {
    inverse.push_back(static_cast<float>(std::pow(theta, -2.0 * j / head_dim)));
  }
  return inverse;
}

// Rows are positions first, first + 1, ... of one sequence.
std::vector<double> Exact(const Matrix& x, int64_t heads, const std::vector<float>& inverse,
                          int64_t first) {
  const int64_t half = static_cast<int64_t>(inverse.size());
  std::vector<double> y(x.rows * x.cols);
  for (int64_t t = 0; t < x.rows; ++t) {
    for (int64_t h = 0; h < heads; ++h) {
      for (int64_t j = 0; j < half; ++j) {
        const float angle = static_cast<float>(first + t) * inverse[j];
        const double c = std::cos(double{angle}), s = std::sin(double{angle});
        const int64_t low = h * 2 * half + j, high = low + half;
        y[t * x.cols + low] = x.at(t, low) * c - x.at(t, high) * s;
        y[t * x.cols + high] = x.at(t, high) * c + x.at(t, low) * s;
      }
    }
  }
  return y;
}

struct Shape {
  int64_t heads, head_dim, tokens;
};

class RopeTest : public testing::TestWithParam<Shape> {
 protected:
  const Shape s_ = GetParam();
  const std::vector<float> inverse_ = InverseFrequencies(s_.head_dim, 1e6);
  const Matrix x_ = RandomMatrix(s_.tokens, s_.heads* s_.head_dim, 1, 1.0f, 3);

  Matrix Turned(const Matrix& x, const std::vector<Segment>& segments, Turn turn, int threads) {
    const auto device = OpenCpuDevice(threads);
    Matrix y = x;
    device->ops().rope(device->stream(), segments, s_.heads, inverse_, turn, y);
    return y;
  }
};

TEST_P(RopeTest, MatchesFloat64NearAndFarAndIsTheSameForEveryWidthAndThread) {
  for (const int64_t first : {int64_t{0}, int64_t{131000}, int64_t{1} << 23}) {
    const Matrix one = Turned(x_, {{0, s_.tokens, first}}, Turn::kForward, 1);
    EXPECT_LT(oracle::RelativeError(one, Exact(x_, s_.heads, inverse_, first)), 2e-7) << first;
    for (const int threads : {1, 2, 4}) {
      oracle::ForEachVectorWidth([&](const std::string& width) {
        const Matrix y = Turned(x_, {{0, s_.tokens, first}}, Turn::kForward, threads);
        EXPECT_TRUE(SameBits(y, one)) << width << " " << threads;
      });
    }
  }
}

TEST_P(RopeTest, ATokensBitsDependOnItsPositionOnlyHoweverSegmentsAreCut) {
  const Matrix whole = Turned(x_, {{0, s_.tokens, 100}}, Turn::kForward, 1);
  std::vector<Segment> single;
  for (int64_t t = 0; t < s_.tokens; ++t) single.push_back({t, 1, 100 + t});
  EXPECT_TRUE(SameBits(Turned(x_, single, Turn::kForward, 2), whole));
  const int64_t cut = s_.tokens / 2;
  const std::vector<Segment> halves = {{0, cut, 100}, {cut, s_.tokens - cut, 100 + cut}};
  EXPECT_TRUE(SameBits(Turned(x_, halves, Turn::kForward, 2), whole));
}

TEST_P(RopeTest, TheGradientIsTheTurnBack) {
  const Matrix dy = RandomMatrix(s_.tokens, x_.cols, 2);
  const std::vector<Segment> segments = {{0, s_.tokens, 7}};
  const Matrix dx = Turned(dy, segments, Turn::kBackward, 2);
  std::vector<double> x64;
  for (int64_t t = 0; t < x_.rows; ++t) x64.insert(x64.end(), x_.row(t), x_.row(t) + x_.cols);
  // The turn is linear: a step of any size is exact, and a large one outweighs the float32 inputs.
  const auto numeric = oracle::NumericGradient(
      x64,
      [&](const std::vector<double>& x) {
        Matrix at(x_.rows, x_.cols);
        for (size_t i = 0; i < x.size(); ++i) at.values[i] = static_cast<float>(x[i]);
        const std::vector<double> y = Exact(at, s_.heads, inverse_, 7);
        double sum = 0;
        for (size_t i = 0; i < y.size(); ++i) sum += y[i] * dy.values[i];
        return sum;
      },
      0x1p10);
  EXPECT_LT(oracle::RelativeError(dx, numeric), 1e-6);
  const Matrix back = Turned(Turned(x_, segments, Turn::kForward, 1), segments, Turn::kBackward, 1);
  EXPECT_LT(oracle::RelativeError(back, x64), 4e-7);
}

INSTANTIATE_TEST_SUITE_P(Shapes, RopeTest,
                         testing::Values(Shape{1, 2, 1}, Shape{3, 8, 5}, Shape{2, 20, 9},
                                         Shape{2, 64, 19}, Shape{1, 128, 4}));

}  // namespace
}  // namespace temper::kernels
