// The router: what the CPU chooses and weighs, and its gradient.
#include <algorithm>
#include <cmath>
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "tests/kernels/cuda/harness.h"

namespace temper::kernels {
namespace {

using oracle::Matrix;
using oracle::RandomMatrix;
using oracle::RandomVector;
using oracle::SameBits;

// Ids as floats, to be compared with the rest.
Matrix Ids(const std::vector<int32_t>& ids) {
  Matrix matrix(1, static_cast<int64_t>(ids.size()));
  std::copy(ids.begin(), ids.end(), matrix.row(0));
  return matrix;
}

class CudaRouterTest : public CudaTest {
 protected:
  // score, weight, chosen, d_logits; in place where that is allowed.
  std::vector<Matrix> Run(const RouterShape& shape, View<const float> logits,
                          const std::vector<float>& correction, View<const float> d_weight,
                          bool in_place) {
    const int64_t rows = logits.rows;
    const std::vector<int32_t> none(static_cast<size_t>(rows * shape.chosen), -1);
    int32_t* const chosen = Put(none.data(), rows * shape.chosen);
    const View<float> score =
        in_place ? View<float>(const_cast<float*>(logits.data), rows, logits.cols, logits.stride)
                 : Empty(rows, shape.experts);
    const View<float> weight = Empty(rows, shape.chosen);
    cuda().route(cuda_stream(), shape, logits, Put(correction), score, chosen, weight);
    const Matrix kept = Get(score);
    const View<float> d_logits = in_place ? score : Empty(rows, shape.experts);
    cuda().route_backward(cuda_stream(), shape, score, chosen, d_weight, d_logits);
    return {kept, Get(weight), Ids(Get(chosen, rows * shape.chosen)), Get(d_logits)};
  }

