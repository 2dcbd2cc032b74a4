// Slots on the device are those that a plain loop over experts and choices gives.
#include <string>
#include <vector>

#include "gtest/gtest.h"
#include "tests/kernels/cuda/harness.h"
#include "tests/kernels/slot_case.h"

namespace temper::kernels {
namespace {

class CudaSlotsTest : public CudaTest {
 protected:
  Slots Assign(const SlotCase& one) {
    const auto choices = static_cast<int64_t>(one.chosen.size());
    const SlotLists lists = {.first = Unwritten(one.shape.experts + 1),
                             .slots = Unwritten(choices),
                             .rows = Unwritten(choices)};
    cuda().assign_slots(cuda_stream(), one.shape, one.tokens, Put(one.chosen.data(), choices),
                        lists);
    return {Get(lists.first, one.shape.experts + 1), Get(lists.slots, choices),
            Get(lists.rows, choices)};
  }
  int32_t* Unwritten(int64_t count) {
    return Put(std::vector<int32_t>(static_cast<size_t>(count), -1).data(), count);
  }
};

TEST_F(CudaSlotsTest, AreInTheOrderOfExpertsAndThenOfTokens) {
  for (const SlotCase& one : SlotCases()) {
    SCOPED_TRACE(std::to_string(one.shape.experts) + " experts, " + std::to_string(one.tokens) +
                 " tokens");
    TakeTurnsBackwards(false);
    EXPECT_EQ(Assign(one), one.Expected());
    TakeTurnsBackwards(true);
    EXPECT_EQ(Assign(one), one.Expected());
  }
}

}  // namespace
}  // namespace temper::kernels
