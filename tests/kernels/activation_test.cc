// The squared ReLU, exact up to one rounding, and the gated SiLU against float64; also in place.
#include <algorithm>
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

TEST(ActivationTest, SquaresWhatIsPositive) {
  for (const int64_t width : {1, 16, 45}) {
    const Matrix x = RandomMatrix(5, width, 1, 2.0f, 3);
    for (const int threads : {1, 2}) {
      const auto device = OpenCpuDevice(threads);
      oracle::ForEachVectorWidth([&](const std::string&) {
        Matrix y(5, width, 1);
        device->ops().relu2(device->stream(), x, y);
        for (int64_t i = 0; i < 5; ++i) {
          for (int64_t j = 0; j < width; ++j) {
            const float positive = std::max(x.at(i, j), 0.0f);
            EXPECT_EQ(y.at(i, j), positive * positive);
          }
        }
      });
    }
  }
}

TEST(ActivationTest, ItsDerivativeIsTwiceThePositivePartAndMayOverwriteTheGradient) {
  const Matrix x = RandomMatrix(700, 45, 1, 2.0f, 3), dy = RandomMatrix(700, 45, 2);
  const auto device = OpenCpuDevice(2);
  Matrix dx = dy;
  device->ops().relu2_backward(device->stream(), x, dx, dx);
  for (int64_t i = 0; i < 700; ++i) {
    for (int64_t j = 0; j < 45; ++j) {
      EXPECT_EQ(dx.at(i, j), dy.at(i, j) * (2 * std::max(x.at(i, j), 0.0f)));
    }
  }
}

double Silu(double x) { return x / (1 + std::exp(-x)); }

TEST(SwigluTest, MatchesFloat64AndIsTheSameAloneForEveryWidthAndThread) {
  for (const int64_t width : {1, 16, 45, 200}) {
    const Matrix gate = RandomMatrix(400, width, 1, 3.0f, 3), up = RandomMatrix(400, width, 2);
    std::vector<double> exact;
    for (int64_t i = 0; i < gate.rows; ++i) {
      for (int64_t j = 0; j < width; ++j) exact.push_back(Silu(gate.at(i, j)) * up.at(i, j));
    }
    std::vector<Matrix> results;
    for (const int threads : {1, 2}) {
      const auto device = OpenCpuDevice(threads);
      oracle::ForEachVectorWidth([&](const std::string&) {
        Matrix& y = results.emplace_back(400, width, 1);
        device->ops().swiglu(device->stream(), gate, up, y);
        EXPECT_LT(oracle::RelativeError(y, exact), 3e-7);
        EXPECT_TRUE(oracle::SameBits(y, results[0]));
        Matrix alone(1, width);
        device->ops().swiglu(device->stream(), gate.view().Rows(399, 1), up.view().Rows(399, 1),
                             alone);
        EXPECT_TRUE(oracle::SameBits(alone.row(0), y.row(399), width));
        Matrix in_place = gate;
        device->ops().swiglu(device->stream(), in_place, up, in_place);
        EXPECT_TRUE(oracle::SameBits(in_place, y));
      });
    }
  }
}

TEST(SwigluTest, GradientsMatchDifferencesAndMayOverwriteTheInputs) {
  for (const int64_t width : {1, 16, 45}) {
    const Matrix gate = RandomMatrix(9, width, 1, 2.0f, 3), up = RandomMatrix(9, width, 2),
                 dy = RandomMatrix(9, width, 3, 1.0f, 1);
    std::vector<double> d_gate_exact, d_up_exact;
    const double step = 1e-5;
    for (int64_t i = 0; i < 9; ++i) {
      for (int64_t j = 0; j < width; ++j) {
        const double g = gate.at(i, j), slope = (Silu(g + step) - Silu(g - step)) / (2 * step);
        d_gate_exact.push_back(dy.at(i, j) * up.at(i, j) * slope);
        d_up_exact.push_back(dy.at(i, j) * Silu(g));
      }
    }
    std::vector<Matrix> results;
    for (const int threads : {1, 2, 4}) {
      const auto device = OpenCpuDevice(threads);
      oracle::ForEachVectorWidth([&](const std::string&) {
        Matrix d_gate(9, width, 2), d_up(9, width);
        device->ops().swiglu_backward(device->stream(), gate, up, dy, d_gate, d_up);
        EXPECT_LT(oracle::RelativeError(d_gate, d_gate_exact), 1e-6);
        EXPECT_LT(oracle::RelativeError(d_up, d_up_exact), 1e-6);
        results.push_back(d_gate);
        results.push_back(d_up);
        EXPECT_TRUE(oracle::SameBits(d_gate, results[0]) && oracle::SameBits(d_up, results[1]));
        Matrix gate_in_place = gate, up_in_place = up;
        device->ops().swiglu_backward(device->stream(), gate_in_place, up_in_place, dy,
                                      gate_in_place, up_in_place);
        EXPECT_TRUE(oracle::SameBits(gate_in_place, d_gate));
        EXPECT_TRUE(oracle::SameBits(up_in_place, d_up));
      });
    }
  }
}

}  // namespace
}  // namespace temper::kernels
