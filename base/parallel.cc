// Threads take the next item until none is left.
#include "base/parallel.h"

#include <algorithm>
#include <atomic>
#include <thread>
#include <vector>

#include "base/thread.h"

namespace temper {

void ForEachInParallel(int64_t count, int64_t threads_max, absl::FunctionRef<void(int64_t)> item) {
  std::atomic<int64_t> next = 0;
  const auto work = [&] {
    for (int64_t i = next++; i < count; i = next++) item(i);
  };
  const int64_t cores = std::max<int64_t>(1, std::thread::hardware_concurrency());
  std::vector<Thread> others;
  for (int64_t i = 1; i < std::min({cores, count, threads_max}); ++i) {
    others.emplace_back("parallel items", work);
  }
  work();
  for (Thread& other : others) other.Join(absl::Minutes(1), WaitPolicy::kRetry);
}

}  // namespace temper
