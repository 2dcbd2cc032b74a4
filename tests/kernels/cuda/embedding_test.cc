// Embedding rows are copied, and gradients added up in token order, to the CPU's bits.
#include <vector>

#include "gtest/gtest.h"
#include "tests/kernels/cuda/harness.h"

namespace temper::kernels {
namespace {

using oracle::Matrix;
using oracle::RandomMatrix;
using oracle::SameBits;

class CudaEmbeddingTest : public CudaTest {};

TEST_F(CudaEmbeddingTest, CopiesTheRowOfEachToken) {
  const std::vector<int32_t> tokens = {3, 0, 9, 3, 8};
  for (const int64_t gap : {0, 3, 4}) {
    for (const int64_t width : {37, 64, 1200}) {
      const Matrix table = RandomMatrix(10, width, 1, 1.0f, gap), room(5, width, gap);
      const std::vector<Matrix> got = TwiceTheSame([&] {
        const View<float> y = Put(room);
        cuda().embed(cuda_stream(), tokens, Put(table), y);
        return std::vector<Matrix>{Get(y)};
      });
      for (int i = 0; i < 5; ++i) {
        EXPECT_TRUE(SameBits(got[0].row(i), table.row(tokens[i]), width)) << gap << " " << width;
      }
    }
  }
}

TEST_F(CudaEmbeddingTest, WidensTheRowOfEachTokenFromBFloat16) {
  const std::vector<int32_t> tokens = {3, 0, 9, 3, 8};
  for (const int64_t gap : {0, 3, 4}) {
    for (const int64_t width : {37, 64, 1200}) {
      std::vector<uint16_t> table(10 * (width + gap));
      for (size_t i = 0; i < table.size(); ++i) table[i] = static_cast<uint16_t>(i * 40503);
      const View<const uint16_t> on_host(table.data(), 10, width, width + gap);
      const std::vector<Matrix> got = TwiceTheSame([&] {
        const uint16_t* const there = Put(table.data(), static_cast<int64_t>(table.size()));
        const View<float> y = Empty(5, width);
        cuda().embed_bfloat16(cuda_stream(), tokens,
                              View<const uint16_t>(there, 10, width, width + gap), y);
        return std::vector<Matrix>{Get(y)};
      });
      Matrix want(5, width);
      cpu().embed_bfloat16(cpu_stream(), tokens, on_host, want);
      EXPECT_TRUE(SameBits(got[0], want)) << gap << " " << width;
    }
  }
}

TEST_F(CudaEmbeddingTest, AddsGradientsOfARepeatedTokenInOrder) {
  std::vector<int32_t> tokens;
  for (int i = 0; i < 200; ++i) tokens.push_back(i * i % 7);
  const Matrix dy = RandomMatrix(200, 300, 1, 1.0f, 1), before = RandomMatrix(8, 300, 2, 1.0f, 2);
  const std::vector<Matrix> got = TwiceTheSame([&] {
    const View<float> gradient = Put(before);
    cuda().embed_backward(cuda_stream(), tokens, Put(dy), gradient);
    return std::vector<Matrix>{Get(gradient)};
  });
  Matrix want = before;
  cpu().embed_backward(cpu_stream(), tokens, dy, want);
  EXPECT_TRUE(SameBits(got[0], want));
}

TEST_F(CudaEmbeddingTest, LeavesAllAsItIsWithoutTokens) {
  const Matrix table = RandomMatrix(4, 8, 1);
  const View<float> there = Put(table), nothing(there.data, 0, 8);
  cuda().embed(cuda_stream(), {}, there, nothing);
  cuda().embed_backward(cuda_stream(), {}, nothing, there);
  EXPECT_TRUE(SameBits(Get(there), table));
}

using CudaEmbeddingDeathTest = CudaEmbeddingTest;

TEST_F(CudaEmbeddingDeathTest, StopsAtATokenOutsideTheTable) {
  const View<float> table = Empty(4, 8), y = Empty(1, 8);
  const std::vector<int32_t> tokens = {4};
  EXPECT_DEATH(cuda().embed(cuda_stream(), tokens, table, y), "kernel check failed");
  EXPECT_DEATH(cuda().embed_backward(cuda_stream(), tokens, y, table), "kernel check failed");
}

}  // namespace
}  // namespace temper::kernels