  // Whether a change of 1e-6 in a score or two might change the choice.
  static bool NearlyTied(const RouterShape& shape, const float* score,
                         const std::vector<float>& correction) {
    std::vector<float> values(static_cast<size_t>(shape.experts)), groups;
    for (size_t e = 0; e < values.size(); ++e) values[e] = score[e] + correction[e];
    const int64_t width = shape.experts / shape.groups;
    for (int64_t g = 0; g < shape.groups; ++g) {
      std::vector<float> in(values.begin() + g * width, values.begin() + (g + 1) * width);
      std::sort(in.begin(), in.end(), std::greater<>());
      groups.push_back(width > 1 ? in[0] + in[1] : in[0]);
    }
    const auto tied = [](std::vector<float> of) {
      std::sort(of.begin(), of.end());
      for (size_t i = 1; i < of.size(); ++i) {
        if (of[i] - of[i - 1] < 2e-6f) return true;
      }
      return false;
    };
    return tied(values) || (shape.groups > 1 && tied(groups));
  }
};

const RouterShape kShapes[] = {{.experts = 1, .chosen = 1},
                               {.experts = 8, .chosen = 2, .normalize = false},
                               {.experts = 128, .chosen = 6, .scale = 2.5f},
                               {.experts = 45, .chosen = 45},
                               {.experts = 24, .chosen = 5, .groups = 6, .groups_chosen = 2},
                               {.experts = 5, .chosen = 2, .groups = 5, .groups_chosen = 3},
                               {.experts = 256, .chosen = 8, .groups = 8, .groups_chosen = 4},
                               {.experts = 512, .chosen = 22, .scale = 5.0f}};

TEST_F(CudaRouterTest, ChoosesWeighsAndGoesBackAsTheCpuDoes) {
  constexpr int64_t kTokens = 23;
  for (const RouterShape& shape : kShapes) {
    SCOPED_TRACE(std::to_string(shape.experts) + " experts");
    const Matrix logits = RandomMatrix(kTokens, shape.experts, 1, 1.5f, 3);
    const Matrix d_weight = RandomMatrix(kTokens, shape.chosen, 2, 1.0f, 1);
    const std::vector<float> correction = RandomVector(shape.experts, 3, 0.2f);
    const std::vector<Matrix> got =
        TwiceTheSame([&] { return Run(shape, Put(logits), correction, Put(d_weight), false); });

    Matrix score(kTokens, shape.experts), weight(kTokens, shape.chosen);
    Matrix d_logits(kTokens, shape.experts);
    std::vector<int32_t> chosen(static_cast<size_t>(kTokens * shape.chosen));
    cpu().route(cpu_stream(), shape, logits, correction.data(), score, chosen.data(), weight);
    cpu().route_backward(cpu_stream(), shape, score, chosen.data(), d_weight, d_logits);
    EXPECT_LT(Difference(got[0], score), 2e-7);
    int64_t compared = 0;
    for (int64_t t = 0; t < kTokens; ++t) {
      if (NearlyTied(shape, score.row(t), correction)) continue;
      ++compared;
      const View<float> one = weight.view().Rows(t, 1);
      for (int64_t j = 0; j < shape.chosen; ++j) {
        EXPECT_EQ(got[2].at(0, t * shape.chosen + j), chosen[t * shape.chosen + j]);
        EXPECT_NEAR(got[1].at(t, j), one.row(0)[j], 1e-6f * shape.scale);
      }
      for (int64_t e = 0; e < shape.experts; ++e) {
        EXPECT_NEAR(got[3].at(t, e), d_logits.at(t, e), 2e-6f * shape.scale);
        EXPECT_EQ(got[3].at(t, e) == 0.0f, d_logits.at(t, e) == 0.0f);
      }
    }
    EXPECT_GT(compared, kTokens / 2);

    const std::vector<Matrix> in_place = Run(shape, Put(logits), correction, Put(d_weight), true);
    for (size_t i = 0; i < got.size(); ++i) EXPECT_TRUE(SameBits(in_place[i], got[i])) << i;
    // A token alone.
    const View<float> rows = Put(logits), d_rows = Put(d_weight);
    for (const int64_t t : {int64_t{0}, kTokens - 1}) {
      const std::vector<Matrix> one =
          Run(shape, rows.Rows(t, 1), correction, d_rows.Rows(t, 1), false);
      EXPECT_TRUE(SameBits(one[1].row(0), got[1].row(t), shape.chosen));
      EXPECT_TRUE(SameBits(one[3].row(0), got[3].row(t), shape.experts));
    }
  }
}

// The same scores give the CPU's choice and weights to the bit: scores of few values, so that there
// are ties in experts and in groups.
TEST_F(CudaRouterTest, TiesGoToTheLowestIdAsOnTheCpu) {
  constexpr int64_t kTokens = 64;
  for (const RouterShape& shape : kShapes) {
    Matrix logits = RandomMatrix(kTokens, shape.experts, 5, 40.0f);
    for (float& value : logits.values) {
      // Sigmoids that every expf agrees on: 0, one half, 1; and one in fifty that is no number, of
      // either sign.
      value = std::fabs(value) < 1.0f ? std::copysign(NAN, value)
              : value < -10.0f        ? -200.0f
              : value < 15.0f         ? 0.0f
                                      : 200.0f;
    }
    std::vector<float> correction = RandomVector(shape.experts, 6);
    for (float& value : correction) value = 0.25f * std::round(value);
    const Matrix d_weight(kTokens, shape.chosen);
    const std::vector<Matrix> got = Run(shape, Put(logits), correction, Put(d_weight), false);
    Matrix score(kTokens, shape.experts), weight(kTokens, shape.chosen);
    std::vector<int32_t> chosen(static_cast<size_t>(kTokens * shape.chosen));
    cpu().route(cpu_stream(), shape, logits, correction.data(), score, chosen.data(), weight);
    EXPECT_TRUE(SameBits(got[2], Ids(chosen))) << shape.experts << " " << shape.groups;
    for (int64_t t = 0; t < kTokens; ++t) {
      for (int64_t j = 0; j < shape.chosen; ++j) {
        if (std::isnan(weight.at(t, j))) {
          EXPECT_TRUE(std::isnan(got[1].at(t, j)));
        } else {
          EXPECT_EQ(got[1].at(t, j), weight.at(t, j));
        }
      }
    }
  }
}

TEST_F(CudaRouterTest, NeitherCorrectionNorTokensAreNeeded) {
  const RouterShape shape = {.experts = 6, .chosen = 3};
  const View<float> score = Put(Matrix(1, 6)), weight = Empty(1, 3);
  int32_t* const chosen = Put(std::vector<int32_t>(3).data(), 3);
  cuda().route(cuda_stream(), shape, score, nullptr, score, chosen, weight);
  EXPECT_EQ(Get(chosen, 3), (std::vector<int32_t>{0, 1, 2}));
  const View<float> none(score.data, 0, 6), no_weight(weight.data, 0, 3);
  cuda().route(cuda_stream(), shape, none, nullptr, none, nullptr, no_weight);
  cuda().route_backward(cuda_stream(), shape, none, nullptr, no_weight, none);
}

}  // namespace
}  // namespace temper::kernels
