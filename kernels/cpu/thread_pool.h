// Shares the items of one op among a fixed set of threads.
//
// Owned by a CpuStream and called from one thread, which takes part in the work. Threads between
// ops spin for a moment and then sleep, since several processes may share few cores.
#pragma once

#include <atomic>
#include <cstdint>
#include <thread>
#include <vector>

#include "absl/functional/function_ref.h"

namespace temper::kernels::cpu {

class ThreadPool {
 public:
  // `threads` counts the caller: ThreadPool(1) starts no thread. At least 1.
  explicit ThreadPool(int threads);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  // Calls item(i) once for each i in [0, count), in any order, on any thread; returns when all are
  // done. No result may depend on which thread takes which item. Not re-entrant: an item must not
  // call ParallelFor.
  void ParallelFor(int64_t count, absl::FunctionRef<void(int64_t)> item);

  // Calls range(begin, end) for consecutive ranges of at most `grain` that cover [0, count).
  void ParallelRanges(int64_t count, int64_t grain,
                      absl::FunctionRef<void(int64_t, int64_t)> range);

  int size() const { return static_cast<int>(workers_.size()) + 1; }

 private:
  using Item = absl::FunctionRef<void(int64_t)>;

  void Work();
  // Takes items of the published job until none is left.
  void TakeItems();
  void Publish(uint32_t count, const Item& item);
  void AwaitDone(uint32_t count);

  // Job number in the upper half, next item in the lower one: a late thread's claim on an old job
  // fails.
  std::atomic<uint64_t> ticket_;
  std::atomic<uint32_t> count_{0};
  std::atomic<const Item*> item_{nullptr};
  std::atomic<uint32_t> done_{0};
  std::atomic<bool> caller_sleeps_{false};

  std::atomic<uint32_t> wake_{0};  // changes with every job, and at the end
  std::atomic<int> sleepers_{0};
  std::atomic<bool> stopping_{false};
  std::vector<std::thread> workers_;
};

}  // namespace temper::kernels::cpu
