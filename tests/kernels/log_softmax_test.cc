// The one log-softmax: against float64, the same bits for sampler and learner, gradients by
// differences.
#include <cmath>
#include <limits>
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

struct ExactRow {
  std::vector<double> logprob;
  double lse = 0, entropy = 0;
};

ExactRow Exact(const std::vector<double>& logits, double temperature) {
  ExactRow row;
  double most = -INFINITY, sum = 0;
  for (const double value : logits) most = std::max(most, value / temperature);
  for (const double value : logits) sum += std::exp(value / temperature - most);
  row.lse = most + std::log(sum);
  for (const double value : logits) {
    const double logprob = value / temperature - row.lse;
    row.logprob.push_back(logprob);
    if (std::isfinite(logprob)) row.entropy -= std::exp(logprob) * logprob;
  }
  return row;
}
ExactRow Exact(const Matrix& logits, int64_t row, double temperature) {
  return Exact(std::vector<double>(logits.row(row), logits.row(row) + logits.cols), temperature);
}

struct Result {
  Matrix logprobs;
  std::vector<float> entropy;
};
Result LogSoftmax(Device& device, const Matrix& logits, float temperature) {
  Result result{logits, std::vector<float>(logits.rows)};
  device.ops().log_softmax(device.stream(), result.logprobs, temperature, result.entropy.data());
  return result;
}

TEST(LogSoftmaxTest, MatchesFloat64) {
  const auto device = OpenCpuDevice(2);
  for (const int64_t vocab : {1, 2, 17, 100, 4096, 9001}) {
    for (const float temperature : {1.0f, 0.7f, 2.5f}) {
      const Matrix logits = RandomMatrix(3, vocab, vocab, 5.0f, 2);
      const Result got = LogSoftmax(*device, logits, temperature);
      for (int64_t i = 0; i < 3; ++i) {
        const ExactRow want = Exact(logits, i, temperature);
        for (int64_t j = 0; j < vocab; ++j) {
          ASSERT_NEAR(got.logprobs.at(i, j), want.logprob[j], 1e-5) << vocab << " " << j;
        }
        EXPECT_NEAR(got.entropy[i], want.entropy, 1e-5 * (1 + want.entropy)) << vocab;
      }
    }
  }
}

TEST(LogSoftmaxTest, BitsDependOnTheRowAloneNotOnThreadsOrVectorWidth) {
  const Matrix logits = RandomMatrix(5, 9001, 1, 5.0f, 2);
  const auto reference_device = OpenCpuDevice(1);
  const Result reference = LogSoftmax(*reference_device, logits, 0.9f);
  for (const int threads : {1, 2, 4}) {
    const auto device = OpenCpuDevice(threads);
    oracle::ForEachVectorWidth([&](const std::string& width) {
      const Result again = LogSoftmax(*device, logits, 0.9f);
      EXPECT_TRUE(SameBits(again.logprobs, reference.logprobs)) << threads << " " << width;
      EXPECT_TRUE(SameBits(again.entropy, reference.entropy)) << threads << " " << width;
      for (int64_t i = 0; i < 5; ++i) {
        Matrix one(1, logits.cols);
        std::copy_n(logits.row(i), logits.cols, one.row(0));
        const Result alone = LogSoftmax(*device, one, 0.9f);
        EXPECT_TRUE(SameBits(alone.logprobs.row(0), reference.logprobs.row(i), logits.cols));
        EXPECT_EQ(alone.entropy[0], reference.entropy[i]);
      }
    });
  }
}

TEST(LogSoftmaxTest, TheLearnersLogProbHasTheSamplersBits) {
  for (const int64_t vocab : {1, 40, 5000}) {
    const Matrix logits = RandomMatrix(6, vocab, 3, 6.0f, 1);
    for (const float temperature : {1.0f, 0.6f}) {
      const auto sampler = OpenCpuDevice(2), learner = OpenCpuDevice(1);
      const Result sampled = LogSoftmax(*sampler, logits, temperature);
      for (int round = 0; round < 4; ++round) {
        std::vector<int32_t> targets;
        for (int64_t i = 0; i < 6; ++i) targets.push_back((i * 977 + round * 31) % vocab);
        std::vector<float> logprob(6), entropy(6), lse(6);
        learner->ops().target_log_prob(learner->stream(), logits, targets, temperature,
                                       logprob.data(), entropy.data(), lse.data());
        for (int64_t i = 0; i < 6; ++i) {
          EXPECT_EQ(logprob[i], sampled.logprobs.at(i, targets[i]));
          EXPECT_EQ(entropy[i], sampled.entropy[i]);
          EXPECT_NEAR(lse[i], Exact(logits, i, temperature).lse, 1e-5);
        }
      }
    }
  }
}

