// What the back end keeps of memory: the pool, and a stream's scratch and uploads.
#include <numeric>
#include <set>
#include <vector>

#include "gtest/gtest.h"
#include "kernels/cuda/cuda_stream.h"
#include "kernels/cuda/memory_pool.h"
#include "tests/kernels/cuda/harness.h"

namespace temper::kernels {
namespace {

using cuda::BeginOp;
using cuda::CudaStream;
using cuda::MemoryPool;

class CudaMemoryTest : public CudaTest {
 protected:
  std::vector<int32_t> Downloaded(const int32_t* at, size_t count) {
    Memory host = device().Allocate(static_cast<int64_t>(count * sizeof(int32_t)), Place::kHost);
    device().Copy(host.as<int32_t>(), at, host.bytes());
    device().Finish();
    return {host.as<int32_t>(), host.as<int32_t>() + count};
  }
};

TEST_F(CudaMemoryTest, RoundingWastesAnEighthAtMostAndKeepsOrder) {
  int64_t last = 0;
  for (int64_t bytes = 1; bytes < int64_t{1} << 33; bytes += 1 + bytes / 7) {
    const int64_t rounded = MemoryPool::Rounded(bytes);
    EXPECT_GE(rounded, bytes);
    EXPECT_LE(rounded, bytes + std::max<int64_t>(512, bytes / 8)) << bytes;
    EXPECT_GE(rounded, last);
    EXPECT_EQ(MemoryPool::Rounded(rounded), rounded);
    last = rounded;
  }
}

TEST_F(CudaMemoryTest, WhatIsGivenBackIsTakenAgain) {
  MemoryPool pool;
  void* const first = pool.Take(100'000);
  void* const second = pool.Take(100'000);
  EXPECT_NE(first, second);
  EXPECT_EQ(pool.idle_bytes(), 0);
  pool.Give(first, 100'000);
  EXPECT_EQ(pool.idle_bytes(), MemoryPool::Rounded(100'000));
  EXPECT_EQ(pool.Take(99'990), first);  // about as much
  void* const other = pool.Take(50'000);
  EXPECT_NE(other, second);
  EXPECT_EQ(pool.idle_bytes(), 0);
  for (auto [memory, bytes] : {std::pair{first, 100'000}, {second, 100'000}, {other, 50'000}}) {
    pool.Give(memory, bytes);
  }
  EXPECT_GT(pool.idle_bytes(), 250'000 - 1);
  // Large blocks go back at once.
  const int64_t before = pool.idle_bytes(), large = int64_t{80} << 20;
  pool.Give(pool.Take(large), large);
  EXPECT_EQ(pool.idle_bytes(), before);
}

TEST_F(CudaMemoryTest, AFreedStatesMemoryCountsAsFree) {
  const int64_t bytes = int64_t{4} << 20;
  { const Memory warm = device().Allocate(bytes); }
  const int64_t free = device().free_bytes();
  {
    const Memory held = device().Allocate(bytes);
    EXPECT_EQ(device().free_bytes(), free - bytes);
  }
  EXPECT_EQ(device().free_bytes(), free);
}

TEST_F(CudaMemoryTest, ScratchOfOneOpIsApartAlsoWhereItGrows) {
  CudaStream& stream = BeginOp(cuda_stream());
  std::set<const char*> begins;
  for (int i = 0; i < 40; ++i) begins.insert(stream.Scratch<char>(70'000));
  EXPECT_EQ(begins.size(), 40u);
  const char* const again = BeginOp(cuda_stream()).Scratch<char>(10);
  EXPECT_EQ(reinterpret_cast<uintptr_t>(again) % 256, 0u);
  EXPECT_EQ(BeginOp(cuda_stream()).Scratch<char>(10), again);
}

// Lists of an op are whole until its end, wherever the ring wraps or grows between them.
TEST_F(CudaMemoryTest, UploadsOfOneOpDoNotCoverEachOther) {
  for (const int64_t drift : {int64_t{0}, int64_t{7}, int64_t{1000}, int64_t{40000}}) {
    for (int op = 0; op < 30; ++op) {
      CudaStream& stream = BeginOp(cuda_stream());
      std::vector<std::pair<const int32_t*, std::vector<int32_t>>> lists;
      for (const int64_t count :
           std::vector<int64_t>{3, 1200 + drift, 0, 30000 + int64_t{op} * 3000}) {
        std::vector<int32_t> values(static_cast<size_t>(count));
        std::iota(values.begin(), values.end(), static_cast<int32_t>(1000 * op + count));
        const int32_t* const there = stream.Upload(std::span<const int32_t>(values));
        lists.emplace_back(there, values);
      }
      for (const auto& [there, values] : lists) {
        ASSERT_EQ(Downloaded(there, values.size()), values) << drift << " " << op;
      }
    }
  }
}

}  // namespace
}  // namespace temper::kernels
