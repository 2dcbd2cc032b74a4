// A request to end, that any thread or signal may raise and every loop looks at.
#pragma once

#include <atomic>

#include "base/unique_fd.h"
#include "base/wait.h"

namespace temper {

class StopToken {
 public:
  StopToken();

  void Stop();
  bool stopped() const { return stopped_.load(std::memory_order_acquire); }

  // Waits for the stop; says whether it has come.
  bool WaitFor(Wait wait) const;
  // Readable once stopped: for those who poll for other things too.
  int descriptor() const { return raised_.get(); }

 private:
  std::atomic<bool> stopped_{false};
  const UniqueFd raised_;  // an eventfd that nobody reads
};

// SIGINT and SIGTERM raise the returned token (one per process); a second one ends the process at
// once.
StopToken& StopOnSignals();

}  // namespace temper
