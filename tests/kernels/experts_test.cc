// Tokens to experts and back: gathering copies, combining is one chain in slot order, and its
// gradients match differences of the float64 form.
#include <algorithm>
#include <cmath>
#include <numeric>
#include <random>
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

struct Shape {
  int64_t tokens, chosen, width;
};

class ExpertsTest : public testing::TestWithParam<Shape> {
 protected:
  ExpertsTest() : slots_(s_.tokens * s_.chosen) {
    // Every slot once, in some order, and two rows of x that nobody uses.
    std::iota(slots_.begin(), slots_.end(), 1);
    std::shuffle(slots_.begin(), slots_.end(), std::mt19937(4));
  }

  const Shape s_ = GetParam();
  std::vector<int32_t> slots_;
  const int64_t rows_ = s_.tokens * s_.chosen + 2;
  const Matrix x_ = RandomMatrix(rows_, s_.width, 1, 1.0f, 3);
  const std::vector<float> weight_ = RandomVector(s_.tokens * s_.chosen, 2);
  const Matrix dy_ = RandomMatrix(s_.tokens, s_.width, 3, 1.0f, 2);
};

TEST_P(ExpertsTest, GatheringCopiesRows) {
  for (const int threads : {1, 2}) {
    const auto device = OpenCpuDevice(threads);
    Matrix y(static_cast<int64_t>(slots_.size()), s_.width, 1);
    Matrix same(y.rows, s_.width, 2);
    device->ops().gather_rows(device->stream(), x_, slots_, y);
    device->ops().gather_slots(device->stream(), x_, slots_.data(), same);
    for (size_t i = 0; i < slots_.size(); ++i) {
      ASSERT_TRUE(SameBits(y.row(i), x_.row(slots_[i]), s_.width));
      ASSERT_TRUE(SameBits(same.row(i), x_.row(slots_[i]), s_.width));
    }
  }
}

TEST_P(ExpertsTest, CombiningIsOneChainInSlotOrderForEveryWidthAndThread) {
  const Matrix before = RandomMatrix(s_.tokens, s_.width, 5);
  for (const float* weight : {weight_.data(), static_cast<const float*>(nullptr)}) {
    Matrix expected(s_.tokens, s_.width), added(s_.tokens, s_.width);
    for (int64_t t = 0; t < s_.tokens; ++t) {
      for (int64_t c = 0; c < s_.width; ++c) {
        float sum = 0;
        for (int64_t i = t * s_.chosen; i < (t + 1) * s_.chosen; ++i) {
          sum = std::fma(weight == nullptr ? 1.0f : weight[i], x_.at(slots_[i], c), sum);
        }
        expected.at(t, c) = sum;
        added.at(t, c) = before.at(t, c) + sum;
      }
    }
    for (const int threads : {1, 2, 4}) {
      const auto device = OpenCpuDevice(threads);
      oracle::ForEachVectorWidth([&](const std::string& width) {
        Matrix y(s_.tokens, s_.width, 2), sum = before;
        device->ops().combine_rows(device->stream(), x_, slots_.data(), s_.chosen, weight, y,
                                   Write::kReplace);
        EXPECT_TRUE(SameBits(y, expected)) << width << " " << threads;
        device->ops().combine_rows(device->stream(), x_, slots_.data(), s_.chosen, weight, sum,
                                   Write::kAdd);
        EXPECT_TRUE(SameBits(sum, added)) << width << " " << threads;
      });
    }
    // A token alone has the bits it has among others.
    const auto device = OpenCpuDevice(2);
    const int64_t last = s_.tokens - 1;
    Matrix alone(1, s_.width);
    device->ops().combine_rows(device->stream(), x_, slots_.data() + last * s_.chosen, s_.chosen,
                               weight == nullptr ? nullptr : weight + last * s_.chosen, alone,
                               Write::kReplace);
    EXPECT_TRUE(SameBits(alone.row(0), expected.row(last), s_.width));
  }
}

TEST_P(ExpertsTest, GradientsMatchDifferencesAndRowsThatAreNoSlotStay) {
  // Bilinear, so a difference over a large step is exact in each argument.
  const auto loss = [&](const std::vector<double>& x, const std::vector<double>& weight) {
    double sum = 0;
    for (size_t i = 0; i < slots_.size(); ++i) {
      for (int64_t c = 0; c < s_.width; ++c) {
        sum += weight[i] * x[slots_[i] * s_.width + c] * dy_.at(i / s_.chosen, c);
      }
    }
    return sum;
  };
  std::vector<double> x64, weight64(weight_.begin(), weight_.end());
  for (int64_t i = 0; i < rows_; ++i) x64.insert(x64.end(), x_.row(i), x_.row(i) + s_.width);
  auto dx_exact = oracle::NumericGradient(
      x64, [&](const auto& x) { return loss(x, weight64); }, 1);
  const auto d_weight_exact = oracle::NumericGradient(
      weight64, [&](const auto& w) { return loss(x64, w); }, 1);
  for (const int64_t unused : {int64_t{0}, rows_ - 1}) {
    std::fill_n(dx_exact.begin() + unused * s_.width, s_.width, 7.0);
  }
  std::vector<Matrix> results;
  std::vector<std::vector<float>> weights;
  for (const int threads : {1, 2, 4}) {
    const auto device = OpenCpuDevice(threads);
    oracle::ForEachVectorWidth([&](const std::string&) {
      Matrix& dx = results.emplace_back(rows_, s_.width, 1);
      for (int64_t i = 0; i < rows_; ++i) std::fill_n(dx.row(i), s_.width, 7.0f);
      std::vector<float>& d_weight = weights.emplace_back(weight_.size());
      device->ops().combine_rows_backward(device->stream(), x_, slots_.data(), s_.chosen,
                                          weight_.data(), dy_, dx, d_weight.data());
      EXPECT_LT(oracle::RelativeError(dx, dx_exact), 1e-6);
      EXPECT_LT(oracle::RelativeError(d_weight, d_weight_exact), 2e-6);
      EXPECT_TRUE(SameBits(dx, results[0]) && SameBits(d_weight, weights[0]));
    });
  }
}

INSTANTIATE_TEST_SUITE_P(Shapes, ExpertsTest,
                         testing::Values(Shape{1, 1, 1}, Shape{5, 2, 16}, Shape{7, 3, 45},
                                         Shape{30, 6, 35}));

TEST(ExpertsDeathTest, StopsAtARowOutsideTheMatrix) {
  const auto device = OpenCpuDevice(1);
  const Matrix x(4, 8);
  Matrix y(1, 8);
  const std::vector<int32_t> rows = {4};
  EXPECT_DEATH(device->ops().gather_rows(device->stream(), x, rows, y), "kernel check failed");
  EXPECT_DEATH(
      device->ops().combine_rows(device->stream(), x, rows.data(), 1, nullptr, y, Write::kAdd),
      "kernel check failed");
}

}  // namespace
}  // namespace temper::kernels
