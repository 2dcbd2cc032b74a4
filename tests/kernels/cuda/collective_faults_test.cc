// Ranks that do not come, and what has failed: an error by the deadline, and the group is left.
#include "gtest/gtest.h"
#include "kernels/collective.h"
#include "tests/kernels/cuda/fake_nccl.h"
#include "tests/kernels/cuda/harness.h"

namespace temper::kernels {
namespace {

class CollectiveFaultsTest : public CudaTest {
 protected:
  void SetUp() override {
    CudaTest::SetUp();
    fake() = {};
  }
  static cuda::FakeNccl& fake() { return cuda::TheFakeNccl(); }
  absl::StatusOr<std::unique_ptr<Collective>> Join(absl::Duration limit) {
    return JoinCollective(device(), std::string(128, '\0'), 0, 1, limit);
  }
};

TEST_F(CollectiveFaultsTest, WhatTakesAWhileIsWaitedFor) {
  fake().answers_under_way = 1000;
  const auto joined = Join(absl::Seconds(60));
  ASSERT_TRUE(joined.ok()) << joined.status();
  EXPECT_EQ(fake().answers_under_way, 0);
  fake().answers_under_way = 1000;
  float* const there = Empty(4);
  EXPECT_TRUE((*joined)->Broadcast(there, 16, 0, absl::Seconds(60)).ok());
  EXPECT_EQ(fake().answers_under_way, 0);
  EXPECT_EQ(fake().aborted, 0);
}

TEST_F(CollectiveFaultsTest, ARankThatDoesNotComeIsAnErrorByTheDeadline) {
  fake().answers_under_way = -1;
  EXPECT_EQ(Join(absl::Milliseconds(20)).status().code(), absl::StatusCode::kDeadlineExceeded);
  EXPECT_EQ(fake().joined, 1);
  EXPECT_EQ(fake().aborted, 1);
}

TEST_F(CollectiveFaultsTest, AfterAFailureNothingIsBroadcastAnyMore) {
  auto joined = Join(absl::Seconds(60));
  ASSERT_TRUE(joined.ok()) << joined.status();
  float* const there = Empty(4);
  fake().failure = "remote process exited";
  const absl::Status failed = (*joined)->Broadcast(there, 16, 0, absl::Seconds(60));
  EXPECT_EQ(failed.code(), absl::StatusCode::kUnavailable);
  EXPECT_NE(failed.message().find("remote process exited"), std::string::npos) << failed;
  fake().failure = "";
  EXPECT_EQ((*joined)->Broadcast(there, 16, 0, absl::Seconds(60)), failed);
  joined->reset();
  EXPECT_EQ(fake().aborted, 1);
}

}  // namespace
}  // namespace temper::kernels
