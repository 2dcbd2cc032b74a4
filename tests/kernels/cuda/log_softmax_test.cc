// The one log-softmax on the device: against float64, the same bits for sampler and learner and for
// a row alone and among others; its gradient against float64.
#include <cmath>
#include <limits>
#include <span>
#include <vector>

#include "gtest/gtest.h"
#include "tests/kernels/cuda/harness.h"

namespace temper::kernels {
namespace {

using oracle::Matrix;
using oracle::RandomMatrix;
using oracle::SameBits;

constexpr float kForbidden = -std::numeric_limits<float>::infinity();

struct ExactRow {
  std::vector<double> logprob;
  double lse = 0, entropy = 0;
};

ExactRow Exact(const float* logits, int64_t vocab, double temperature) {
  ExactRow row;
  double most = -INFINITY, sum = 0;
  for (int64_t j = 0; j < vocab; ++j) most = std::max(most, logits[j] / temperature);
  for (int64_t j = 0; j < vocab; ++j) sum += std::exp(logits[j] / temperature - most);
  row.lse = most + std::log(sum);
  for (int64_t j = 0; j < vocab; ++j) {
    const double logprob = logits[j] / temperature - row.lse;
    row.logprob.push_back(logprob);
    if (std::isfinite(logprob)) row.entropy -= std::exp(logprob) * logprob;
  }
  return row;
}

Matrix RowOf(const std::vector<float>& values) {
  Matrix row(1, static_cast<int64_t>(values.size()));
  row.values = values;
  return row;
}

class CudaLogSoftmaxTest : public CudaTest {
 protected:
  // log-probabilities [rows, vocab], entropy [1, rows]. Gaps between rows must stay as they are.
  std::vector<Matrix> LogSoftmax(const Matrix& logits, float temperature) {
    return TwiceTheSame([&] {
      const View<float> x = Put(logits);
      float* const entropy = Empty(x.rows);
      cuda().log_softmax(cuda_stream(), x, temperature, entropy);
      const std::vector<Matrix> got = {Get(x), RowOf(Get(entropy, x.rows))};
      for (int64_t i = 0; i < x.rows; ++i) {
        for (int64_t j = x.cols; j < x.stride; ++j) EXPECT_TRUE(std::isnan(x.row(i)[j])) << i;
      }
      return got;
    });
  }
  // logprob, entropy, lse: [1, rows] each. The logits must stay as they are.
  std::vector<Matrix> TargetLogProb(const Matrix& logits, const std::vector<int32_t>& targets,
                                    float temperature) {
    return TwiceTheSame([&] {
      const View<float> x = Put(logits);
      float *const logprob = Empty(x.rows), *const entropy = Empty(x.rows);
      float* const lse = Empty(x.rows);
      cuda().target_log_prob(cuda_stream(), x, targets, temperature, logprob, entropy, lse);
      EXPECT_TRUE(SameBits(Get(x), logits));
      return std::vector<Matrix>{RowOf(Get(logprob, x.rows)), RowOf(Get(entropy, x.rows)),
                                 RowOf(Get(lse, x.rows))};
    });
  }
  Matrix Gradient(const Matrix& logits, const std::vector<int32_t>& targets, float temperature,
                  const std::vector<float>& lse, const std::vector<float>& entropy,
                  const std::vector<float>& dlogprob, const std::vector<float>& dentropy) {
    return TwiceTheSame([&] {
      const View<float> x = Put(logits);
      cuda().target_log_prob_backward(cuda_stream(), x, targets, temperature, Put(lse),
                                      dentropy.empty() ? nullptr : Put(entropy), Put(dlogprob),
                                      dentropy.empty() ? nullptr : Put(dentropy));
      return std::vector<Matrix>{Get(x)};
    })[0];
  }
};

TEST_F(CudaLogSoftmaxTest, MatchesFloat64) {
  for (const int64_t vocab : {1, 2, 3, 17, 4096, 4099, 9001}) {
    for (const float temperature : {1.0f, 0.7f, 2.5f}) {
      const Matrix logits = RandomMatrix(2, vocab, static_cast<uint64_t>(vocab), 5.0f, 2);
      const std::vector<Matrix> got = LogSoftmax(logits, temperature);
      for (int64_t i = 0; i < 2; ++i) {
        const ExactRow want = Exact(logits.row(i), vocab, static_cast<double>(temperature));
        for (int64_t j = 0; j < vocab; ++j) {
          ASSERT_LE(got[0].at(i, j), 0.0f);
          ASSERT_NEAR(got[0].at(i, j), want.logprob[j], 1e-6 * (0.3 + std::fabs(want.logprob[j])))
              << vocab << " " << j;
        }
        EXPECT_NEAR(got[1].at(0, i), want.entropy, 1e-6 * (1 + want.entropy)) << vocab;
      }
    }
  }
}

TEST_F(CudaLogSoftmaxTest, AWholeVocabularyMatchesFloat64AndTheCpu) {
  const int64_t vocab = 131'072;
  for (const float scale : {3.0f, 0.01f}) {
    Matrix logits = RandomMatrix(1, vocab, 7, scale);
    for (int64_t j = 0; j < vocab; ++j) logits.at(0, j) += 40.0f;  // far from 0, as logits may be
    const std::vector<Matrix> got = LogSoftmax(logits, 1.0f);
    const ExactRow want = Exact(logits.row(0), vocab, 1.0);
    double worst = 0;
    for (int64_t j = 0; j < vocab; ++j) {
      worst = std::max(worst, std::fabs(got[0].at(0, j) / want.logprob[j] - 1));
    }
    EXPECT_LT(worst, 1e-6);
    EXPECT_NEAR(got[1].at(0, 0), want.entropy, 1e-6 * want.entropy);
    Matrix of_cpu = logits;
    float entropy = 0;
    cpu().log_softmax(cpu_stream(), of_cpu, 1.0f, &entropy);
    EXPECT_LT(Difference(got[0], of_cpu), 2e-6);
    EXPECT_NEAR(got[1].at(0, 0), entropy, 1e-5 * want.entropy);
  }
}

TEST_F(CudaLogSoftmaxTest, BitsDependOnTheRowAlone) {
  // Rows begin at any multiple of four bytes: an odd stride.
  const Matrix logits = RandomMatrix(5, 9001, 1, 5.0f, 2);
  const std::vector<int32_t> targets = {0, 9000, 4095, 4096, 77};
  const std::vector<Matrix> all = LogSoftmax(logits, 0.9f);
  const std::vector<Matrix> learned = TargetLogProb(logits, targets, 0.9f);
  for (int64_t i = 0; i < 5; ++i) {
    Matrix one(1, logits.cols);
    std::copy_n(logits.row(i), logits.cols, one.row(0));
    const std::vector<Matrix> alone = LogSoftmax(one, 0.9f);
    EXPECT_TRUE(SameBits(alone[0].row(0), all[0].row(i), logits.cols)) << i;
    EXPECT_EQ(alone[1].at(0, 0), all[1].at(0, i));
    const std::vector<Matrix> own = TargetLogProb(one, {targets[i]}, 0.9f);
    for (int j = 0; j < 3; ++j) EXPECT_EQ(own[j].at(0, 0), learned[j].at(0, i)) << i << " " << j;
  }
}

TEST_F(CudaLogSoftmaxTest, TheLearnersLogProbHasTheSamplersBits) {
  for (const int64_t vocab : {1, 40, 5000}) {
    const Matrix logits = RandomMatrix(6, vocab, 3, 6.0f, 1);
    for (const float temperature : {1.0f, 0.6f}) {
      const std::vector<Matrix> sampled = LogSoftmax(logits, temperature);
      for (int round = 0; round < 3; ++round) {
        std::vector<int32_t> targets;
        for (int64_t i = 0; i < 6; ++i) targets.push_back((i * 977 + round * 31) % vocab);
        const std::vector<Matrix> got = TargetLogProb(logits, targets, temperature);
        for (int64_t i = 0; i < 6; ++i) {
          EXPECT_EQ(got[0].at(0, i), sampled[0].at(i, targets[i]));
          EXPECT_EQ(got[1].at(0, i), sampled[1].at(0, i));
          const double lse = Exact(logits.row(i), vocab, static_cast<double>(temperature)).lse;
          EXPECT_NEAR(got[2].at(0, i), lse, 1e-6 * (1 + std::fabs(lse)));
        }
      }
    }
  }
}

TEST_F(CudaLogSoftmaxTest, EntropyAndLseMayBeNull) {
  const Matrix logits = RandomMatrix(3, 300, 4);
  const std::vector<int32_t> targets = {5, 0, 299};
  const View<float> x = Put(logits);
  float* const logprob = Empty(3);
  cuda().target_log_prob(cuda_stream(), x, targets, 1.0f, logprob, nullptr, nullptr);
  cuda().log_softmax(cuda_stream(), x, 1.0f, nullptr);
  const Matrix all = Get(x);
  const std::vector<float> got = Get(logprob, 3);
  for (int64_t i = 0; i < 3; ++i) EXPECT_EQ(got[i], all.at(i, targets[i]));
}

TEST_F(CudaLogSoftmaxTest, ForbiddenTokensHaveNoProbabilityAndSpoilNothing) {
  Matrix logits = RandomMatrix(1, 13'000, 1);
  logits.at(0, 7) = kForbidden;
  for (int64_t j = 4096; j < 8192; ++j) logits.at(0, j) = kForbidden;  // a whole block
  const std::vector<Matrix> got = LogSoftmax(logits, 0.8f);
  const ExactRow want = Exact(logits.row(0), logits.cols, double{0.8f});
  for (int64_t j = 0; j < logits.cols; ++j) {
    if (logits.at(0, j) == kForbidden) {
      ASSERT_EQ(got[0].at(0, j), kForbidden) << j;
    } else {
      ASSERT_NEAR(got[0].at(0, j), want.logprob[j], 2e-5) << j;
    }
  }
  EXPECT_NEAR(got[1].at(0, 0), want.entropy, 1e-5);
}

TEST_F(CudaLogSoftmaxTest, SurvivesLogitsThatAreFarApart) {
  Matrix logits(2, 5000);
  for (int64_t i = 0; i < 2; ++i) {
    for (int64_t j = 0; j < 5000; ++j) logits.at(i, j) = -3e4f;
  }
  logits.at(0, 0) = 3e4f;
  logits.at(1, 4999) = 3e38f;
  logits.at(1, 1) = -3e38f;
  const std::vector<Matrix> got = LogSoftmax(logits, 1.0f);
  EXPECT_EQ(got[0].at(0, 0), 0.0f);
  EXPECT_EQ(got[0].at(0, 4999), -6e4f);
  EXPECT_EQ(got[0].at(1, 4999), 0.0f);
  EXPECT_EQ(got[0].at(1, 1), kForbidden);
  EXPECT_EQ(got[1].at(0, 0), 0.0f);
  EXPECT_EQ(got[1].at(0, 1), 0.0f);
}

TEST_F(CudaLogSoftmaxTest, BrokenLogitsShowAndStayInTheirRow) {
  Matrix logits = RandomMatrix(5, 5000, 2);
  logits.at(0, 4999) = NAN;
  logits.at(1, 3) = INFINITY;
  for (int64_t j = 0; j < 5000; ++j) logits.at(2, j) = kForbidden;
  for (int64_t j = 4096; j < 5000; ++j) logits.at(3, j) = NAN;  // all of a block
  const std::vector<Matrix> got = LogSoftmax(logits, 1.0f);
  for (int64_t i = 0; i < 4; ++i) {
    EXPECT_TRUE(std::isnan(got[0].at(i, 3))) << i;
    EXPECT_TRUE(std::isnan(got[1].at(0, i))) << i;
  }
  EXPECT_TRUE(std::isfinite(got[0].at(4, 3)) && std::isfinite(got[1].at(0, 4)));
}

TEST_F(CudaLogSoftmaxTest, TheGradientMatchesFloat64) {
  const int64_t rows = 4, vocab = 4500;
  const float temperature = 0.8f;
  Matrix logits = RandomMatrix(rows, vocab, 1, 2.0f, 1);
  logits.at(1, 5) = kForbidden;
  const std::vector<int32_t> targets = {0, 17, 4499, 4096};
  const std::vector<float> dlogprob = {0.5f, -1.25f, 2.0f, 0.0f};
  const std::vector<Matrix> forward = TargetLogProb(logits, targets, temperature);
  for (const std::vector<float>& dentropy :
       {std::vector<float>{}, std::vector<float>{0.3f, 0.0f, -0.7f, 1.0f}}) {
    const Matrix got = Gradient(logits, targets, temperature, forward[2].values, forward[1].values,
                                dlogprob, dentropy);
    Matrix of_cpu = logits;
    cpu().target_log_prob_backward(cpu_stream(), of_cpu, targets, temperature,
                                   forward[2].values.data(), forward[1].values.data(),
                                   dlogprob.data(), dentropy.empty() ? nullptr : dentropy.data());
    EXPECT_LT(Difference(got, of_cpu), 1e-6);
    for (int64_t i = 0; i < rows; ++i) {
      const ExactRow exact = Exact(logits.row(i), vocab, static_cast<double>(temperature));
      std::vector<double> want(vocab);
      for (int64_t j = 0; j < vocab; ++j) {
        const double p = std::exp(exact.logprob[j]);
        const double pull = (j == targets[i] ? 1.0 : 0.0) - p;
        want[j] = dlogprob[i] * pull;
        if (!dentropy.empty() && p > 0)
          want[j] -= dentropy[i] * p * (exact.logprob[j] + exact.entropy);
        want[j] /= static_cast<double>(temperature);
      }
      EXPECT_LT(oracle::RelativeError(got.row(i), want.data(), vocab), 3e-6) << i;
      // Alone it has the same bits.
      Matrix one(1, vocab);
      std::copy_n(logits.row(i), vocab, one.row(0));
      const std::vector<float> d = dentropy.empty() ? dentropy : std::vector<float>{dentropy[i]};
      const Matrix alone = Gradient(one, {targets[i]}, temperature, {forward[2].at(0, i)},
                                    {forward[1].at(0, i)}, {dlogprob[i]}, d);
      EXPECT_TRUE(SameBits(alone.row(0), got.row(i), vocab)) << i;
    }
  }
}

TEST_F(CudaLogSoftmaxTest, TakesNoRows) {
  const View<float> none(Empty(40), 0, 40);
  cuda().log_softmax(cuda_stream(), none, 1.0f, nullptr);
  cuda().target_log_prob(cuda_stream(), none, {}, 1.0f, Empty(1), nullptr, nullptr);
  cuda().target_log_prob_backward(cuda_stream(), none, {}, 1.0f, Empty(1), nullptr, Empty(1),
                                  nullptr);
  for (const float value : Get(none.data, 40)) EXPECT_TRUE(std::isnan(value));
}

using CudaLogSoftmaxDeathTest = CudaLogSoftmaxTest;

TEST_F(CudaLogSoftmaxDeathTest, RefusesATemperatureOfZeroAndATargetOutside) {
  const View<float> logits = Put(Matrix(1, 4));
  float* const logprob = Empty(1);
  EXPECT_DEATH(cuda().log_softmax(cuda_stream(), logits, 0.0f, nullptr), "temperature > 0");
  for (const int32_t outside : {4, -1}) {
    EXPECT_DEATH(cuda().target_log_prob(cuda_stream(), logits, std::span(&outside, 1), 1.0f,
                                        logprob, nullptr, nullptr),
                 "target < cols");
  }
}

}  // namespace
}  // namespace temper::kernels
