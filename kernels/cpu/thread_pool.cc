// Shares the items of one op: claims by compare-and-swap on a job ticket, spins briefly, then
// sleeps.
#include "kernels/cpu/thread_pool.h"

#include <algorithm>
#include <chrono>

#include "kernels/check.h"

namespace temper::kernels::cpu {
namespace {

constexpr uint32_t kClosed = 0xffffffffu;
constexpr auto kSpin = std::chrono::microseconds(40);

uint64_t Ticket(uint64_t job, uint32_t next) { return job << 32 | next; }
uint32_t Next(uint64_t ticket) { return static_cast<uint32_t>(ticket); }

void Pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#else
  std::this_thread::yield();
#endif
}

// Polls `ready` for about kSpin; false when the time is over.
template <class Ready>
bool SpinUntil(Ready ready) {
  const auto end = std::chrono::steady_clock::now() + kSpin;
  do {
    for (int i = 0; i < 64; ++i) {
      if (ready()) return true;
      Pause();
    }
  } while (std::chrono::steady_clock::now() < end);
  return false;
}

}  // namespace

ThreadPool::ThreadPool(int threads) : ticket_(Ticket(0, kClosed)) {
  TEMPER_KERNEL_CHECK(threads >= 1);
  workers_.reserve(threads - 1);
  for (int i = 1; i < threads; ++i) workers_.emplace_back([this] { Work(); });
}

ThreadPool::~ThreadPool() {
  stopping_.store(true);
  wake_.fetch_add(1);
  wake_.notify_all();
  for (std::thread& worker : workers_) worker.join();
}

void ThreadPool::ParallelFor(int64_t count, absl::FunctionRef<void(int64_t)> item) {
  TEMPER_KERNEL_CHECK(count < kClosed);
  if (workers_.empty() || count <= 1) {
    for (int64_t i = 0; i < count; ++i) item(i);
    return;
  }
  Publish(static_cast<uint32_t>(count), item);
  TakeItems();
  AwaitDone(static_cast<uint32_t>(count));
}

void ThreadPool::ParallelRanges(int64_t count, int64_t grain,
                                absl::FunctionRef<void(int64_t, int64_t)> range) {
  TEMPER_KERNEL_CHECK(grain > 0);
  ParallelFor((count + grain - 1) / grain,
              [&](int64_t i) { range(i * grain, std::min(count, (i + 1) * grain)); });
}

void ThreadPool::Publish(uint32_t count, const Item& item) {
  const uint64_t job = (ticket_.load(std::memory_order_relaxed) >> 32) + 1;
  // Close the ticket before the fields change: a thread that read the old ticket can then claim
  // nothing.
  ticket_.store(Ticket(job, kClosed));
  count_.store(count, std::memory_order_release);
  item_.store(&item, std::memory_order_release);
  done_.store(0, std::memory_order_relaxed);
  ticket_.store(Ticket(job + 1, 0));
  wake_.fetch_add(1);
  if (sleepers_.load() > 0) wake_.notify_all();
}

void ThreadPool::TakeItems() {
  uint64_t ticket = ticket_.load(std::memory_order_acquire);
  while (Next(ticket) != kClosed) {
    const uint32_t count = count_.load(std::memory_order_acquire);
    const Item* const item = item_.load(std::memory_order_acquire);
    if (Next(ticket) >= count) break;
    if (!ticket_.compare_exchange_weak(ticket, ticket + 1, std::memory_order_acq_rel)) continue;
    (*item)(Next(ticket));
    // Reported one by one: once the last is in, the caller may publish another job.
    if (done_.fetch_add(1) + 1 == count && caller_sleeps_.load()) done_.notify_one();
    ticket = ticket_.load(std::memory_order_acquire);
  }
}

void ThreadPool::AwaitDone(uint32_t count) {
  const auto finished = [&] { return done_.load(std::memory_order_acquire) == count; };
  if (SpinUntil(finished)) return;
  caller_sleeps_.store(true);
  for (uint32_t done = done_.load(); done != count; done = done_.load()) done_.wait(done);
  caller_sleeps_.store(false);
}

void ThreadPool::Work() {
  const auto job_waits = [this] {
    const uint64_t ticket = ticket_.load(std::memory_order_acquire);
    return stopping_.load(std::memory_order_relaxed) ||
           (Next(ticket) != kClosed && Next(ticket) < count_.load(std::memory_order_acquire));
  };
  while (!stopping_.load()) {
    const uint32_t wake = wake_.load();
    if (SpinUntil(job_waits)) {
      TakeItems();
      continue;
    }
    sleepers_.fetch_add(1);
    wake_.wait(wake);
    sleepers_.fetch_sub(1);
  }
}

}  // namespace temper::kernels::cpu
