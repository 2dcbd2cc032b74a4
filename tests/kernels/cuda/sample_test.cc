// Draws on the device: token for token those of a plain loop in the sampler's order, and as
// frequent as they are likely.
#include "kernels/cuda/sample.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <random>
#include <span>
#include <vector>

#include "gtest/gtest.h"
#include "tests/kernels/cuda/harness.h"

namespace temper::kernels {
namespace {

using oracle::Matrix;
using oracle::RandomMatrix;

constexpr float kForbidden = -INFINITY;

// The rule of kernels/cuda/sample.h, written down once more.
float PlainExp(float x) {
  if (x < -87.0f) return 0.0f;
  const float shifted = x * 1.44269504f + 12582912.0f;
  const float n = shifted - 12582912.0f;
  const float r = (x - n * 0.693359375f) - n * -2.12194440e-4f;
  float p = 1.9875691500e-4f;
  for (const float next :
       {1.3981999507e-3f, 8.3334519073e-3f, 4.1665795894e-2f, 1.6666665459e-1f, 5.0000001201e-1f}) {
    p = p * r + next;
  }
  p = p * r * r + r + 1.0f;
  return std::ldexp(p, static_cast<int>(n));
}

struct PlainRow {
  std::vector<float> p;
  std::vector<double> running;  // up to the end of each block
  double Before(size_t block) const { return block == 0 ? 0.0 : running[block - 1]; }
};

PlainRow Sums(const float* logprobs, int64_t vocab) {
  PlainRow row;
  for (int64_t i = 0; i < vocab; ++i) row.p.push_back(PlainExp(logprobs[i]));
  double total = 0;
  for (int64_t begin = 0; begin < vocab; begin += 256) {
    const int64_t end = std::min<int64_t>(begin + 256, vocab), whole = (end - begin) / 16 * 16;
    double sum = 0;
    for (int64_t lane = 0; lane < 16; ++lane) {
      float of_lane = 0;
      for (int64_t i = lane; i < whole; i += 16) of_lane += row.p[begin + i];
      sum += of_lane;
    }
    for (int64_t i = begin + whole; i < end; ++i) sum += row.p[i];
    total += sum;
    row.running.push_back(total);
  }
  return row;
}

int32_t PlainDraw(const PlainRow& row, double uniform) {
  const double total = row.running.back();
  if (!(total > 0.5 && total < 2.0)) return -1;
  const double wanted = uniform * total;
  size_t block = 0;
  while (block + 1 < row.running.size() && row.running[block] <= wanted) ++block;
  double sum = row.Before(block);
  size_t token = block * 256;
  for (size_t i = token; i < std::min(block * 256 + 256, row.p.size()); ++i) {
    if (row.p[i] == 0.0f) continue;
    token = i;
    sum += row.p[i];
    if (sum > wanted) break;
  }
  return static_cast<int32_t>(token);
}
int32_t PlainDraw(const float* logprobs, int64_t vocab, double uniform) {
  return PlainDraw(Sums(logprobs, vocab), uniform);
}

class CudaSampleTest : public CudaTest {
 protected:
  std::vector<int32_t> Sample(View<const float> logprobs, const std::vector<double>& uniforms,
                              const std::vector<uint8_t>& greedy) {
    auto& stream = static_cast<cuda::CudaStream&>(cuda_stream());
    std::vector<std::vector<int32_t>> results;
    for (const bool backwards : {false, true}) {
      TakeTurnsBackwards(backwards);
      const std::vector<int32_t> unwritten(static_cast<size_t>(logprobs.rows), -7);
      int32_t* const tokens = Put(unwritten.data(), logprobs.rows);
      cuda::SampleRows(stream, logprobs, uniforms, greedy, tokens);
      device().Finish();
      results.emplace_back(tokens, tokens + logprobs.rows);
    }
    TakeTurnsBackwards(false);
    EXPECT_EQ(results[0], results[1]);
    return results[0];
  }
  // Log-probabilities of random logits, on the host.
  Matrix LogProbs(int64_t rows, int64_t vocab, uint64_t seed, float scale, int64_t gap = 0) {
    Matrix logits = RandomMatrix(rows, vocab, seed, scale, gap);
    cpu().log_softmax(cpu_stream(), logits, 1.0f, nullptr);
    return logits;
  }
};

std::vector<double> Uniforms(int64_t count, uint64_t seed) {
  std::mt19937_64 engine(seed);
  std::vector<double> uniforms(count);
  for (double& uniform : uniforms) {
    uniform = (static_cast<double>(engine() >> 11) + 0.5) * 0x1.0p-53;
  }
  return uniforms;
}

TEST_F(CudaSampleTest, DrawsWhatAPlainLoopDraws) {
  struct Case {
    int64_t rows, vocab;
    float scale;
  };
  for (const Case& c :
       {Case{500, 40, 1.0f}, Case{200, 700, 0.1f}, Case{64, 4097, 2.0f}, Case{24, 20'001, 1.0f},
        Case{3, 1, 1.0f}, Case{20, 15, 1.0f}, Case{20, 256, 4.0f}}) {
    const Matrix logprobs = LogProbs(c.rows, c.vocab, static_cast<uint64_t>(c.vocab), c.scale, 3);
    const std::vector<double> uniforms = Uniforms(c.rows, 9);
    const std::vector<int32_t> tokens =
        Sample(Put(logprobs), uniforms, std::vector<uint8_t>(c.rows, 0));
    for (int64_t i = 0; i < c.rows; ++i) {
      ASSERT_EQ(tokens[i], PlainDraw(logprobs.row(i), c.vocab, uniforms[i])) << c.vocab << " " << i;
    }
  }
}

// Numbers at the very edges between tokens, where another order of sums would draw a neighbour.
TEST_F(CudaSampleTest, DrawsTheSameAtTheEdgesOfTokens) {
  const int64_t vocab = 3001;
  const Matrix one = LogProbs(1, vocab, 12, 1.0f);
  const PlainRow plain = Sums(one.row(0), vocab);
  std::vector<double> uniforms;
  for (size_t block = 0; block < plain.running.size(); ++block) {
    double sum = plain.Before(block);
    for (size_t i = block * 256; i < std::min<size_t>(block * 256 + 256, vocab); ++i) {
      sum += plain.p[i];
      if (i % 256 != 0 && i % 256 != 255 && i % 40 != 0) continue;
      const double edge = sum / plain.running.back();
      for (const double at : {std::nextafter(edge, 0.0), edge, std::nextafter(edge, 1.0)}) {
        if (at < 1) uniforms.push_back(at);
      }
    }
  }
  const int64_t rows = static_cast<int64_t>(uniforms.size());
  const View<const float> same(Put(one).data, rows, vocab, 0);
  const std::vector<int32_t> tokens = Sample(same, uniforms, std::vector<uint8_t>(rows, 0));
  for (int64_t i = 0; i < rows; ++i) EXPECT_EQ(tokens[i], PlainDraw(plain, uniforms[i])) << i;
}

// More blocks than a tile of running sums holds, and a vocabulary as models have it.
TEST_F(CudaSampleTest, DrawsFromAWholeVocabulary) {
  const int64_t vocab = 131'072;
  const Matrix logprobs = LogProbs(1, vocab, 4, 1.0f);
  const View<float> row = Put(logprobs);
  for (const double uniform : {1e-12, 0.3, 0.77, 1 - 0x1.0p-54}) {
    EXPECT_EQ(Sample(row, {uniform}, {0})[0], PlainDraw(logprobs.row(0), vocab, uniform));
  }
}

TEST_F(CudaSampleTest, TokensAreAsFrequentAsTheyAreLikely) {
  const int64_t rows = 3000, vocab = 12;
  const Matrix one = LogProbs(1, vocab, 8, 1.0f);
  // One row, over and over: a stride of 0.
  const View<const float> same(Put(one).data, rows, vocab, 0);
  const std::vector<double> uniforms = Uniforms(rows, 3);
  std::vector<int32_t> tokens(rows, -7);
  int32_t* const there = Put(tokens.data(), rows);
  cuda::SampleRows(static_cast<cuda::CudaStream&>(cuda_stream()), same, uniforms,
                   std::vector<uint8_t>(rows, 0), there);
  device().Finish();
  std::vector<double> seen(vocab);
  for (int64_t i = 0; i < rows; ++i) {
    ASSERT_EQ(there[i], PlainDraw(one.row(0), vocab, uniforms[i])) << i;
    seen[there[i]] += 1;
  }
  double chi_squared = 0;
  for (int64_t j = 0; j < vocab; ++j) {
    const double want = rows * std::exp(static_cast<double>(one.at(0, j)));
    chi_squared += (seen[j] - want) * (seen[j] - want) / want;
  }
  EXPECT_LT(chi_squared, 31.3);  // one in a thousand, 11 degrees of freedom
}

TEST_F(CudaSampleTest, NeverDrawsWhatIsImpossible) {
  Matrix logprobs(3, 600);
  for (int64_t i = 0; i < 3; ++i) {
    for (int64_t j = 0; j < 600; ++j) logprobs.at(i, j) = kForbidden;
    logprobs.at(i, 100) = logprobs.at(i, 300) = std::log(0.5f);
  }
  const std::vector<int32_t> tokens =
      Sample(Put(logprobs), {1e-16, 0.5000001, 1 - 0x1.0p-53}, {0, 0, 0});
  EXPECT_EQ(tokens, (std::vector<int32_t>{100, 300, 300}));
}

TEST_F(CudaSampleTest, GreedyTakesTheGreatestAndTheLowestIdOfEquals) {
  Matrix logits = RandomMatrix(5, 9000, 2, 1.0f, 1);
  logits.at(0, 8999) = 50.0f;
  for (const int64_t j : {8500, 4097, 4100, 8999}) logits.at(1, j) = 60.0f;
  for (const int64_t j : {700, 255, 256}) logits.at(2, j) = 60.0f;
  for (int64_t j = 0; j < 9000; ++j) logits.at(3, j) = kForbidden;
  for (int64_t j = 0; j < 9000; ++j) logits.at(4, j) = NAN;
  const std::vector<int32_t> tokens =
      Sample(Put(logits), std::vector<double>(5, 0.5), {1, 1, 1, 1, 1});
  EXPECT_EQ(tokens, (std::vector<int32_t>{8999, 4097, 255, 0, -1}));
}

TEST_F(CudaSampleTest, ATokenDependsOnItsRowAlone) {
  const int64_t rows = 40, vocab = 5000;
  const Matrix logprobs = LogProbs(rows, vocab, 6, 1.5f, 1);
  const std::vector<double> uniforms = Uniforms(rows, 1);
  std::vector<uint8_t> greedy(rows, 0);
  for (int64_t i = 0; i < rows; i += 3) greedy[i] = 1;
  const View<float> there = Put(logprobs);
  const std::vector<int32_t> tokens = Sample(there, uniforms, greedy);
  for (int64_t i = 0; i < rows; ++i) {
    EXPECT_EQ(Sample(there.Rows(i, 1), {uniforms[i]}, {greedy[i]})[0], tokens[i]) << i;
    const float* const row = logprobs.row(i);
    EXPECT_EQ(tokens[i], greedy[i] != 0 ? std::max_element(row, row + vocab) - row
                                        : PlainDraw(row, vocab, uniforms[i]));
  }
}

TEST_F(CudaSampleTest, BrokenRowsGiveNoTokenAndSpoilNoOther) {
  Matrix logprobs = LogProbs(6, 300, 6, 1.0f);
  logprobs.at(1, 299) = NAN;
  logprobs.at(5, 40) = std::bit_cast<float>(0x7fc00101u);  // a NaN too
  logprobs.at(2, 0) = 5.0f;
  for (int64_t j = 0; j < 300; ++j) logprobs.at(3, j) = kForbidden;
  const std::vector<int32_t> tokens =
      Sample(Put(logprobs), std::vector<double>(6, 0.5), std::vector<uint8_t>(6, 0));
  EXPECT_EQ(tokens[1], -1);
  EXPECT_EQ(tokens[5], -1);
  EXPECT_EQ(tokens[2], -1);
  EXPECT_EQ(tokens[3], -1);
  EXPECT_EQ(tokens[0], PlainDraw(logprobs.row(0), 300, 0.5));
  EXPECT_EQ(tokens[4], PlainDraw(logprobs.row(4), 300, 0.5));
}

TEST_F(CudaSampleTest, TakesNoRows) {
  EXPECT_TRUE(Sample(View<const float>(Empty(8), 0, 8), {}, {}).empty());
}

}  // namespace
}  // namespace temper::kernels
