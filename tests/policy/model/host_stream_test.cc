// What is filled in arrives whole and in order, whichever chunk it went through.
#include "policy/model/host_stream.h"

#include <gtest/gtest.h>

#include <cstring>
#include <vector>

#include "tests/kernels/test_device.h"

namespace temper::model {
namespace {

class HostStreamTest : public ::testing::Test {
 protected:
  std::vector<char> Downloaded(const void* from, int64_t bytes) {
    std::vector<char> got(static_cast<size_t>(bytes));
    device_->Copy(got.data(), from, bytes);
    device_->Finish();
    return got;
  }
  static std::vector<char> Bytes(int64_t count, int seed) {
    std::vector<char> bytes(static_cast<size_t>(count));
    for (size_t i = 0; i < bytes.size(); ++i) bytes[i] = static_cast<char>(i / 3 + i * seed);
    return bytes;
  }

  const std::unique_ptr<kernels::Device> device_ = kernels::OpenTestDevice(1);
};

TEST_F(HostStreamTest, ManyChunksAndTheirRestArriveInOrder) {
  const std::vector<char> bytes = Bytes(2 * HostStream::kChunkBytes + 1234, 7);
  const auto count = static_cast<int64_t>(bytes.size());
  const kernels::Memory there = device_->Allocate(count);
  {
    HostStream stream(*device_);
    stream.Copy(there.as<void>(), bytes.data(), count);
    stream.Copy(there.as<void>(), bytes.data(), 0);
  }
  EXPECT_EQ(Downloaded(there.as<void>(), count), bytes);
}

TEST_F(HostStreamTest, WhatIsNearStaysWhileTheNextIsFilled) {
  HostStream stream(*device_);
  for (int round = 0; round < 5; ++round) {
    // The third is larger than a chunk.
    const int64_t count = round == 2 ? HostStream::kChunkBytes + 8 : 1000 + 100 * round;
    const std::vector<char> bytes = Bytes(count, round);
    std::memcpy(stream.Fill(count), bytes.data(), bytes.size());
    const void* const near = stream.Near();
    if (!device_->shares_host_memory()) std::memset(stream.Fill(count), 0x55, bytes.size());
    EXPECT_EQ(Downloaded(near, count), bytes) << round;
  }
}

}  // namespace
}  // namespace temper::model
