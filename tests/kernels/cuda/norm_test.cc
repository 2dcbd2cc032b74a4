// RMSNorm and the gated norm: the CPU's values forward and backward, whatever the width and the
// alignment; a row's bits do not depend on other rows.
#include <algorithm>
#include <vector>

#include "gtest/gtest.h"
#include "tests/kernels/cuda/harness.h"

namespace temper::kernels {
namespace {

using oracle::Matrix;
using oracle::RandomMatrix;
using oracle::RandomVector;
using oracle::SameBits;

constexpr float kEpsilon = 1e-5f;

// `gap`: floats between rows; 0 and 4 leave whole, aligned fours where the width does.
struct Shape {
  int64_t tokens, width, groups, gap;
};

std::vector<Shape> Shapes() {
  return {{1, 1, 1, 0},    {7, 37, 1, 3},   {5, 128, 1, 0},  {13, 128, 1, 4},
          {6, 120, 5, 2},  {6, 160, 5, 0},  {3, 1024, 1, 0}, {3, 1025, 1, 0},
          {3, 2300, 2, 4}, {2, 1030, 1, 1}, {140, 64, 2, 0}, {2, 9000, 1, 0}};
}

class CudaNormTest : public CudaTest {
 protected:
  struct Case {
    explicit Case(const Shape& s)
        : y(RandomMatrix(s.tokens, s.width, 1, 1.5f, s.gap)),
          z(RandomMatrix(s.tokens, s.width, 2, 1.5f, s.gap)),
          dout(RandomMatrix(s.tokens, s.width, 3, 1.0f, s.gap)),
          dx(RandomMatrix(s.tokens, s.width, 4, 1.0f, s.gap)),
          gain(RandomVector(s.width, 5, 0.3f, 1.0f)),
          gain_gradient(RandomVector(s.width, 6)) {}
    Matrix y, z, dout, dx;
    std::vector<float> gain, gain_gradient;
  };
  // A row of what a pointer names.
  Matrix Row(const float* values, int64_t count) {
    return Get(View<const float>(values, 1, count));
  }
};

TEST_F(CudaNormTest, RmsNormAndItsGradientsAreTheCpus) {
  for (const Shape& s : Shapes()) {
    const Case in(s);
    const std::vector<Matrix> got = TwiceTheSame([&] {
      const View<float> x = Put(in.y), y = Put(Matrix(s.tokens, s.width, s.gap)), dx = Put(in.dx);
      float* const rstd = Empty(s.tokens);
      float* const gain = Put(in.gain);
      float* const gain_gradient = Put(in.gain_gradient);
      cuda().rms_norm(cuda_stream(), x, gain, kEpsilon, y, rstd);
      cuda().rms_norm_backward(cuda_stream(), x, gain, rstd, Put(in.dout), dx, gain_gradient);
      return std::vector<Matrix>{Get(y), Row(rstd, s.tokens), Get(dx), Row(gain_gradient, s.width)};
    });
    Matrix y(s.tokens, s.width), dx = in.dx, rstd(1, s.tokens), gain_gradient(1, s.width);
    std::copy(in.gain_gradient.begin(), in.gain_gradient.end(), gain_gradient.row(0));
    cpu().rms_norm(cpu_stream(), in.y, in.gain.data(), kEpsilon, y, rstd.row(0));
    cpu().rms_norm_backward(cpu_stream(), in.y, in.gain.data(), rstd.row(0), in.dout, dx,
                            gain_gradient.row(0));
    EXPECT_LT(Difference(got[0], y), 5e-7) << s.width;
    EXPECT_LT(Difference(got[1], rstd), 5e-7) << s.width;
    EXPECT_LT(Difference(got[2], dx), 5e-7) << s.width;
    EXPECT_LT(Difference(got[3], gain_gradient), 1e-6) << s.width;
  }
}

TEST_F(CudaNormTest, GatedNormAndItsGradientsAreTheCpus) {
  for (const Shape& s : Shapes()) {
    const Case in(s);
    const int64_t rows = s.tokens * s.groups;
    const std::vector<Matrix> got = TwiceTheSame([&] {
      const View<float> y = Put(in.y), z = Put(in.z);
      const View<float> out = Put(Matrix(s.tokens, s.width, s.gap));
      const View<float> dy = Empty(s.tokens, s.width), dz = Put(in.dx);
      float* const rstd = Empty(rows);
      float* const gain = Put(in.gain);
      float* const gain_gradient = Put(in.gain_gradient);
      cuda().gated_norm(cuda_stream(), y, z, gain, s.groups, kEpsilon, out, rstd);
      cuda().gated_norm_backward(cuda_stream(), y, z, gain, s.groups, rstd, Put(in.dout), dy, dz,
                                 gain_gradient);
      return std::vector<Matrix>{Get(out), Row(rstd, rows), Get(dy), Get(dz),
                                 Row(gain_gradient, s.width)};
    });
    Matrix out(s.tokens, s.width), dy(s.tokens, s.width), dz(s.tokens, s.width);
    Matrix rstd(1, rows), gain_gradient(1, s.width);
    std::copy(in.gain_gradient.begin(), in.gain_gradient.end(), gain_gradient.row(0));
    cpu().gated_norm(cpu_stream(), in.y, in.z, in.gain.data(), s.groups, kEpsilon, out,
                     rstd.row(0));
    cpu().gated_norm_backward(cpu_stream(), in.y, in.z, in.gain.data(), s.groups, rstd.row(0),
                              in.dout, dy, dz, gain_gradient.row(0));
    EXPECT_LT(Difference(got[0], out), 1e-6) << s.width;
    EXPECT_LT(Difference(got[1], rstd), 1e-6) << s.width;
    EXPECT_LT(Difference(got[2], dy), 1e-6) << s.width;
    EXPECT_LT(Difference(got[3], dz), 1e-6) << s.width;
    EXPECT_LT(Difference(got[4], gain_gradient), 1e-6) << s.width;
  }
}

TEST_F(CudaNormTest, ARowHasTheSameBitsAloneInPlaceAndHoweverMemoryIsAligned) {
  for (const Shape& s : Shapes()) {
    const Case in(s);
    float* const gain = Put(in.gain);
    const View<float> y = Put(in.y), z = Put(in.z);
    const View<float> rms = Empty(s.tokens, s.width), gated = Empty(s.tokens, s.width);
    cuda().rms_norm(cuda_stream(), y, gain, kEpsilon, rms, nullptr);
    cuda().gated_norm(cuda_stream(), y, z, gain, s.groups, kEpsilon, gated, nullptr);
    // The last token again: alone, in place, one float further on in memory.
    const auto moved = [&](const Matrix& from) {
      Matrix wide(1, s.width + 1);
      std::copy_n(from.row(s.tokens - 1), s.width, wide.row(0) + 1);
      return Put(wide).Columns(1, s.width);
    };
    const View<float> x = moved(in.y), gate = moved(in.z), scan = moved(in.y);
    cuda().rms_norm(cuda_stream(), x, gain, kEpsilon, x, nullptr);
    cuda().gated_norm(cuda_stream(), scan, gate, gain, s.groups, kEpsilon, gate, nullptr);
    EXPECT_TRUE(SameBits(Get(x), Get(rms.Rows(s.tokens - 1, 1)))) << s.width;
    EXPECT_TRUE(SameBits(Get(gate), Get(gated.Rows(s.tokens - 1, 1)))) << s.width;
  }
}

TEST_F(CudaNormTest, GradientsOfParametersAddUpOverManyRows) {
  const int64_t rows = 1100;
  const Matrix x = RandomMatrix(rows, 8, 1), dy = RandomMatrix(rows, 8, 2);
  const std::vector<float> gain = RandomVector(8, 3), before = RandomVector(8, 4), rstd(rows, 0.5f);
  const std::vector<Matrix> got = TwiceTheSame([&] {
    float* const gradient = Put(before);
    cuda().rms_norm_backward(cuda_stream(), Put(x), Put(gain), Put(rstd), Put(dy), Put(dy),
                             gradient);
    return std::vector<Matrix>{Row(gradient, 8)};
  });
  std::vector<double> want(before.begin(), before.end());
  for (int64_t i = 0; i < rows; ++i) {
    for (int64_t j = 0; j < 8; ++j) want[j] += 0.5 * dy.at(i, j) * x.at(i, j);
  }
  EXPECT_LT(oracle::RelativeError(got[0], want), 3e-7);
}

TEST_F(CudaNormTest, GradientsMayTakeThePlaceOfWhatTheyComeFrom) {
  for (const Shape& s : {Shape{5, 128, 2, 0}, Shape{3, 2300, 2, 1}}) {
    const Case in(s);
    const std::vector<float> rstd = RandomVector(s.tokens * s.groups, 7, 0.1f, 1.0f);
    const auto run = [&](bool in_place) {
      const View<float> y = Put(in.y), z = Put(in.z), dout = Put(in.dout);
      const View<float> dy = in_place ? y : Put(in.dx), dz = in_place ? dout : Put(in.dx);
      float* const gain_gradient = Put(in.gain_gradient);
      cuda().gated_norm_backward(cuda_stream(), y, z, Put(in.gain), s.groups, Put(rstd), dout, dy,
                                 dz, gain_gradient);
      return std::vector<Matrix>{Get(dy), Get(dz), Row(gain_gradient, s.width)};
    };
    const std::vector<Matrix> apart = run(false);
    const std::vector<Matrix> together = TwiceTheSame([&] { return run(true); });
    for (int i = 0; i < 3; ++i) EXPECT_TRUE(SameBits(apart[i], together[i])) << i;
  }
}

TEST_F(CudaNormTest, NothingHappensWithoutRows) {
  const View<float> nothing = Empty(0, 12);
  float* const gain = Put(std::vector<float>(12, 1.0f));
  cuda().rms_norm(cuda_stream(), nothing, gain, kEpsilon, nothing, nullptr);
  cuda().rms_norm_backward(cuda_stream(), nothing, gain, gain, nothing, nothing, gain);
  EXPECT_EQ(Get(gain, 12), std::vector<float>(12, 1.0f));
}

}  // namespace
}  // namespace temper::kernels
