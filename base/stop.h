// A request to end, that any thread or signal may raise and every loop looks at.
#pragma once

#include <atomic>

namespace temper {

class StopToken {
 public:
  void Stop() { stopped_.store(true, std::memory_order_release); }
  bool stopped() const { return stopped_.load(std::memory_order_acquire); }

 private:
  std::atomic<bool> stopped_{false};
};

// SIGINT and SIGTERM raise the returned token (one per process); a second one ends the process at
// once.
StopToken& StopOnSignals();

}  // namespace temper
