// A bias is added to every row; its gradient is the sum over the rows, in blocks, added to what is
// there.
#include <vector>

#include "gtest/gtest.h"
#include "tests/kernels/cuda/harness.h"

namespace temper::kernels {
namespace {

using oracle::Matrix;
using oracle::RandomMatrix;
using oracle::RandomVector;
using oracle::SameBits;

class CudaBiasTest : public CudaTest {};

TEST_F(CudaBiasTest, AddsToEveryRowTheCpusBits) {
  for (const int64_t gap : {0, 3, 4}) {
    for (const int64_t width : {1, 37, 600}) {
      const Matrix before = RandomMatrix(9, width, 1, 1.0f, gap);
      const std::vector<float> bias = RandomVector(width, 2);
      const std::vector<Matrix> got = TwiceTheSame([&] {
        const View<float> y = Put(before);
        cuda().add_bias(cuda_stream(), Put(bias), y);
        return std::vector<Matrix>{Get(y)};
      });
      Matrix want = before;
      cpu().add_bias(cpu_stream(), bias.data(), want);
      EXPECT_TRUE(SameBits(got[0], want)) << gap << " " << width;
    }
  }
}

TEST_F(CudaBiasTest, TheGradientIsTheSumOverTheRows) {
  for (const int64_t rows : {0, 1, 7, 128, 129, 1500}) {
    for (const int64_t width : {1, 37, 64}) {
      const Matrix dy = RandomMatrix(rows, width, 1, 1.0f, 3);
      const std::vector<float> before = RandomVector(width, 2);
      const std::vector<Matrix> got = TwiceTheSame([&] {
        float* const gradient = Put(before);
        cuda().bias_backward(cuda_stream(), Put(dy), gradient);
        return std::vector<Matrix>{Get(View<const float>(gradient, 1, width))};
      });
      std::vector<double> want(before.begin(), before.end());
      for (int64_t i = 0; i < rows; ++i) {
        for (int64_t j = 0; j < width; ++j) want[j] += dy.at(i, j);
      }
      EXPECT_LT(oracle::RelativeError(got[0], want), 2e-7) << rows << " " << width;
    }
  }
}

}  // namespace
}  // namespace temper::kernels
