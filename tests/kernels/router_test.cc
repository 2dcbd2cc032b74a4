// The router against a float64 oracle that sorts, its gradient against differences.
#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include "gtest/gtest.h"
#include "kernels/device.h"
#include "kernels/ops.h"
#include "tests/kernels/oracle.h"

namespace temper::kernels {
namespace {

using oracle::Matrix;
using oracle::RandomMatrix;
using oracle::RandomVector;
using oracle::SameBits;

// The `count` best of `ids` by value, equals by the lowest id; ascending.
std::vector<int32_t> Best(std::vector<int32_t> ids, const std::vector<float>& value,
                          int64_t count) {
  std::stable_sort(ids.begin(), ids.end(),
                   [&](int32_t a, int32_t b) { return value[a] > value[b]; });
  ids.resize(count);
  std::sort(ids.begin(), ids.end());
  return ids;
}

// What a token with these scores chooses.
std::vector<int32_t> Chosen(const RouterShape& shape, const float* score,
                            const std::vector<float>& correction) {
  std::vector<float> value(shape.experts), group_value;
  for (int64_t e = 0; e < shape.experts; ++e) value[e] = score[e] + correction[e];
  const int64_t width = shape.experts / shape.groups;
  for (int64_t g = 0; g < shape.groups; ++g) {
    std::vector<float> in(value.begin() + g * width, value.begin() + (g + 1) * width);
    std::sort(in.begin(), in.end(), std::greater<>());
    group_value.push_back(width > 1 ? in[0] + in[1] : in[0]);
  }
  std::vector<int32_t> groups(shape.groups), ids;
  std::iota(groups.begin(), groups.end(), 0);
  for (const int32_t g : Best(groups, group_value, shape.groups_chosen)) {
    for (int64_t e = g * width; e < (g + 1) * width; ++e) ids.push_back(static_cast<int32_t>(e));
  }
  return Best(ids, value, shape.chosen);
}

std::vector<double> Weights(const RouterShape& shape, const std::vector<double>& logits,
                            const std::vector<int32_t>& chosen) {
  std::vector<double> weight;
  double sum = 1e-20;
  for (const int32_t e : chosen) {
    weight.push_back(1 / (1 + std::exp(-logits[e])));
    sum += weight.back();
  }
  for (double& w : weight) w *= shape.scale / (shape.normalize ? sum : 1);
  return weight;
}

struct Result {
  Matrix score, weight, d_logits;
  std::vector<int32_t> chosen;
};

class RouterTest : public testing::TestWithParam<RouterShape> {
 protected:
  static constexpr int64_t kTokens = 23;
  const RouterShape s_ = GetParam();
  const Matrix logits_ = RandomMatrix(kTokens, s_.experts, 1, 1.5f, 3);
  const Matrix d_weight_ = RandomMatrix(kTokens, s_.chosen, 2);
  const std::vector<float> correction_ = RandomVector(s_.experts, 3, 0.2f);

