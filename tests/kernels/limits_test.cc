// The measured limits are of the order that any machine of this century has.
#include "kernels/cpu/limits.h"

#include "gtest/gtest.h"

namespace temper::kernels {
namespace {

TEST(LimitsTest, APeakIsPositiveAndNotBeyondReason) {
  const double peak = MeasureGemmPeak(1);
  EXPECT_GT(peak, 1e8);
  // One core: 6 GHz times 64 operations a cycle.
  EXPECT_LT(peak, 4e11);
}

TEST(LimitsTest, ReadBandwidthIsPositiveAndNotBeyondReason) {
  const double bandwidth = MeasureReadBandwidth(1);
  EXPECT_GT(bandwidth, 1e8);
  EXPECT_LT(bandwidth, 1e12);
}

}  // namespace
}  // namespace temper::kernels
