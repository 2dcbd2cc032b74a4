// Products of groups of rows with their own weights have the bits of each product alone.
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

  // Products group by group; rows of no group keep what they had.
  void Expect(const std::vector<int64_t>& counts, int threads) {
    const auto device = OpenCpuDevice(threads);
    const Ops& ops = device->ops();
    std::vector<std::unique_ptr<PackedWeight>> weights;
    std::vector<RowGroup> groups;
    int64_t rows = 2;  // the first rows belong to nobody
    for (size_t i = 0; i < counts.size(); ++i) {
      weights.push_back(ops.pack_weight(device->stream(), RandomMatrix(kOut, kIn, 10 + i),
                                        {.backward = true, .dtype = GetParam()}));
      groups.push_back({counts[i] == 0 ? nullptr : weights[i].get(), rows, counts[i]});
      rows += counts[i] + 1;  // nor does the row after each group
    }
    const Matrix x = RandomMatrix(rows, kIn, 1, 1.0f, 3), dy = RandomMatrix(rows, kOut, 2);
    const Matrix y_before = RandomMatrix(rows, kOut, 3), dx_before = RandomMatrix(rows, kIn, 4);
    Matrix y_expected = y_before, dx_expected = dx_before;
    for (const RowGroup& group : groups) {
      if (group.count == 0) continue;
      ops.matmul(device->stream(), x.view().Rows(group.begin, group.count), *group.weight,
                 y_expected.view().Rows(group.begin, group.count), Write::kReplace);
      ops.matmul_backward_input(device->stream(), dy.view().Rows(group.begin, group.count),
                                *group.weight, dx_expected.view().Rows(group.begin, group.count),
                                Write::kReplace);
    }
    oracle::ForEachVectorWidth([&](const std::string& width) {
      Matrix y = y_before, dx = dx_before;
      ops.matmul_grouped(device->stream(), x, groups, y);
      ops.matmul_grouped_backward_input(device->stream(), dy, groups, dx);
      EXPECT_TRUE(SameBits(y, y_expected)) << width << " " << threads;
      EXPECT_TRUE(SameBits(dx, dx_expected)) << width << " " << threads;
    });
  }
};

TEST_P(GemmGroupedTest, EachGroupHasTheBitsOfItsOwnProduct) {
  for (const int threads : {1, 2, 4}) {
    Expect({1, 1, 1, 1, 1, 1}, threads);
    Expect({3, 0, 13, 1, 0, 250, 2, 481, 5}, threads);
    Expect({0, 0}, threads);
    Expect({}, threads);
    Expect({40}, threads);
  }
}

INSTANTIATE_TEST_SUITE_P(Dtypes, GemmGroupedTest,
                         testing::Values(Dtype::kFloat32, Dtype::kBFloat16));

}  // namespace
}  // namespace temper::kernels
