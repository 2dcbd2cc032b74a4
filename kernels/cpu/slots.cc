// Gives every choice of a router its slot: a counting sort by expert, stable in the choices.
#include <algorithm>
#include <vector>

#include "kernels/check.h"
#include "kernels/cpu/ops_internal.h"

namespace temper::kernels::cpu {

void AssignSlots(Stream&, const RouterShape& shape, int64_t tokens, const int32_t* chosen,
                 const SlotLists& lists) {
  const int64_t count = tokens * shape.chosen;
  std::vector<int32_t> next(shape.experts + 1, 0);  // the next slot of each expert
  for (int64_t i = 0; i < count; ++i) {
    TEMPER_KERNEL_CHECK(chosen[i] >= 0 && chosen[i] < shape.experts);
    ++next[chosen[i] + 1];
  }
  for (int64_t e = 0; e < shape.experts; ++e) next[e + 1] += next[e];
  std::copy(next.begin(), next.end(), lists.first);
  for (int64_t i = 0; i < count; ++i) {
    const int32_t slot = next[chosen[i]]++;
    lists.slots[i] = slot;
    lists.rows[slot] = static_cast<int32_t>(i / shape.chosen);
  }
}

}  // namespace temper::kernels::cpu
