// Gives every choice of a router its slot, on the device, in the order that a stable sort by expert
// gives.
//
// A block an expert: it reads all choices and counts those for the experts before its own, so that
// blocks need nothing of each other. That is experts times choices of reading, from the
// second-level cache: little beside the experts' products, for any number of either.
#include <cstdint>
#include <limits>

#include "kernels/check.h"
#include "kernels/cuda/launch.h"
#include "kernels/cuda/ops_internal.h"

namespace temper::kernels::cuda {

namespace {

constexpr int kThreads = 256;
constexpr int kWarps = kThreads / kWarp;

// Each warp has a stretch of the choices, in order: it counts them, and once it knows what stands
// before its own, it gives them their slots.
__global__ void __launch_bounds__(kThreads)
    AssignSlotsKernel(const int32_t* chosen, int count, int chosen_each, SlotLists lists) {
  __shared__ int shared[kWarps], of_warp[kWarps];
  const int expert = static_cast<int>(blockIdx.x);
  const int warp = static_cast<int>(threadIdx.x) / kWarp;
  const int lane = static_cast<int>(threadIdx.x) % kWarp;
  const int stretch = (count + kWarps - 1) / kWarps;
  const int begin = warp * stretch;
  const int end = count - begin < stretch ? count : begin + stretch;

  int before = 0, own = 0;
#pragma unroll 4
  for (int i = begin + lane; i < end; i += kWarp) {
    const int chosen_expert = chosen[i];
    before += chosen_expert < expert;
    own += chosen_expert == expert;
  }
  own = WarpSum(own);
  if (lane == 0) of_warp[warp] = own;
  int slot = BlockSum(before, shared, kThreads);
  if (threadIdx.x == 0) {
    lists.first[expert] = slot;
    if (blockIdx.x == gridDim.x - 1) lists.first[gridDim.x] = count;
  }
  if (own == 0) return;  // the same for the whole warp
  for (int w = 0; w < warp; ++w) slot += of_warp[w];
#pragma unroll 4
  for (int first = begin; first < end; first += kWarp) {
    const int i = first + lane;
    const bool is_own = i < end && chosen[i] == expert;
    const unsigned lanes = __ballot_sync(kAllLanes, is_own);
    if (is_own) {
      const int at = slot + __popc(lanes & ((1u << lane) - 1));
      lists.slots[i] = at;
      lists.rows[at] = i / chosen_each;
    }
    slot += __popc(lanes);
  }
}

void AssignSlots(Stream& stream, const RouterShape& shape, int64_t tokens, const int32_t* chosen,
                 const SlotLists& lists) {
  const int64_t count = tokens * shape.chosen;
  TEMPER_KERNEL_CHECK(shape.experts >= 1 && shape.chosen >= 1);
  TEMPER_KERNEL_CHECK(count <= std::numeric_limits<int32_t>::max() - kThreads);
  CudaStream& cuda = BeginOp(stream);
  TEMPER_LAUNCH(AssignSlotsKernel, cuda, dim3(static_cast<unsigned>(shape.experts)), kThreads, 0,
                chosen, static_cast<int>(count), static_cast<int>(shape.chosen), lists);
}

}  // namespace

void AddSlotOps(Ops& ops) { ops.assign_slots = AssignSlots; }

}  // namespace temper::kernels::cuda
