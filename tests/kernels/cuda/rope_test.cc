// Rotary positions have the CPU's bits, near and far, for any cut into segments; backward turns
// back.
#include <cmath>
#include <vector>

#include "gtest/gtest.h"
#include "tests/kernels/cuda/harness.h"

namespace temper::kernels {
namespace {

using oracle::Matrix;
using oracle::RandomMatrix;
using oracle::SameBits;

struct Shape {
  int64_t heads, head_dim, tokens;
};

class CudaRopeTest : public CudaTest {
 protected:
  static std::vector<float> InverseFrequencies(int64_t head_dim) {
    std::vector<float> inverse;
    for (int64_t j = 0; j < head_dim / 2; ++j) {
      inverse.push_back(static_cast<float>(std::pow(1e6, -2.0 * j / head_dim)));
    }
    return inverse;
  }

  Matrix Turned(const Matrix& x, const std::vector<Segment>& segments, const Shape& shape,
                Turn turn) {
    const std::vector<float> inverse = InverseFrequencies(shape.head_dim);
    return TwiceTheSame([&] {
      const View<float> y = Put(x);
      cuda().rope(cuda_stream(), segments, shape.heads, inverse, turn, y);
      return std::vector<Matrix>{Get(y)};
    })[0];
  }

  const std::vector<Shape> shapes_ = {{1, 2, 1}, {3, 8, 5}, {2, 20, 9}, {19, 64, 6}, {5, 256, 4}};
};

TEST_F(CudaRopeTest, TurnsEitherWayToTheCpusBits) {
  for (const Shape& shape : shapes_) {
    const std::vector<float> inverse = InverseFrequencies(shape.head_dim);
    const Matrix x = RandomMatrix(shape.tokens, shape.heads * shape.head_dim, 1, 1.0f, 3);
    for (const int64_t first : {int64_t{0}, int64_t{131000}, int64_t{1} << 23}) {
      for (const Turn turn : {Turn::kForward, Turn::kBackward}) {
        const std::vector<Segment> segments = {{0, shape.tokens, first}};
        Matrix want = x;
        cpu().rope(cpu_stream(), segments, shape.heads, inverse, turn, want);
        EXPECT_TRUE(SameBits(Turned(x, segments, shape, turn), want))
            << shape.head_dim << " " << first;
      }
    }
  }
}

TEST_F(CudaRopeTest, ATokensBitsDependOnItsPositionOnlyHoweverSegmentsAreCut) {
  for (const Shape& shape : shapes_) {
    const Matrix x = RandomMatrix(shape.tokens, shape.heads * shape.head_dim, 1);
    const Matrix whole = Turned(x, {{0, shape.tokens, 100}}, shape, Turn::kForward);
    std::vector<Segment> single;
    for (int64_t t = 0; t < shape.tokens; ++t) single.push_back({t, 1, 100 + t});
    EXPECT_TRUE(SameBits(Turned(x, single, shape, Turn::kForward), whole));
    const int64_t cut = shape.tokens / 2;
    const std::vector<Segment> halves = {{0, cut, 100}, {cut, shape.tokens - cut, 100 + cut}};
    EXPECT_TRUE(SameBits(Turned(x, halves, shape, Turn::kForward), whole));
  }
}

TEST_F(CudaRopeTest, DoesNothingWithoutRows) {
  const std::vector<float> inverse = {1.0f};
  cuda().rope(cuda_stream(), {}, 1, inverse, Turn::kForward, Empty(0, 2));
}

}  // namespace
}  // namespace temper::kernels
