// Matrix products equal, bit for bit, one chain of fused multiply-adds per element: for every
// shape, tile, vector width and number of threads. Row independence follows, and is also tested as
// such.
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
using oracle::SameBits;

float Chain(const Matrix& a, int64_t i, const Matrix& b, int64_t j, int64_t begin, int64_t end) {
  float sum = 0;
  for (int64_t k = begin; k < end; ++k) sum = std::fma(a.at(i, k), b.at(j, k), sum);
  return sum;
}

// y = x * transpose(w), each element one chain over k.
Matrix ChainProduct(const Matrix& x, const Matrix& w) {
  Matrix y(x.rows, w.rows);
  for (int64_t i = 0; i < x.rows; ++i) {
    for (int64_t j = 0; j < w.rows; ++j) y.at(i, j) = Chain(x, i, w, j, 0, x.cols);
  }
  return y;
}

Matrix Transpose(const Matrix& m) {
  Matrix t(m.cols, m.rows);
  for (int64_t i = 0; i < m.rows; ++i) {
    for (int64_t j = 0; j < m.cols; ++j) t.at(j, i) = m.at(i, j);
  }
  return t;
}

Matrix Sum(const Matrix& a, const Matrix& b) {
  Matrix sum(a.rows, a.cols);
  for (int64_t i = 0; i < a.rows; ++i) {
    for (int64_t j = 0; j < a.cols; ++j) sum.at(i, j) = a.at(i, j) + b.at(i, j);
  }
  return sum;
}

struct Sizes {
  int64_t rows, in, out;
};
// Rows enter every tile height, outputs end inside a panel, and depths exceed one block.
std::vector<Sizes> AllSizes() {
  std::vector<Sizes> sizes;
  for (int64_t rows = 1; rows <= 14; ++rows) sizes.push_back({rows, 37, 161});
  for (const int64_t out : {1, 15, 16, 17, 31, 32, 33, 64, 96, 128}) sizes.push_back({3, 64, out});
  sizes.push_back({1, 1, 1});
  sizes.push_back({2, 5001, 40});
  sizes.push_back({13, 5001, 70});
  sizes.push_back({300, 48, 50});
  sizes.push_back({481, 20, 33});
  return sizes;
}

class GemmTest : public testing::Test {
 protected:
  std::unique_ptr<Device> device_ = OpenCpuDevice(2);
  const Ops& ops_ = device_->ops();
  Stream& stream_ = device_->stream();
};

TEST_F(GemmTest, EveryElementIsOneChainForEveryShapeAndVectorWidth) {
  for (const Sizes& s : AllSizes()) {
    const Matrix x = RandomMatrix(s.rows, s.in, 1, 1.0f, 3),
                 w = RandomMatrix(s.out, s.in, 2, 1.0f, 5);
    const Matrix expected = ChainProduct(x, w);
    const Matrix before = RandomMatrix(s.rows, s.out, 3);
    oracle::ForEachVectorWidth([&](const std::string& width) {
      const auto packed = ops_.pack_weight(stream_, w, {});
      Matrix y(s.rows, s.out, 7);
      ops_.matmul(stream_, x, *packed, y, Write::kReplace);
      EXPECT_TRUE(SameBits(y, expected)) << s.rows << " " << s.in << " " << s.out << " " << width;
      Matrix added = before;
      ops_.matmul(stream_, x, *packed, added, Write::kAdd);
      EXPECT_TRUE(SameBits(added, Sum(before, expected))) << s.rows << " " << s.out << " " << width;
    });
  }
}

TEST_F(GemmTest, TheChainIsCloseToTheExactProduct) {
  const Matrix x = RandomMatrix(20, 3000, 1), w = RandomMatrix(50, 3000, 2);
  const auto packed = ops_.pack_weight(stream_, w, {});
  Matrix y(20, 50);
  ops_.matmul(stream_, x, *packed, y, Write::kReplace);
  std::vector<double> exact;
  for (int64_t i = 0; i < 20; ++i) {
    for (int64_t j = 0; j < 50; ++j) {
      double sum = 0;
      for (int64_t k = 0; k < 3000; ++k) sum += static_cast<double>(x.at(i, k)) * w.at(j, k);
      exact.push_back(sum);
    }
  }
  EXPECT_LT(oracle::RelativeError(y, exact), 2e-6);
}

