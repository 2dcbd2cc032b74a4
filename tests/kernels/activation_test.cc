// The squared ReLU and its derivative, exact up to one rounding, also in place.
#include <algorithm>

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

}  // namespace
}  // namespace temper::kernels
