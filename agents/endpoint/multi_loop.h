// The one thread on which all endpoints of a process live: tasks, timers and libcurl's transfers.
//
// Post may be called from any thread; everything else on the loop's own. Whoever posts outlives
// what was posted.
#pragma once

#include <curl/curl.h>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/container/flat_hash_map.h"
#include "absl/time/time.h"
#include "base/clock.h"
#include "base/mutex.h"
#include "base/stop.h"
#include "base/thread.h"

namespace temper::agents {

class MultiLoop {
 public:
  // `stop`: null, or what raises OnStop. Both outlive the loop.
  MultiLoop(const Clock& clock, const StopToken* stop);
  ~MultiLoop();

  void Post(std::function<void()> task) ABSL_LOCKS_EXCLUDED(mutex_);
  // Runs `task` on the loop and waits for its end. Not on the loop itself.
  void Run(std::function<void()> task);

  using Timer = std::pair<absl::Duration, uint64_t>;
  Timer After(absl::Duration pause, std::function<void()> task);
  void Drop(const Timer& timer) { timers_.erase(timer); }

  // Once, when the stop has come; at once where it had. The number is for ForgetStop.
  uint64_t OnStop(std::function<void()> task);
  void ForgetStop(uint64_t number) { on_stop_.erase(number); }

  // Carries the transfer out; `ended` comes once, never from within, unless it is stopped first.
  void StartTransfer(CURL* easy, std::function<void(CURLcode)> ended);
  void StopTransfer(CURL* easy);  // closes its connection, where it is under way

  absl::Duration Now() const { return clock_.Uptime(); }
  absl::Time Date() const { return clock_.Now(); }
  bool stopped() const { return stopped_; }

 private:
  void Loop();
  bool RunTasks() ABSL_LOCKS_EXCLUDED(mutex_);
  void RunTimers();
  void MoveTransfers();
  void WaitForNews();

  const Clock& clock_;
  const StopToken* const stop_;
  CURLM* const multi_;

  mutable Mutex mutex_;
  std::vector<std::function<void()>> tasks_ ABSL_GUARDED_BY(mutex_);
  bool closing_ ABSL_GUARDED_BY(mutex_) = false;

  // The loop's own.
  std::vector<std::function<void()>> running_;
  std::map<Timer, std::function<void()>> timers_;
  std::map<uint64_t, std::function<void()>> on_stop_;
  absl::flat_hash_map<CURL*, std::function<void(CURLcode)>> transfers_;
  uint64_t last_number_ = 0;
  bool stopped_ = false;

  Thread thread_;
};

}  // namespace temper::agents