  Result Run(View<const float> logits, View<const float> d_weight, int threads) {
    const auto device = OpenCpuDevice(threads);
    const int64_t rows = logits.rows;
    Result r = {Matrix(rows, s_.experts, 1), Matrix(rows, s_.chosen, 2),
                RandomMatrix(rows, s_.experts, 9), std::vector<int32_t>(rows * s_.chosen)};
    device->ops().route(device->stream(), s_, logits, correction_.data(), r.score, r.chosen.data(),
                        r.weight);
    device->ops().route_backward(device->stream(), s_, r.score, r.chosen.data(), d_weight,
                                 r.d_logits);
    return r;
  }
};

TEST_P(RouterTest, ChoosesAndWeighsAsTheOracleDoes) {
  const Result r = Run(logits_, d_weight_, 2);
  for (int64_t t = 0; t < kTokens; ++t) {
    const std::vector<double> logits(logits_.row(t), logits_.row(t) + s_.experts);
    for (int64_t e = 0; e < s_.experts; ++e) {
      EXPECT_NEAR(r.score.at(t, e), 1 / (1 + std::exp(-logits[e])), 2e-7);
    }
    const std::vector<int32_t> chosen = Chosen(s_, r.score.row(t), correction_);
    EXPECT_EQ(std::vector<int32_t>(r.chosen.begin() + t * s_.chosen,
                                   r.chosen.begin() + (t + 1) * s_.chosen),
              chosen);
    const std::vector<double> weight = Weights(s_, logits, chosen);
    EXPECT_LT(oracle::RelativeError(r.weight.row(t), weight.data(), s_.chosen), 5e-7);
  }
}

TEST_P(RouterTest, GradientsMatchDifferencesAndAreZeroElsewhere) {
  const Result r = Run(logits_, d_weight_, 2);
  for (int64_t t = 0; t < kTokens; ++t) {
    const std::vector<int32_t> chosen(r.chosen.begin() + t * s_.chosen,
                                      r.chosen.begin() + (t + 1) * s_.chosen);
    // Differences at the choice made: choosing has no gradient.
    const auto numeric =
        oracle::NumericGradient(std::vector<double>(logits_.row(t), logits_.row(t) + s_.experts),
                                [&](const std::vector<double>& logits) {
                                  const std::vector<double> weight = Weights(s_, logits, chosen);
                                  double sum = 0;
                                  for (int64_t j = 0; j < s_.chosen; ++j)
                                    sum += weight[j] * d_weight_.at(t, j);
                                  return sum;
                                });
    for (int64_t e = 0; e < s_.experts; ++e) {
      EXPECT_NEAR(r.d_logits.at(t, e), numeric[e], 2e-6 * s_.scale) << t << " " << e;
      if (!std::binary_search(chosen.begin(), chosen.end(), static_cast<int32_t>(e))) {
        EXPECT_EQ(r.d_logits.at(t, e), 0.0f);
      }
    }
  }
}

TEST_P(RouterTest, ATokenHasTheSameBitsAloneOnEveryWidthAndNumberOfThreads) {
  const Result all = Run(logits_, d_weight_, 1);
  for (const int threads : {1, 2, 4}) {
    oracle::ForEachVectorWidth([&](const std::string& width) {
      const Result r = Run(logits_, d_weight_, threads);
      EXPECT_TRUE(SameBits(r.score, all.score) && SameBits(r.weight, all.weight)) << width;
      EXPECT_TRUE(SameBits(r.d_logits, all.d_logits)) << width;
      EXPECT_EQ(r.chosen, all.chosen);
    });
  }
  for (const int64_t t : {int64_t{0}, kTokens - 1}) {
    const Result one = Run(logits_.view().Rows(t, 1), d_weight_.view().Rows(t, 1), 2);
    EXPECT_TRUE(SameBits(one.weight.row(0), all.weight.row(t), s_.chosen));
    EXPECT_TRUE(SameBits(one.d_logits.row(0), all.d_logits.row(t), s_.experts));
  }
}

INSTANTIATE_TEST_SUITE_P(
    Shapes, RouterTest,
    testing::Values(RouterShape{.experts = 1, .chosen = 1},
                    RouterShape{.experts = 8, .chosen = 2, .normalize = false},
                    RouterShape{.experts = 128, .chosen = 6, .scale = 2.5f},
                    RouterShape{.experts = 45, .chosen = 45},
                    RouterShape{.experts = 24, .chosen = 5, .groups = 6, .groups_chosen = 2},
                    RouterShape{.experts = 5, .chosen = 2, .groups = 5, .groups_chosen = 3},
                    RouterShape{.experts = 512, .chosen = 22, .scale = 5.0f}));

TEST(RouterTieTest, EqualsGoToTheLowestIdAndTheCorrectionOnlyChooses) {
  const auto device = OpenCpuDevice(1);
  const RouterShape shape = {.experts = 6, .chosen = 3};
  const Matrix logits(1, 6);  // all scores are one half
  const std::vector<float> correction = {0, 0, 0, 0, 0.5f, 0};
  Matrix score(1, 6), weight(1, 3);
  std::vector<int32_t> chosen(3);
  device->ops().route(device->stream(), shape, logits, correction.data(), score, chosen.data(),
                      weight);
  EXPECT_EQ(chosen, (std::vector<int32_t>{0, 1, 4}));
  for (int64_t j = 0; j < 3; ++j) EXPECT_EQ(weight.at(0, j), 0.5f / 1.5f);
  device->ops().route(device->stream(), shape, logits, nullptr, score, chosen.data(), weight);
  EXPECT_EQ(chosen, (std::vector<int32_t>{0, 1, 2}));
}

TEST(RouterTieTest, ANotANumberIsChosenLast) {
  const auto device = OpenCpuDevice(1);
  const RouterShape shape = {.experts = 5, .chosen = 4};
  Matrix logits(1, 5), score(1, 5), weight(1, 4);
  logits.at(0, 0) = logits.at(0, 2) = NAN;
  std::vector<int32_t> chosen(4);
  device->ops().route(device->stream(), shape, logits, nullptr, score, chosen.data(), weight);
  EXPECT_EQ(chosen, (std::vector<int32_t>{0, 1, 3, 4}));
}

}  // namespace
}  // namespace temper::kernels
