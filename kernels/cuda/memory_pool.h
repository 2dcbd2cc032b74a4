// Keeps device memory that was given back, for the next who asks for about as much.
//
// States and pages of sequences come and go with every sample, and CUDA's own free stops all streams
// until the device is idle. What is given back may still be read by kernels under way: whoever gets
// it next uses it on the same stream, after them. Used on the device's thread.
#pragma once

#include <cstdint>
#include <map>
#include <vector>

namespace temper::kernels::cuda {

class MemoryPool {
 public:
  MemoryPool() = default;
  MemoryPool(const MemoryPool&) = delete;
  MemoryPool& operator=(const MemoryPool&) = delete;
  ~MemoryPool() { Release(); }

  // At least `bytes`. Stops the process where there is no room, also without what is kept.
  void* Take(int64_t bytes);
  // As it was taken, with the same `bytes`.
  void Give(void* memory, int64_t bytes);
  // Kept and in nobody's use.
  int64_t idle_bytes() const { return idle_bytes_; }

  // What is taken for so many bytes: an eighth more at most.
  static int64_t Rounded(int64_t bytes);

 private:
  void Release();

  std::map<int64_t, std::vector<void*>> idle_;  // by size
  int64_t idle_bytes_ = 0;
};

}  // namespace temper::kernels::cuda