TEST(LogSoftmaxTest, AForbiddenTokenHasNoProbabilityAndSpoilsNothing) {
  Matrix logits = RandomMatrix(1, 200, 1);
  const float forbidden = -std::numeric_limits<float>::infinity();
  logits.at(0, 7) = forbidden;
  logits.at(0, 199) = forbidden;
  const auto device = OpenCpuDevice(1);
  const Result got = LogSoftmax(*device, logits, 1.0f);
  const ExactRow want = Exact(logits, 0, 1.0);
  EXPECT_EQ(got.logprobs.at(0, 7), forbidden);
  EXPECT_NEAR(got.logprobs.at(0, 8), want.logprob[8], 1e-5);
  EXPECT_NEAR(got.entropy[0], want.entropy, 1e-5);
}

TEST(LogSoftmaxTest, SurvivesLogitsThatAreFarApart) {
  Matrix logits(1, 3);
  logits.at(0, 0) = 3e4f;
  logits.at(0, 1) = -3e4f;
  logits.at(0, 2) = 0;
  const auto device = OpenCpuDevice(1);
  const Result got = LogSoftmax(*device, logits, 1.0f);
  EXPECT_EQ(got.logprobs.at(0, 0), 0.0f);
  EXPECT_EQ(got.logprobs.at(0, 1), -6e4f);
  EXPECT_EQ(got.entropy[0], 0.0f);
}

// Gradient of sum_i dlogprob[i] logprob[i] + dentropy[i] entropy[i], through all of the op.
void ExpectGradientMatchesDifferences(const std::vector<float>* dentropy) {
  const int64_t rows = 3, vocab = 40;
  const float temperature = 0.8f;
  const Matrix logits = RandomMatrix(rows, vocab, 1, 2.0f, 1);
  const std::vector<int32_t> targets = {0, 17, 39};
  const std::vector<float> dlogprob = {0.5f, -1.25f, 2.0f};
  std::vector<Matrix> results;
  for (const int threads : {1, 2, 4}) {
    const auto device = OpenCpuDevice(threads);
    Matrix& gradient = results.emplace_back(logits);
    std::vector<float> logprob(rows), entropy(rows), lse(rows);
    device->ops().target_log_prob(device->stream(), logits, targets, temperature, logprob.data(),
                                  entropy.data(), lse.data());
    device->ops().target_log_prob_backward(device->stream(), gradient, targets, temperature,
                                           lse.data(), entropy.data(), dlogprob.data(),
                                           dentropy == nullptr ? nullptr : dentropy->data());
    EXPECT_TRUE(SameBits(gradient, results[0])) << threads;
  }
  for (int64_t i = 0; i < rows; ++i) {
    const std::vector<double> row(logits.row(i), logits.row(i) + vocab);
    const auto exact = oracle::NumericGradient(row, [&](const std::vector<double>& values) {
      const ExactRow e = Exact(values, temperature);
      return dlogprob[i] * e.logprob[targets[i]] +
             (dentropy == nullptr ? 0.0 : (*dentropy)[i] * e.entropy);
    });
    EXPECT_LT(oracle::RelativeError(results[0].row(i), exact.data(), vocab), 3e-6) << i;
  }
}

TEST(LogSoftmaxTest, ItsGradientMatchesDifferences) { ExpectGradientMatchesDifferences(nullptr); }

TEST(LogSoftmaxTest, ItsGradientWithEntropyMatchesDifferences) {
  const std::vector<float> dentropy = {0.3f, 0.0f, -0.7f};
  ExpectGradientMatchesDifferences(&dentropy);
}

TEST(LogSoftmaxDeathTest, RefusesATemperatureOfZero) {
  const auto device = OpenCpuDevice(1);
  Matrix logits(1, 4);
  EXPECT_DEATH(device->ops().log_softmax(device->stream(), logits, 0.0f, nullptr),
               "temperature > 0");
}

}  // namespace
}  // namespace temper::kernels
