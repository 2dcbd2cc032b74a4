// Embedding rows are copied, and their gradients add up in token order, whatever the threads.
#include <bit>

#include "gtest/gtest.h"
#include "kernels/device.h"
#include "kernels/ops.h"
#include "tests/kernels/oracle.h"

namespace temper::kernels {
namespace {

using oracle::Matrix;
using oracle::RandomMatrix;

TEST(EmbeddingTest, CopiesTheRowOfEachToken) {
  const Matrix table = RandomMatrix(10, 37, 1, 1.0f, 3);
  const std::vector<int32_t> tokens = {3, 0, 9, 3};
  const auto device = OpenCpuDevice(2);
  Matrix y(4, 37, 5);
  device->ops().embed(device->stream(), tokens, table, y);
  for (int i = 0; i < 4; ++i) {
    EXPECT_TRUE(oracle::SameBits(y.row(i), table.row(tokens[i]), 37)) << i;
  }
}

TEST(EmbeddingTest, WidensTheRowOfEachTokenFromBFloat16) {
  const int64_t width = 37;
  std::vector<uint16_t> table(10 * (width + 3));
  for (size_t i = 0; i < table.size(); ++i) table[i] = static_cast<uint16_t>(i * 40503);
  const std::vector<int32_t> tokens = {3, 0, 9, 3};
  const auto device = OpenCpuDevice(2);
  Matrix y(4, width, 5);
  device->ops().embed_bfloat16(device->stream(), tokens,
                               View<const uint16_t>(table.data(), 10, width, width + 3), y);
  for (int i = 0; i < 4; ++i) {
    for (int64_t j = 0; j < width; ++j) {
      const uint32_t expected = uint32_t{table[tokens[i] * (width + 3) + j]} << 16;
      EXPECT_EQ(std::bit_cast<uint32_t>(y.at(i, j)), expected) << i << " " << j;
    }
  }
}

TEST(EmbeddingTest, AddsGradientsOfARepeatedTokenInOrder) {
  const int64_t width = 300;
  std::vector<int32_t> tokens;
  for (int i = 0; i < 200; ++i) tokens.push_back(i * i % 7);
  const Matrix dy = RandomMatrix(200, width, 1, 1.0f, 1);
  Matrix expected = RandomMatrix(8, width, 2);
  const Matrix before = expected;
  for (int i = 0; i < 200; ++i) {
    for (int64_t j = 0; j < width; ++j) expected.at(tokens[i], j) += dy.at(i, j);
  }
  for (const int threads : {1, 2, 4}) {
    const auto device = OpenCpuDevice(threads);
    Matrix gradient = before;
    device->ops().embed_backward(device->stream(), tokens, dy, gradient);
    EXPECT_TRUE(oracle::SameBits(gradient, expected)) << threads;
  }
}

TEST(EmbeddingDeathTest, StopsAtATokenOutsideTheTable) {
  const auto device = OpenCpuDevice(1);
  const Matrix table(4, 8);
  Matrix y(1, 8);
  const std::vector<int32_t> tokens = {4};
  EXPECT_DEATH(device->ops().embed(device->stream(), tokens, table, y), "kernel check failed");
}

}  // namespace
}  // namespace temper::kernels
