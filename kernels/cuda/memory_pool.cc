// Lists of blocks of one size.
#include "kernels/cuda/memory_pool.h"

#include <algorithm>
#include <bit>

#include "kernels/cuda/runtime.h"

namespace temper::kernels::cuda {

namespace {

constexpr int64_t kUnit = 512;
// Larger blocks are weights and the like, which rarely come again in the same size.
constexpr int64_t kKeptMax = int64_t{64} << 20;

}  // namespace

int64_t MemoryPool::Rounded(int64_t bytes) {
  const auto wanted = static_cast<uint64_t>(std::max<int64_t>(bytes, 1));
  const int64_t step = std::max(kUnit, static_cast<int64_t>(std::bit_floor(wanted) / 8));
  return (static_cast<int64_t>(wanted) + step - 1) / step * step;
}

void* MemoryPool::Take(int64_t bytes) {
  const int64_t size = Rounded(bytes);
  if (const auto kept = idle_.find(size); kept != idle_.end()) {
    void* const memory = kept->second.back();
    kept->second.pop_back();
    if (kept->second.empty()) idle_.erase(kept);
    idle_bytes_ -= size;
    return memory;
  }
  if (void* const memory = TryAllocateOnDevice(size); memory != nullptr) return memory;
  Release();
  return AllocateOnDevice(size);
}

void MemoryPool::Give(void* memory, int64_t bytes) {
  const int64_t size = Rounded(bytes);
  if (size > kKeptMax) {
    FreeOnDevice(memory);
    return;
  }
  idle_[size].push_back(memory);
  idle_bytes_ += size;
}

void MemoryPool::Release() {
  for (const auto& [size, blocks] : idle_) {
    for (void* const memory : blocks) FreeOnDevice(memory);
  }
  idle_.clear();
  idle_bytes_ = 0;
}

}  // namespace temper::kernels::cuda
