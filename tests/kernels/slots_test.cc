// Slots are those that a plain loop over experts and choices gives.
#include "gtest/gtest.h"
#include "kernels/device.h"
#include "kernels/ops.h"
#include "tests/kernels/slot_case.h"

namespace temper::kernels {
namespace {

TEST(SlotsTest, AreInTheOrderOfExpertsAndThenOfTokens) {
  const auto device = OpenCpuDevice(2);
  for (const SlotCase& one : SlotCases()) {
    Slots got = {std::vector<int32_t>(one.shape.experts + 1, -1),
                 std::vector<int32_t>(one.chosen.size(), -1),
                 std::vector<int32_t>(one.chosen.size(), -1)};
    device->ops().assign_slots(device->stream(), one.shape, one.tokens, one.chosen.data(),
                               {got.first.data(), got.slots.data(), got.rows.data()});
    EXPECT_EQ(got, one.Expected()) << one.shape.experts << " experts, " << one.tokens << " tokens";
  }
}

TEST(SlotsDeathTest, StopsAtAnExpertThatIsNone) {
  const auto device = OpenCpuDevice(1);
  const int32_t chosen[] = {3};
  int32_t first[4], slots[1], rows[1];
  EXPECT_DEATH(device->ops().assign_slots(device->stream(), {.experts = 3, .chosen = 1}, 1, chosen,
                                          {first, slots, rows}),
               "kernel check failed");
}

}  // namespace
}  // namespace temper::kernels
