// Scores items: cache, worker processes, callers of other services, one outcome for each item.
//
// One loop thread owns all state; Submit() checks and enqueues on the caller's thread, outcomes are
// delivered on the loop's. `temper reward` serves it on the wire; `temper verify` and `temper eval`
// use it as it is.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "base/bounded_queue.h"
#include "base/thread.h"
#include "base/unique_fd.h"
#include "reward/pool/pool.h"
#include "temper/v1/reward.pb.h"

namespace temper::reward {

class Scorer {
 public:
  struct Options {
    Pool::Options pool;
    size_t items_max = 65536;      // that wait or are being judged
    size_t cache_entries = 65536;  // judgements
    size_t quarantine_entries = 4096;
    int callers = 32;  // threads that wait for other services
  };
  // Called once for each item, on the loop thread; must not block.
  using Deliver = std::function<void(int index, temper::v1::ScoreResult result)>;

  explicit Scorer(const Options& options);
  ~Scorer();  // what is still inside ends as an internal error

  // INVALID_ARGUMENT: see request_check.h. RESOURCE_EXHAUSTED: items_max are inside. Nothing is
  // delivered for a request that was refused.
  absl::Status Submit(std::shared_ptr<const temper::v1::ScoreRequest> request, Deliver deliver);

  // The answer is delivered on the loop thread; none comes when the scorer is being destroyed.
  void AskStatistics(std::function<void(const temper::v1::GetStatisticsResponse&)> deliver);

  // Items that got their outcome since the start, for heartbeats.
  const std::atomic<int64_t>& progress() const { return scored_; }
  int64_t inside() const { return inside_.load(); }

 private:
  class Loop;
  struct Inbox;

  const Options options_;
  std::atomic<int64_t> inside_{0};
  std::atomic<int64_t> scored_{0};
  std::unique_ptr<Inbox> inbox_;
  std::unique_ptr<Loop> loop_;
  Thread thread_;
};

}  // namespace temper::reward