TEST_F(GemmTest, ARowsBitsDoNotDependOnItsNeighboursOrOnThreads) {
  const Matrix all = RandomMatrix(320, 100, 1), w = RandomMatrix(150, 100, 2);
  Matrix reference(1, 150);
  {
    const auto packed = ops_.pack_weight(stream_, w, {});
    ops_.matmul(stream_, all.view().Rows(160, 1), *packed, reference, Write::kReplace);
  }
  for (const int threads : {1, 2, 4}) {
    const auto device = OpenCpuDevice(threads);
    const auto packed = device->ops().pack_weight(device->stream(), w, {});
    for (const int64_t rows : {1, 2, 3, 4, 5, 11, 12, 13, 32, 159}) {
      for (const int64_t at : {int64_t{0}, rows / 2, rows - 1}) {
        Matrix y(rows, 150);
        device->ops().matmul(device->stream(), all.view().Rows(160 - at, rows), *packed, y,
                             Write::kReplace);
        ASSERT_TRUE(SameBits(y.row(at), reference.row(0), 150))
            << rows << " " << at << " " << threads;
      }
    }
  }
}

TEST_F(GemmTest, TheInputGradientIsOneChainOverOutputs) {
  for (const Sizes& s : AllSizes()) {
    const Matrix dy = RandomMatrix(s.rows, s.in, 1, 1.0f, 3),
                 w = RandomMatrix(s.in, s.out, 2, 1.0f, 1);
    const Matrix expected = ChainProduct(dy, Transpose(w));
    const auto packed = ops_.pack_weight(stream_, w, {.backward = true});
    Matrix dx(s.rows, s.out, 2);
    ops_.matmul_backward_input(stream_, dy, *packed, dx, Write::kReplace);
    EXPECT_TRUE(SameBits(dx, expected)) << s.rows << " " << s.in << " " << s.out;
    ops_.matmul_backward_input(stream_, dy, *packed, dx, Write::kAdd);
    EXPECT_TRUE(SameBits(dx, Sum(expected, expected)));
  }
}

TEST_F(GemmTest, TheWeightGradientAddsChainsOf512TokensInOrder) {
  for (const Sizes& s : {Sizes{1, 3, 5}, Sizes{7, 33, 13}, Sizes{64, 32, 12}, Sizes{512, 40, 25},
                         Sizes{1100, 50, 30}, Sizes{20, 10, 5000}}) {
    const Matrix x = RandomMatrix(s.rows, s.in, 1, 1.0f, 3),
                 dy = RandomMatrix(s.rows, s.out, 2, 1.0f, 1);
    const Matrix xt = Transpose(x), dyt = Transpose(dy);
    Matrix expected = RandomMatrix(s.out, s.in, 3);
    const Matrix before = expected;
    for (int64_t t = 0; t < s.rows; t += 512) {
      for (int64_t n = 0; n < s.out; ++n) {
        for (int64_t k = 0; k < s.in; ++k) {
          expected.at(n, k) += Chain(dyt, n, xt, k, t, std::min(t + 512, s.rows));
        }
      }
    }
    for (const int threads : {1, 2, 4}) {
      const auto device = OpenCpuDevice(threads);
      oracle::ForEachVectorWidth([&](const std::string& width) {
        Matrix gradient = before;
        device->ops().matmul_backward_weight(device->stream(), x, dy, Dtype::kFloat32, gradient);
        EXPECT_TRUE(SameBits(gradient, expected)) << s.rows << " " << s.out << " " << width;
      });
    }
  }
}

TEST_F(GemmTest, ARepackedWeightIsTheNewWeight) {
  const Matrix x = RandomMatrix(9, 40, 1), old = RandomMatrix(50, 40, 2),
               fresh = RandomMatrix(50, 40, 3);
  const Matrix dy = RandomMatrix(9, 50, 4);
  const auto packed = ops_.pack_weight(stream_, old, {.backward = true});
  ops_.pack_rows(stream_, 0, fresh, *packed);
  EXPECT_EQ(packed->out(), 50);
  EXPECT_EQ(packed->in(), 40);
  Matrix y(9, 50), dx(9, 40);
  ops_.matmul(stream_, x, *packed, y, Write::kReplace);
  ops_.matmul_backward_input(stream_, dy, *packed, dx, Write::kReplace);
  EXPECT_TRUE(SameBits(y, ChainProduct(x, fresh)));
  EXPECT_TRUE(SameBits(dx, ChainProduct(dy, Transpose(fresh))));
}

TEST_F(GemmTest, NoRowsIsNoWork) {
  const Matrix w = RandomMatrix(8, 4, 1);
  const auto packed = ops_.pack_weight(stream_, w, {.backward = true});
  Matrix gradient = w;
  ops_.matmul(stream_, View<const float>(nullptr, 0, 4), *packed, View<float>(nullptr, 0, 8),
              Write::kReplace);
  ops_.matmul_backward_weight(stream_, View<const float>(nullptr, 0, 4),
                              View<const float>(nullptr, 0, 8), Dtype::kFloat32, gradient);
  EXPECT_TRUE(SameBits(gradient, w));
}

}  // namespace
}  // namespace temper::kernels
