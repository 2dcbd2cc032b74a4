// The recurrence's chunk form: the CPU's values, and those of the token recurrence on the device.
#include <algorithm>
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

TEST_F(CudaSsmBackwardTest, TilesPastTheFirstAreAdded) {
  const SsmCase in({1, 80, 70, 1}, {70});
  const Matrix dy = RandomMatrix(in.rows(), in.columns(), 99);
  const std::vector<Matrix> want = CpuGradients(in, dy), got = Gradients(in, dy);
  for (size_t i = 0; i < want.size(); ++i) {
    EXPECT_LT(Difference(got[i], want[i]), kTolerance) << "gradient " << i;
  }
}

TEST_F(CudaSsmBackwardTest, HeadsTakenInAnyNumberGiveTheSameBits) {
  const SsmCase in({6, 8, 16, 2}, {70, 5});
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

}  // namespace
}  // namespace temper::kernels
