// Biases are added to every row, and their gradients are sums in row order.
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

TEST(BiasTest, IsAddedToEveryRow) {
  for (const int64_t width : {1, 16, 45, 131}) {
    const std::vector<float> bias = RandomVector(width, 1);
    const Matrix before = RandomMatrix(700, width, 2, 1.0f, 3);
    for (const int threads : {1, 2}) {
      const auto device = OpenCpuDevice(threads);
      Matrix y = before;
      device->ops().add_bias(device->stream(), bias.data(), y);
      for (int64_t i = 0; i < y.rows; ++i) {
        for (int64_t j = 0; j < width; ++j) ASSERT_EQ(y.at(i, j), before.at(i, j) + bias[j]);
      }
    }
  }
}

TEST(BiasTest, ItsGradientAddsTheSumOfTheRowsInOrder) {
  for (const int64_t width : {1, 63, 64, 131}) {
    const Matrix dy = RandomMatrix(333, width, 1, 1.0f, 2);
    const std::vector<float> before = RandomVector(width, 2);
    std::vector<float> expected = before;
    for (int64_t j = 0; j < width; ++j) {
      float sum = 0;
      for (int64_t i = 0; i < dy.rows; ++i) sum += dy.at(i, j);
      expected[j] += sum;
    }
    for (const int threads : {1, 2, 4}) {
      const auto device = OpenCpuDevice(threads);
      std::vector<float> gradient = before;
      device->ops().bias_backward(device->stream(), dy, gradient.data());
      EXPECT_TRUE(SameBits(gradient, expected)) << width << " " << threads;
    }
  }
}

}  // namespace
}  // namespace temper::kernels
