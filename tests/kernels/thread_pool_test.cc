// The thread pool runs every item once, whatever the number of threads, also after it has slept.
#include "kernels/cpu/thread_pool.h"

#include <atomic>
#include <chrono>
#include <numeric>
#include <thread>
#include <vector>

#include "gtest/gtest.h"

namespace temper::kernels::cpu {
namespace {

TEST(ThreadPoolTest, RunsEveryItemExactlyOnce) {
  for (const int threads : {1, 2, 4}) {
    ThreadPool pool(threads);
    EXPECT_EQ(pool.size(), threads);
    for (const int64_t count : {0, 1, 2, 7, 1000}) {
      std::vector<int> seen(count, 0);  // unsynchronised on purpose: each item is one thread's
      pool.ParallelFor(count, [&](int64_t i) { ++seen[i]; });
      EXPECT_EQ(std::accumulate(seen.begin(), seen.end(), int64_t{0}), count);
      for (const int times : seen) EXPECT_EQ(times, 1);
    }
  }
}

TEST(ThreadPoolTest, ManyShortJobsInARowSeeEachOthersResults) {
  ThreadPool pool(3);
  // Each job reads what the job before wrote, at another place: wrong if jobs overlapped.
  std::vector<int64_t> from(64, 0), to(64, 0);
  const int64_t jobs = 3000;
  for (int64_t job = 0; job < jobs; ++job) {
    pool.ParallelFor(64, [&](int64_t i) { to[i] = from[(i + 1) % 64] + 1; });
    std::swap(from, to);
  }
  for (const int64_t value : from) EXPECT_EQ(value, jobs);
}

TEST(ThreadPoolTest, WakesThreadsThatHaveGoneToSleep) {
  ThreadPool pool(2);
  for (int round = 0; round < 5; ++round) {
    std::this_thread::sleep_for(std::chrono::milliseconds(2));
    // Two items that wait for each other: only two awake threads can finish them.
    std::atomic<int> inside{0};
    pool.ParallelFor(2, [&](int64_t) {
      inside.fetch_add(1);
      while (inside.load() < 2) std::this_thread::yield();
    });
    EXPECT_EQ(inside.load(), 2);
  }
}

TEST(ThreadPoolTest, TheCallerWaitsForASlowItemOfAnotherThread) {
  ThreadPool pool(2);
  std::atomic<int> finished{0};
  const std::thread::id caller = std::this_thread::get_id();
  std::atomic<int> inside{0};
  pool.ParallelFor(2, [&](int64_t) {
    inside.fetch_add(1);
    while (inside.load() < 2) std::this_thread::yield();
    if (std::this_thread::get_id() != caller) {
      std::this_thread::sleep_for(std::chrono::milliseconds(5));
    }
    finished.fetch_add(1);
  });
  EXPECT_EQ(finished.load(), 2);
}

TEST(ThreadPoolTest, RangesCoverTheWholeWithoutOverlap) {
  ThreadPool pool(2);
  std::vector<int> seen(1003, 0);
  pool.ParallelRanges(1003, 64, [&](int64_t begin, int64_t end) {
    EXPECT_LE(end - begin, 64);
    EXPECT_LT(begin, end);
    for (int64_t i = begin; i < end; ++i) ++seen[i];
  });
  for (const int times : seen) EXPECT_EQ(times, 1);
}

}  // namespace
}  // namespace temper::kernels::cpu
