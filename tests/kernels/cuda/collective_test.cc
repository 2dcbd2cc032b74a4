// One rank, which is as many as one GPU allows: with the tests' NCCL, and with the real one on a
// GPU.
#include "kernels/collective.h"

#include <vector>

#include "gtest/gtest.h"
#include "tests/kernels/cuda/harness.h"

namespace temper::kernels {
namespace {

constexpr absl::Duration kLimit = absl::Seconds(60);

class CudaCollectiveTest : public CudaTest {};

TEST_F(CudaCollectiveTest, OneRankKeepsWhatItBroadcasts) {
  const absl::StatusOr<std::string> id = NewCollectiveId();
  if (!id.ok()) GTEST_SKIP() << "skipped: no NCCL: " << id.status().message();
  absl::StatusOr<std::unique_ptr<Collective>> joined =
      JoinCollective(device(), *id, /*rank=*/0, /*ranks=*/1, kLimit);
  ASSERT_TRUE(joined.ok()) << joined.status();
  EXPECT_EQ((*joined)->rank(), 0);
  EXPECT_EQ((*joined)->ranks(), 1);
  const std::vector<float> values = oracle::RandomVector(100'003, 5);
  float* const there = Put(values);
  for (int i = 0; i < 2; ++i) {
    const absl::Status status =
        (*joined)->Broadcast(there, static_cast<int64_t>(values.size() * sizeof(float)), 0, kLimit);
    EXPECT_TRUE(status.ok()) << status;
  }
  EXPECT_EQ(Get(there, static_cast<int64_t>(values.size())), values);
  EXPECT_EQ((*joined)->Broadcast(there, 4, /*root=*/1, kLimit).code(),
            absl::StatusCode::kInvalidArgument);
}

TEST_F(CudaCollectiveTest, WhatCannotBeMeantIsRefused) {
  const std::string id(128, '\0');
  const auto code = [&](std::string_view name, int rank, int ranks) {
    return JoinCollective(device(), name, rank, ranks, kLimit).status().code();
  };
  EXPECT_EQ(code("short", 0, 1), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(code(id, 1, 1), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(code(id, -1, 1), absl::StatusCode::kInvalidArgument);
  EXPECT_EQ(code(id, 0, 0), absl::StatusCode::kInvalidArgument);
  const std::unique_ptr<Device> on_cpu = OpenCpuDevice(1);
  EXPECT_EQ(JoinCollective(*on_cpu, id, 0, 1, kLimit).status().code(),
            absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace temper::kernels
