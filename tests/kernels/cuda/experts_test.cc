// Tokens to experts and back: the CPU's bits where a sum is one chain, its values elsewhere.
#include <algorithm>
#include <numeric>
#include <random>
#include <vector>

#include "gtest/gtest.h"
#include "tests/kernels/cuda/harness.h"

namespace temper::kernels {
namespace {

using oracle::Matrix;
using oracle::RandomMatrix;
using oracle::RandomVector;
using oracle::SameBits;

struct Shape {
  int64_t tokens, chosen, width, gap;
};

struct Case {
  explicit Case(const Shape& s)
      : shape(s),
        rows(s.tokens * s.chosen + 2),
        slots(static_cast<size_t>(s.tokens * s.chosen)),
        x(RandomMatrix(rows, s.width, 1, 1.0f, s.gap)),
        dy(RandomMatrix(s.tokens, s.width, 3, 1.0f, s.gap)),
        weight(RandomVector(s.tokens * s.chosen, 2)) {
    // Every slot once, in some order, and two rows of x that nobody uses.
    std::iota(slots.begin(), slots.end(), 1);
    std::shuffle(slots.begin(), slots.end(), std::mt19937(4));
  }

  Shape shape;
  int64_t rows;
  std::vector<int32_t> slots;
  Matrix x, dy;
  std::vector<float> weight;
};

// Whole quads and not; more columns than a block has.
const Shape kShapes[] = {
    {1, 1, 1, 0}, {5, 2, 16, 4}, {7, 3, 45, 1}, {6, 6, 36, 3}, {2, 2, 1100, 4}};

class CudaExpertsTest : public CudaTest {};

TEST_F(CudaExpertsTest, GatheringCopiesRows) {
  for (const Shape& shape : kShapes) {
    const Case in(shape);
    const int64_t count = shape.tokens * shape.chosen;
    const std::vector<Matrix> got = TwiceTheSame([&] {
      const View<float> y = Empty(count, shape.width), same = Empty(count, shape.width);
      cuda().gather_rows(cuda_stream(), Put(in.x), in.slots, y);
      cuda().gather_slots(cuda_stream(), Put(in.x), Put(in.slots.data(), count), same);
      return std::vector<Matrix>{Get(y), Get(same)};
    });
    for (int64_t i = 0; i < count; ++i) {
      const float* const want = in.x.row(in.slots[i]);
      ASSERT_TRUE(SameBits(got[0].row(i), want, shape.width)) << shape.width;
      ASSERT_TRUE(SameBits(got[1].row(i), want, shape.width)) << shape.width;
    }
  }
}

TEST_F(CudaExpertsTest, CombiningHasTheCpusBits) {
  for (const Shape& shape : kShapes) {
    const Case in(shape);
    const Matrix before = RandomMatrix(shape.tokens, shape.width, 5, 1.0f, shape.gap);
    for (const bool weighted : {true, false}) {
      const auto run = [&](int64_t first, int64_t tokens, View<float> y, Write write) {
        const float* const weight = weighted ? Put(in.weight) + first * shape.chosen : nullptr;
        const int32_t* const slots =
            Put(in.slots.data() + first * shape.chosen, tokens * shape.chosen);
        cuda().combine_rows(cuda_stream(), Put(in.x), slots, shape.chosen, weight, y, write);
        return Get(y);
      };
      const std::vector<Matrix> got = TwiceTheSame([&] {
        return std::vector<Matrix>{
            run(0, shape.tokens, Empty(shape.tokens, shape.width), Write::kReplace),
            run(0, shape.tokens, Put(before), Write::kAdd)};
      });
      Matrix replaced(shape.tokens, shape.width), added = before;
      const float* const weight = weighted ? in.weight.data() : nullptr;
      cpu().combine_rows(cpu_stream(), in.x, in.slots.data(), shape.chosen, weight, replaced,
                         Write::kReplace);
      cpu().combine_rows(cpu_stream(), in.x, in.slots.data(), shape.chosen, weight, added,
                         Write::kAdd);
      EXPECT_TRUE(SameBits(got[0], replaced)) << shape.width;
      EXPECT_TRUE(SameBits(got[1], added)) << shape.width;
      // A token alone.
      const int64_t last = shape.tokens - 1;
      const Matrix alone = run(last, 1, Empty(1, shape.width), Write::kReplace);
      EXPECT_TRUE(SameBits(alone.row(0), replaced.row(last), shape.width));
    }
  }
}

TEST_F(CudaExpertsTest, GradientsAreTheCpusAndRowsThatAreNoSlotStay) {
  for (const Shape& shape : kShapes) {
    const Case in(shape);
    const int64_t count = shape.tokens * shape.chosen;
    for (const bool weighted : {true, false}) {
      const auto run = [&](bool with_d_weight) {
        Matrix sevens(in.rows, shape.width, shape.gap);
        for (float& value : sevens.values) value = 7.0f;
        const View<float> dx = Put(sevens);
        float* const d_weight = Empty(count);
        cuda().combine_rows_backward(cuda_stream(), Put(in.x), Put(in.slots.data(), count),
                                     shape.chosen, weighted ? Put(in.weight) : nullptr, Put(in.dy),
                                     dx, with_d_weight ? d_weight : nullptr);
        return std::vector<Matrix>{Get(dx), Get(View<float>(d_weight, 1, count))};
      };
      const std::vector<Matrix> got = TwiceTheSame([&] { return run(true); });
      Matrix dx(in.rows, shape.width), d_weight(1, count);
      for (float& value : dx.values) value = 7.0f;
      cpu().combine_rows_backward(cpu_stream(), in.x, in.slots.data(), shape.chosen,
                                  weighted ? in.weight.data() : nullptr, in.dy, dx,
                                  d_weight.row(0));
      EXPECT_TRUE(SameBits(got[0], dx)) << shape.width;
      EXPECT_LT(Difference(got[1], d_weight), 1e-6) << shape.width;
      EXPECT_TRUE(SameBits(run(false)[0], dx));
    }
  }
}

TEST_F(CudaExpertsTest, NothingIsDoneForNoTokens) {
  const View<float> x = Put(Matrix(4, 8)), none(x.data, 0, 8);
  cuda().gather_rows(cuda_stream(), x, {}, none);
  cuda().gather_slots(cuda_stream(), x, nullptr, none);
  cuda().combine_rows(cuda_stream(), x, nullptr, 2, nullptr, none, Write::kAdd);
  cuda().combine_rows_backward(cuda_stream(), x, nullptr, 2, nullptr, none, x, nullptr);
}

using CudaExpertsDeathTest = CudaExpertsTest;

TEST_F(CudaExpertsDeathTest, StopsAtARowOutsideTheMatrix) {
  const View<float> x = Put(Matrix(4, 8)), y = Empty(1, 8);
  const std::vector<int32_t> rows = {4};
  EXPECT_DEATH(cuda().gather_rows(cuda_stream(), x, rows, y), "kernel check failed");
}

}  // namespace
}  // namespace temper::kernels
