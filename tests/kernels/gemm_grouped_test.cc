// Products of experts' rows with their own weights have the bits of each row's alone, their
// gradients those of each expert's alone.
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

class GemmGroupedTest : public testing::TestWithParam<Dtype> {
 protected:
  static constexpr int64_t kIn = 70, kOut = 165;

  // Row by row, and gradients expert by expert; rows of no expert keep what they had.
  void Expect(const std::vector<int32_t>& counts, int threads) {
    const auto device = OpenCpuDevice(threads);
    const Ops& ops = device->ops();
    Stream& stream = device->stream();
    std::vector<std::unique_ptr<PackedWeight>> owned;
    std::vector<const PackedWeight*> weights;
    std::vector<int32_t> first = {2};  // the first rows belong to nobody
    for (size_t i = 0; i < counts.size(); ++i) {
      owned.push_back(ops.pack_weight(stream, RandomMatrix(kOut, kIn, 10 + i),
                                      {.backward = true, .grouped = true, .dtype = GetParam()}));
      weights.push_back(owned.back().get());
      first.push_back(first.back() + counts[i]);
    }
    const int64_t rows = first.back() + 3;  // nor do the last
    const Matrix x = RandomMatrix(rows, kIn, 1, 1.0f, 3), dy = RandomMatrix(rows, kOut, 2);
    const Matrix y_before = RandomMatrix(rows, kOut, 3), dx_before = RandomMatrix(rows, kIn, 4);
    const Matrix gradients_before = RandomMatrix(std::ssize(counts), kOut * kIn, 5);
    Matrix y_expected = y_before, dx_expected = dx_before, gradients_expected = gradients_before;
    for (size_t e = 0; e < weights.size(); ++e) {
      for (int64_t i = first[e]; i < first[e + 1]; ++i) {
        ops.matmul(stream, x.view().Rows(i, 1), *weights[e], y_expected.view().Rows(i, 1),
                   Write::kReplace);
        ops.matmul_backward_input(stream, dy.view().Rows(i, 1), *weights[e],
                                  dx_expected.view().Rows(i, 1), Write::kReplace);
      }
      ops.matmul_backward_weight(
          stream, x.view().Rows(first[e], counts[e]), dy.view().Rows(first[e], counts[e]),
          Dtype::kFloat32, View<float>(gradients_expected.row(static_cast<int64_t>(e)), kOut, kIn));
    }
    oracle::ForEachVectorWidth([&](const std::string& width) {
      Matrix y = y_before, dx = dx_before, gradients = gradients_before;
      std::vector<float*> each;
      for (int64_t e = 0; e < gradients.rows; ++e) each.push_back(gradients.row(e));
      ops.matmul_grouped(stream, x, weights, first.data(), y);
      ops.matmul_grouped_backward_input(stream, dy, weights, first.data(), dx);
      ops.matmul_grouped_backward_weight(stream, x, dy, first.data(), Dtype::kFloat32, each);
      EXPECT_TRUE(SameBits(y, y_expected)) << width << " " << threads;
      EXPECT_TRUE(SameBits(dx, dx_expected)) << width << " " << threads;
      EXPECT_TRUE(SameBits(gradients, gradients_expected)) << width << " " << threads;
    });
  }
};

TEST_P(GemmGroupedTest, EachExpertHasTheBitsOfItsOwnProducts) {
  for (const int threads : {1, 2, 4}) {
    Expect({1, 1, 1, 1, 1, 1}, threads);
    Expect({3, 0, 13, 1, 0, 250, 2, 530, 5}, threads);
    Expect({0, 0, 21, 0}, threads);
    Expect({0, 0}, threads);
    Expect({}, threads);
    Expect({40}, threads);
  }
}

INSTANTIATE_TEST_SUITE_P(Dtypes, GemmGroupedTest,
                         testing::Values(Dtype::kFloat32, Dtype::kBFloat16));

}  // namespace
}  // namespace temper::kernels
