// AdamW with the CPU's bits, the sum of squares to double's precision; the same bits wherever the
// values begin.
#include <cmath>
#include <span>
#include <vector>

#include "gtest/gtest.h"
#include "tests/kernels/cuda/harness.h"

namespace temper::kernels {
namespace {

using oracle::Matrix;
using oracle::RandomVector;
using oracle::SameBits;

Matrix RowOf(const std::vector<float>& values) {
  Matrix row(1, static_cast<int64_t>(values.size()));
  row.values = values;
  return row;
}

class CudaOptimizerTest : public CudaTest {
 protected:
  // `values` on the device, `offset` floats behind a multiple of 16 bytes, NaN around them.
  std::span<float> PutAt(int64_t offset, const std::vector<float>& values) {
    float* const at = Empty(static_cast<int64_t>(values.size()) + offset + 4);
    std::copy(values.begin(), values.end(), at + offset);
    return {at + offset, values.size()};
  }
  std::vector<float> GetAll(std::span<const float> values) {
    return Get(values.data(), static_cast<int64_t>(values.size()));
  }
};

TEST_F(CudaOptimizerTest, AdamWHasTheCpusBitsOverSeveralSteps) {
  // Fewer than a quad; a tail; more than all threads of the grid at once (emulated: 4 x 16 blocks).
  for (const int64_t n : {1, 3, 1001, 70'001}) {
    // Where parameter and gradient begin; the moments at 0.
    const std::vector<std::vector<int64_t>> offsets = {{0, 0}, {1, 0}, {3, 2}};
    for (const std::vector<int64_t>& offset : offsets) {
      if (n == 70'001 && offset[0] != 0) continue;  // once is enough
      const std::vector<float> start = RandomVector(n, 1);
      std::vector<float> parameter = start, m(n), v(n);
      std::vector<std::vector<float>> gradients;
      AdamWStep step = {.learning_rate = 1e-2f, .weight_decay = 0.1f, .gradient_scale = 0.5f};
      for (step.step = 1; step.step <= 3; ++step.step) {
        gradients.push_back(RandomVector(n, static_cast<uint64_t>(10 + step.step), 0.1f));
        cpu().adamw(cpu_stream(), step, gradients.back(), parameter, m, v);
      }
      const std::vector<Matrix> got = TwiceTheSame([&] {
        const std::span<float> at = PutAt(offset[0], start);
        const std::span<float> first = PutAt(0, std::vector<float>(n)),
                               second = PutAt(0, std::vector<float>(n));
        for (step.step = 1; step.step <= 3; ++step.step) {
          const std::span<float> gradient = PutAt(offset[1], gradients[step.step - 1]);
          cuda().adamw(cuda_stream(), step, gradient, at, first, second);
          EXPECT_TRUE(SameBits(GetAll(gradient), gradients[step.step - 1]));
        }
        EXPECT_TRUE(std::isnan(at.data()[n]) && std::isnan(first.data()[n]));
        return std::vector<Matrix>{RowOf(GetAll(at)), RowOf(GetAll(first)), RowOf(GetAll(second))};
      });
      EXPECT_TRUE(SameBits(got[0].values, parameter)) << n;
      EXPECT_TRUE(SameBits(got[1].values, m)) << n;
      EXPECT_TRUE(SameBits(got[2].values, v)) << n;
      EXPECT_FALSE(SameBits(parameter, start));
    }
  }
}

TEST_F(CudaOptimizerTest, WeightDecayIsDecoupledFromTheGradient) {
  const std::span<float> parameter = PutAt(0, {2.0f}), m = PutAt(0, {0.0f}), v = PutAt(0, {0.0f});
  cuda().adamw(cuda_stream(), {.learning_rate = 0.1f, .weight_decay = 0.5f}, PutAt(0, {0.0f}),
               parameter, m, v);
  EXPECT_FLOAT_EQ(GetAll(parameter)[0], 2.0f * (1 - 0.1f * 0.5f));
}

TEST_F(CudaOptimizerTest, SumSquaresIsExactToDoubleWhereverTheValuesBegin) {
  // Chunks are 16384 values: none, less than one, exactly one, several.
  for (const int64_t n : {0, 1, 9, 1027, 16'384, 16'385, 150'003}) {
    const std::vector<float> values = RandomVector(n, 3);
    double exact = 0;
    for (const float value : values) exact += static_cast<double>(value) * value;
    std::vector<double> sums;
    for (const bool backwards : {false, true}) {
      TakeTurnsBackwards(backwards);
      for (const int64_t offset : {0, 1, 2}) {
        sums.push_back(cuda().sum_squares(cuda_stream(), PutAt(offset, values)));
        EXPECT_NEAR(sums.back(), exact, 1e-13 * exact) << n;
        EXPECT_EQ(sums.back(), sums[0]) << n << " " << offset;
      }
    }
  }
}

TEST_F(CudaOptimizerTest, SumSquaresHoldsWhatAFloatCannot) {
  std::vector<float> values(40'000, 1e-4f);
  values[39'999] = 1e25f;
  const double sum = cuda().sum_squares(cuda_stream(), PutAt(0, values));
  EXPECT_NEAR(sum, double{1e25f} * 1e25f, 1e36);
  values[39'999] = 1.0f;
  const double small = double{1e-4f} * 1e-4f;
  EXPECT_NEAR(cuda().sum_squares(cuda_stream(), PutAt(0, values)), 1 + 39'999 * small, 1e-12);
}

// More chunks than the joining block has threads.
TEST_F(CudaOptimizerTest, SumSquaresJoinsMoreChunksThanThreads) {
  const int64_t n = (int64_t{1} << 14) * 1025;
  float* const values = Empty(n);
  for (int64_t i = 0; i < n; ++i) values[i] = 0.5f;
  EXPECT_EQ(cuda().sum_squares(cuda_stream(), std::span<const float>(values, n)),
            0.25 * static_cast<double>(n));
}

}  // namespace
}  // namespace temper::kernels
