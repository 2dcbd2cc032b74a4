// Products of few rows with bfloat16 weights have the bits of the wide tile, which grouped products
// use for any number of rows.
#include <cmath>
#include <vector>

#include "gtest/gtest.h"
#include "tests/kernels/cuda/harness.h"

namespace temper::kernels {
namespace {

using oracle::Matrix;
using oracle::RandomMatrix;
using oracle::SameBits;

class CudaFewRowsTest : public CudaTest {
 protected:
  std::unique_ptr<PackedWeight> Pack(const Matrix& weight, bool grouped) {
    return cuda().pack_weight(cuda_stream(), Put(weight),
                              {.grouped = grouped, .dtype = Dtype::kBFloat16});
  }

  Matrix ByTiles(View<const float> x, const Matrix& weight) {
    const auto packed = Pack(weight, true);
    const std::vector<int32_t> first = {0, static_cast<int32_t>(x.rows)};
    const std::vector<const PackedWeight*> weights = {packed.get()};
    const View<float> y = Empty(x.rows, weight.rows);
    cuda().matmul_grouped(cuda_stream(), x, weights, Put(first.data(), std::ssize(first)), y);
    return Get(y);
  }

  // With and without what was there, in the middle of wider rows.
  void ExpectTheTilesBits(View<const float> x, const Matrix& weight) {
    constexpr int64_t kLeft = 1, kRight = 2;
    SCOPED_TRACE(testing::Message() << x.rows << " x " << x.cols << " x " << weight.rows
                                    << ", rows " << x.stride << " apart");
    const int64_t out = weight.rows;
    const Matrix before = RandomMatrix(x.rows, kLeft + out + kRight, 3);
    const std::vector<Matrix> got = TwiceTheSame([&] {
      const auto packed = Pack(weight, false);
      const View<float> y = Put(before), added = Put(before);
      cuda().matmul(cuda_stream(), x, *packed, y.Columns(kLeft, out), Write::kReplace);
      cuda().matmul(cuda_stream(), x, *packed, added.Columns(kLeft, out), Write::kAdd);
      return std::vector<Matrix>{Get(y), Get(added)};
    });
    const Matrix product = ByTiles(x, weight);
    Matrix y = before, added = before;
    for (int64_t i = 0; i < x.rows; ++i) {
      for (int64_t j = 0; j < out; ++j) {
        y.at(i, kLeft + j) = product.at(i, j);
        added.at(i, kLeft + j) += product.at(i, j);
      }
    }
    EXPECT_TRUE(SameBits(got[0], y));
    EXPECT_TRUE(SameBits(got[1], added));
  }
};

const std::vector<int64_t>& AllRows() {
  static const std::vector<int64_t> rows = {1, 2, 8, 9, 15, 16, 17, 31, 32, 33, 48, 49, 63, 64};
  return rows;
}

// Depths of less than a step, of whole steps and not, of more steps than are under way at a time
// and again that many; whole sixteen bytes of bfloat16 and not. Columns of a block and its warps,
// and of several, whole and not. Rows on 16 bytes and not.
TEST_F(CudaFewRowsTest, HasTheBitsOfTheTileForManyRows) {
  const std::vector<std::pair<int64_t, int64_t>> sizes = {{1, 1},    {47, 30},   {64, 32},
                                                          {72, 70},  {200, 130}, {328, 9},
                                                          {760, 33}, {1100, 41}, {1416, 36}};
  for (const auto& [in, out] : sizes) {
    const Matrix weight = RandomMatrix(out, in, 2);
    for (const int64_t rows : AllRows()) {
      for (const int64_t gap : {0, 1, 4}) {
        if (gap != 0 && in > 400 && rows % 16 == 0) continue;
        const View<float> x = Put(RandomMatrix(rows, in, 1, 1.0f, gap));
        ExpectTheTilesBits(x, weight);
      }
    }
  }
}

// Whole strides, but a first value that lies on 4 bytes only.
TEST_F(CudaFewRowsTest, RowsMayBeginAnywhere) {
  const Matrix weight = RandomMatrix(40, 96, 2);
  for (const int64_t rows : {3, 20, 40}) {
    ExpectTheTilesBits(Put(RandomMatrix(rows, 100, 1)).Columns(1, 96), weight);
  }
}

// Sums that come to -0: a sixteen of zeros more than the tile has would make 0 of it.
TEST_F(CudaFewRowsTest, KeepsTheSignOfZero) {
  for (const int64_t in : {16, 32, 48, 96, 608}) {
    Matrix weight = RandomMatrix(34, in, 2);
    for (float& value : weight.values) value = 0x1p-100f;
    for (const int64_t rows : {1, 17, 40}) {
      Matrix x(rows, in);
      for (float& value : x.values) value = -0x1p-100f;
      ExpectTheTilesBits(Put(x), weight);
    }
  }
}

TEST_F(CudaFewRowsTest, ARowOfNoNumbersSpoilsNoOther) {
  constexpr int64_t kIn = 200, kOut = 40;
  const Matrix weight = RandomMatrix(kOut, kIn, 2);
  const auto packed = Pack(weight, false);
  for (const int64_t rows : {4, 16, 21, 64}) {
    Matrix x = RandomMatrix(rows, kIn, 1);
    const Matrix want = ByTiles(Put(x), weight);
    x.at(3, 5) = NAN;
    x.at(rows - 2, 0) = INFINITY;
    const View<float> y = Empty(rows, kOut);
    cuda().matmul(cuda_stream(), Put(x), *packed, y, Write::kReplace);
    const Matrix got = Get(y);
    for (int64_t i = 0; i < rows; ++i) {
      if (i == 3 || i == rows - 2) {
        EXPECT_FALSE(std::isfinite(got.at(i, 0))) << i << " of " << rows;
      } else {
        EXPECT_TRUE(SameBits(got.row(i), want.row(i), kOut)) << i << " of " << rows;
      }
    }
  }
}

// The rows beside it choose the variant.
TEST_F(CudaFewRowsTest, ARowHasTheSameBitsWhereverItStands) {
  constexpr int64_t kIn = 136, kOut = 40, kRows = 70;
  const auto packed = Pack(RandomMatrix(kOut, kIn, 2), false);
  const View<float> x = Put(RandomMatrix(kRows, kIn, 1)), y = Empty(kRows, kOut);
  cuda().matmul(cuda_stream(), x, *packed, y, Write::kReplace);  // by tiles
  const Matrix all = Get(y);
  for (const int64_t count : AllRows()) {
    for (const int64_t begin : {int64_t{0}, int64_t{5}, kRows - count}) {
      const View<float> part = Empty(count, kOut);
      cuda().matmul(cuda_stream(), x.Rows(begin, count), *packed, part, Write::kReplace);
      const Matrix got = Get(part);
      for (int64_t i = 0; i < count; ++i) {
        EXPECT_TRUE(SameBits(got.row(i), all.row(begin + i), kOut))
            << count << " rows from " << begin << ", row " << i;
      }
    }
  }
}

TEST_F(CudaFewRowsTest, NoRowsAndNoDepth) {
  const auto packed = Pack(RandomMatrix(8, 8, 2), false);
  const View<float> x = Empty(1, 8), y = Empty(1, 8);
  cuda().matmul(cuda_stream(), x.Rows(0, 0), *packed, y.Rows(0, 0), Write::kReplace);
  EXPECT_TRUE(std::isnan(Get(y).at(0, 0)));
  for (const int64_t rows : {1, 20}) ExpectTheTilesBits(Empty(rows, 0), Matrix(8, 0));
}

}  // namespace
}  // namespace temper::kernels
