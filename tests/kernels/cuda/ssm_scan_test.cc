// The recurrence's chunk form: the CPU's values, and those of the token recurrence on the device.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "kernels/cuda/ssm_backward.h"
#include "kernels/cuda/ssm_recurrence.h"
#include "tests/kernels/cuda/ssm_case.h"

namespace temper::kernels {
namespace {

using oracle::Matrix;
using oracle::RandomMatrix;

class CudaSsmScanTest : public CudaSsmTest {
 protected:
  cuda::CudaStream& stream() { return static_cast<cuda::CudaStream&>(cuda_stream()); }
};

std::vector<SsmCase> Cases() {
  std::vector<SsmCase> cases;
  cases.emplace_back(SsmShape{4, 8, 16, 2}, std::vector<int64_t>{1, 63, 64, 65, 130});
  cases.emplace_back(SsmShape{2, 20, 12, 1}, std::vector<int64_t>{130, 1, 65});
  cases.emplace_back(SsmShape{1, 64, 128, 1}, std::vector<int64_t>{100});
  cases.emplace_back(SsmShape{2, 33, 7, 2}, std::vector<int64_t>{70, 3});
  cases.emplace_back(SsmShape{1, 5, 150, 1}, std::vector<int64_t>{140});
  cases.emplace_back(SsmShape{3, 8, 16, 3, 0.2f, 0.9f}, std::vector<int64_t>{90, 2});
  return cases;
}

TEST_F(CudaSsmScanTest, ChunksGiveTheCpusRecurrence) {
  for (const SsmCase& in : Cases()) {
    SCOPED_TRACE(std::to_string(in.shape.head_dim) + " x " + std::to_string(in.shape.state));
    const Matrix got = TwiceTheSame([&] { return std::vector<Matrix>{Scan(in, Place(in))}; })[0];
    EXPECT_LT(Difference(got, CpuScan(in)), 5e-6);
  }
}

// To bfloat16, to nearest even.
float Rounded(float value) {
  uint32_t bits = 0;
  std::memcpy(&bits, &value, sizeof(bits));
  bits = (bits + 0x7fff + (bits >> 16 & 1)) & 0xffff0000u;
  std::memcpy(&value, &bits, sizeof(bits));
  return value;
}
void Round(Matrix& matrix) {
  for (int64_t i = 0; i < matrix.rows; ++i) {
    for (int64_t j = 0; j < matrix.cols; ++j) matrix.at(i, j) = Rounded(matrix.at(i, j));
  }
}
SsmCase InBFloat16(SsmCase in) {
  in.shape.dtype = Dtype::kBFloat16;
  return in;
}

// With tensor cores. What is rounded on the way of x_j to y_r is C, B, their product's weight (or,
// at a chunk's end, B and u) and x: four factors at most, each by at most 2^-9 of itself. So y
// moves by at most four times that of what it is with all factors positive, and what float32 sums
// lose.
TEST_F(CudaSsmScanTest, BFloat16StaysWithinItsRoundingsOfTheCpusRecurrence) {
  for (const SsmCase& single : Cases()) {
    SCOPED_TRACE(std::to_string(single.shape.head_dim) + " x " +
                 std::to_string(single.shape.state));
    const SsmCase in = InBFloat16(single);
    const Matrix got = TwiceTheSame([&] { return std::vector<Matrix>{Scan(in, Place(in))}; })[0];
    const bool rounds = in.shape.state <= 128;
    EXPECT_EQ(oracle::SameBits(got, Scan(single, Place(single))), !rounds);
    SsmCase positive = single;
    for (float& value : positive.wide.values) value = std::abs(value);
    for (float& value : positive.d) value = 0;
    const Matrix want = CpuScan(single), most = CpuScan(positive);
    const double factor = rounds ? 4.1 / 512 : 1e-5;
    for (int64_t t = 0; t < want.rows; ++t) {
      for (int64_t i = 0; i < want.cols; ++i) {
        ASSERT_LE(std::abs(got.at(t, i) - want.at(t, i)), factor * most.at(t, i) + 1e-5)
            << t << ", " << i;
      }
    }
  }
}

// A state is float32 and counts as such: what a row reads of it is off by 2^-16, not by 2^-9.
TEST_F(CudaSsmScanTest, BFloat16ReadsStatesToSixteenBits) {
  SsmCase in = InBFloat16(SsmCase({2, 20, 12, 1, 0.3f, 0.3f}, {65}));
  std::fill_n(in.wide.row(64), in.columns(), 0.0f);  // the last token's x
  const Placed placed = Place(in);
  const SsmState state = FreshState(in);
  const Matrix y = Scan(in, placed, {state});
  const std::vector<float> h = Get(state.boundary, in.shape.state_floats());
  for (int64_t column = 0; column < in.columns(); ++column) {
    double sum = 0, positive = 0;
    for (int64_t n = 0; n < in.shape.state; ++n) {
      const float c = Rounded(in.wide.at(64, in.columns() + in.bc() + n));
      const double share = double{c} * h[column * in.shape.state + n];
      sum += share;
      positive += std::abs(share);
    }
    const double grown = std::exp(-0.3 * std::exp(in.a_log[column / in.shape.head_dim]));
    EXPECT_NEAR(y.at(64, column), grown * sum, grown * positive / 65536) << column;
  }
}

TEST_F(CudaSsmScanTest, TheOracleIsTheCpusRecurrenceInOneCallOrTwo) {
  for (const SsmCase& in : {SsmCase({2, 20, 12, 1}, {40, 1}), SsmCase({1, 5, 150, 1}, {70})}) {
    const Placed placed = Place(in);
    const View<float> y = Empty(in.rows(), in.columns());
    cuda::SsmRecurrence(stream(), in.shape, in.segments, placed.inputs, placed.parameters, {}, y);
    const Matrix whole = Get(y);
    EXPECT_LT(Difference(whole, CpuScan(in)), 5e-6);

    const Segment first = in.segments[0];
    float* const state = Put(std::vector<float>(in.shape.state_floats(), 0.0f));
    for (const Segment& part : {Segment{0, first.length / 2, 0},
                                Segment{first.length / 2, first.length - first.length / 2, 0}}) {
      cuda::SsmRecurrence(stream(), in.shape, std::vector<Segment>{part}, placed.inputs,
                          placed.parameters, std::vector<float*>{state}, y);
    }
    EXPECT_TRUE(oracle::SameBits(Get(y), whole));
  }
}

TEST_F(CudaSsmScanTest, StepSizesAreClamped) {
  SsmCase wide_open({2, 4, 8, 1}, {20}), clamped = wide_open;
  clamped.shape.dt_min = 0.3f;
  clamped.shape.dt_max = 0.3f;
  // With every step the same 0.3, what goes into softplus does not matter.
  SsmCase other = clamped;
  other.dt = RandomMatrix(20, 2, 77, 3.0f, 3);
  const Matrix got = Scan(clamped, Place(clamped));
  EXPECT_TRUE(oracle::SameBits(got, Scan(other, Place(other))));
  EXPECT_FALSE(oracle::SameBits(got, Scan(wide_open, Place(wide_open))));
}

TEST_F(CudaSsmScanTest, NoTokensAreNoWork) {
  const SsmCase in({2, 4, 8, 1}, {});
  Scan(in, Place(in));
}

// The gradients of one call: of x, b, c, dt, and of the parameters, which start from 0.25.
class CudaSsmBackwardTest : public CudaSsmScanTest {
 protected:
  static constexpr double kTolerance = 1e-5;

