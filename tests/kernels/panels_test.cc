// A bfloat16 weight gives the bits of the rounded weight in float32, and packing slab by slab those
// of packing at once.
#include <bit>
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

// To bfloat16 and back, ties to even.
float Rounded(float value) {
  const uint32_t bits = std::bit_cast<uint32_t>(value);
  const uint32_t below = bits & 0xffff, down = bits >> 16;
  const bool up = below > 0x8000 || (below == 0x8000 && (down & 1) == 1);
  return std::bit_cast<float>((down + (up ? 1 : 0)) << 16);
}

Matrix Rounded(const Matrix& m) {
  Matrix rounded = m;
  for (float& value : rounded.values) value = Rounded(value);
  return rounded;
}

struct Products {
  Matrix y, dx;
};

class PanelsTest : public testing::Test {
 protected:
  // Both products of a weight, each replaced and then added.
  Products Multiply(const PackedWeight& packed, const Matrix& x, const Matrix& dy) {
    Products p = {Matrix(x.rows, packed.out(), 3), Matrix(x.rows, packed.in(), 1)};
    for (const Write write : {Write::kReplace, Write::kAdd}) {
      ops_.matmul(stream_, x, packed, p.y, write);
      ops_.matmul_backward_input(stream_, dy, packed, p.dx, write);
    }
    return p;
  }

  std::unique_ptr<Device> device_ = OpenCpuDevice(2);
  const Ops& ops_ = device_->ops();
  Stream& stream_ = device_->stream();
};

TEST_F(PanelsTest, ABFloat16WeightGivesTheBitsOfTheRoundedWeight) {
  struct Sizes {
    int64_t rows, in, out;
  };
  std::vector<Sizes> all = {{1, 1, 1},    {1, 64, 128},  {2, 5001, 40}, {13, 5001, 70},
                            {3, 64, 200}, {300, 48, 50}, {481, 20, 33}};
  for (int64_t rows = 1; rows <= 14; ++rows) all.push_back({rows, 37, 161});
  for (const Sizes& s : all) {
    const Matrix x = RandomMatrix(s.rows, s.in, 1, 1.0f, 3), dy = RandomMatrix(s.rows, s.out, 2);
    const Matrix w = RandomMatrix(s.out, s.in, 3, 1.0f, 5);
    const auto rounded = ops_.pack_weight(stream_, Rounded(w), {.backward = true});
    const Products expected = Multiply(*rounded, x, dy);
    oracle::ForEachVectorWidth([&](const std::string& width) {
      const auto packed =
          ops_.pack_weight(stream_, w, {.backward = true, .dtype = Dtype::kBFloat16});
      const Products got = Multiply(*packed, x, dy);
      EXPECT_TRUE(SameBits(got.y, expected.y)) << s.rows << " " << s.in << " " << s.out << width;
      EXPECT_TRUE(SameBits(got.dx, expected.dx)) << s.rows << " " << s.in << " " << s.out << width;
    });
  }
}

TEST_F(PanelsTest, SlabsPackTheSameWeightWhateverTheirHeight) {
  const Matrix x = RandomMatrix(5, 70, 1), dy = RandomMatrix(5, 165, 2);
  const Matrix w = RandomMatrix(165, 70, 3, 1.0f, 1);
  for (const Dtype dtype : {Dtype::kFloat32, Dtype::kBFloat16}) {
    const PackOptions options = {.backward = true, .dtype = dtype};
    const Products expected = Multiply(*ops_.pack_weight(stream_, w, options), x, dy);
    for (const int64_t slab : {32, 64, 160}) {
      const auto packed = ops_.make_packed(stream_, 165, 70, options);
      EXPECT_EQ(packed->out(), 165);
      EXPECT_EQ(packed->in(), 70);
      for (int64_t row = 0; row < 165; row += slab) {
        ops_.pack_rows(stream_, row, w.view().Rows(row, std::min(slab, 165 - row)), *packed);
      }
      const Products got = Multiply(*packed, x, dy);
      EXPECT_TRUE(SameBits(got.y, expected.y) && SameBits(got.dx, expected.dx)) << slab;
    }
  }
}

// Through the product with an identity, so that a weight can be read back.
TEST_F(PanelsTest, RoundsTiesToEvenAndKeepsInfinitiesAndNaNs) {
  const std::vector<std::pair<float, float>> cases = {
      {1.0f, 1.0f},
      {0x1.01p0f, 0x1.00p0f},      // half way, down to the even one
      {0x1.03p0f, 0x1.04p0f},      // half way, up to the even one
      {0x1.010002p0f, 0x1.02p0f},  // just above half way
      {-0x1.02fffep0f, -0x1.02p0f},
      {0x1.fffffep127f, INFINITY},  // beyond the largest
      {-INFINITY, -INFINITY},
      {0x1p-133f, 0x1p-133f},  // the smallest denormal
  };
  Matrix w(static_cast<int64_t>(cases.size()), 1), one(1, 1);
  one.at(0, 0) = 1;
  for (size_t i = 0; i < cases.size(); ++i) w.at(i, 0) = cases[i].first;
  oracle::ForEachVectorWidth([&](const std::string& width) {
    const auto packed = ops_.pack_weight(stream_, w, {.dtype = Dtype::kBFloat16});
    Matrix y(1, w.rows);
    ops_.matmul(stream_, one, *packed, y, Write::kReplace);
    for (size_t i = 0; i < cases.size(); ++i) {
      EXPECT_EQ(y.at(0, i), cases[i].second) << cases[i].first << " " << width;
    }
    Matrix nan(2, 1);
    nan.at(0, 0) = NAN;
    nan.at(1, 0) = std::bit_cast<float>(0x7f800001u);  // its upper half alone is an infinity
    ops_.matmul(stream_, one, *ops_.pack_weight(stream_, nan, {.dtype = Dtype::kBFloat16}),
                y.view().Columns(0, 2), Write::kReplace);
    EXPECT_TRUE(std::isnan(y.at(0, 0)) && std::isnan(y.at(0, 1))) << width;
  });
}

TEST(PanelsDeathTest, StopsAtASlabThatEndsInsideAPanel) {
  const auto device = OpenCpuDevice(1);
  const Ops& ops = device->ops();
  const Matrix w(40, 8);
  const auto packed = ops.make_packed(device->stream(), 40, 8, {});
  const auto pack = [&](int64_t first, int64_t rows) {
    ops.pack_rows(device->stream(), first, w.view().Rows(first, rows), *packed);
  };
  EXPECT_DEATH(pack(0, 8), "kernel check failed");
  EXPECT_DEATH(pack(8, 32), "kernel check failed");
}

}  // namespace
}  // namespace temper::kernels