  std::vector<Matrix> CpuGradients(const SsmCase& in, const Matrix& dy) {
    const int64_t heads = in.shape.heads;
    std::vector<Matrix> out = {Matrix(in.rows(), in.columns()), Matrix(in.rows(), in.bc()),
                               Matrix(in.rows(), in.bc()), Matrix(in.rows(), heads),
                               Matrix(3, heads)};
    std::fill(out[4].values.begin(), out[4].values.end(), 0.25f);
    cpu().ssm_scan_backward(cpu_stream(), in.shape, in.segments, in.Inputs(in.wide, in.dt),
                            in.Parameters(), dy, {out[0], out[1], out[2], out[3]},
                            {out[4].row(0), out[4].row(1), out[4].row(2)});
    return out;
  }
  // scratch_bytes 0: the op itself.
  std::vector<Matrix> Gradients(const SsmCase& in, const Matrix& dy, int64_t scratch_bytes = 0) {
    const Placed placed = Place(in);
    const int64_t heads = in.shape.heads, bc = in.bc(), columns = in.columns();
    const View<float> wide = Empty(in.rows(), in.wide.stride), dt = Empty(in.rows(), heads + 1);
    const SsmInputGradients to = {wide.Columns(0, columns), wide.Columns(columns, bc),
                                  wide.Columns(columns + bc, bc), dt.Columns(0, heads)};
    float* const sums = Put(std::vector<float>(3 * heads, 0.25f));
    const SsmParameterGradients parameters = {sums, sums + heads, sums + 2 * heads};
    if (scratch_bytes == 0) {
      cuda().ssm_scan_backward(cuda_stream(), in.shape, in.segments, placed.inputs,
                               placed.parameters, Put(dy), to, parameters);
    } else {
      cuda::SsmScanBackwardWithin(stream(), scratch_bytes, in.shape, in.segments, placed.inputs,
                                  placed.parameters, Put(dy), to, parameters);
    }
    return {Get(to.x), Get(to.b), Get(to.c), Get(to.dt), Get(View<float>(sums, 3, heads))};
  }
};

TEST_F(CudaSsmBackwardTest, GradientsAreTheCpus) {
  for (const SsmCase& in : Cases()) {
    SCOPED_TRACE(std::to_string(in.shape.head_dim) + " x " + std::to_string(in.shape.state));
    const Matrix dy = RandomMatrix(in.rows(), in.columns(), 99, 1.0f, 4);
    const std::vector<Matrix> want = CpuGradients(in, dy);
    const std::vector<Matrix> got = TwiceTheSame([&] { return Gradients(in, dy); });
    for (size_t i = 0; i < want.size(); ++i) {
      EXPECT_LT(Difference(got[i], want[i]), kTolerance) << "gradient " << i;
    }
  }
}

// By tensor cores, of inputs that bfloat16 holds. What is rounded on the way are products of them:
// weights, states, their gradients. A gradient is two products after another, of terms that partly
// cancel, each off by two roundings of 2^-9.
TEST_F(CudaSsmBackwardTest, GradientsInBFloat16AreTheCpusToItsAccuracy) {
  std::vector<SsmCase> cases = Cases();
  cases.emplace_back(SsmShape{1, 80, 70, 1}, std::vector<int64_t>{70});  // several tiles
  for (SsmCase& single : cases) {
    SCOPED_TRACE(std::to_string(single.shape.head_dim) + " x " +
                 std::to_string(single.shape.state));
    Round(single.wide);
    const SsmCase in = InBFloat16(single);
    Matrix dy = RandomMatrix(in.rows(), in.columns(), 99, 1.0f, 4);
    Round(dy);
    const std::vector<Matrix> want = CpuGradients(single, dy);
    const std::vector<Matrix> got = TwiceTheSame([&] { return Gradients(in, dy); });
    for (size_t i = 0; i < want.size(); ++i) {
      EXPECT_LT(Difference(got[i], want[i]), 1.0 / 128) << "gradient " << i;
    }
  }
}

TEST_F(CudaSsmBackwardTest, TilesPastTheFirstAreAdded) {
  const SsmCase in({1, 80, 70, 1}, {70});
  const Matrix dy = RandomMatrix(in.rows(), in.columns(), 99);
  const std::vector<Matrix> want = CpuGradients(in, dy), got = Gradients(in, dy);
  for (size_t i = 0; i < want.size(); ++i) {
    EXPECT_LT(Difference(got[i], want[i]), kTolerance) << "gradient " << i;
  }
}

TEST_F(CudaSsmBackwardTest, HeadsTakenInAnyNumberGiveTheSameBits) {
  for (const Dtype dtype : {Dtype::kFloat32, Dtype::kBFloat16}) {
    SsmCase in({6, 8, 16, 2}, {70, 5});
    in.shape.dtype = dtype;
    const Matrix dy = RandomMatrix(in.rows(), in.columns(), 99);
    const std::vector<Matrix> whole = Gradients(in, dy);
    const int64_t of_head = 2 * (3 * 8 * 16 + in.rows() * 16) * 4;
    for (const int64_t heads : {1, 2, 4, 5}) {
      const std::vector<Matrix> got = Gradients(in, dy, heads * of_head);
      for (size_t i = 0; i < whole.size(); ++i) {
        EXPECT_TRUE(oracle::SameBits(got[i], whole[i])) << heads << " heads, gradient " << i;
      }
    }
  }
}

}  // namespace
}  // namespace temper::kernels
