// A replay in a process of its own: started, listened to, ended.
//
// The child is this very program with a hidden verb; it says what it does as JSON lines on stdout
// (replay_lines.h). One at a time. A thread of its own starts the child, reads it and waits for its
// end; it calls back. Start() and Cancel() may be called from any one thread.
#pragma once

#include <atomic>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "base/stop.h"
#include "base/thread.h"
#include "temper/v1/controller.pb.h"

namespace temper::orchestrator {

class ReplayProcess {
 public:
  struct Child {
    std::string program;
    std::vector<std::string> arguments;  // argv[1..]
    std::string log_path;                // its stderr is appended here
    absl::Duration deadline = absl::Hours(2);
    int nice = 10;  // lower priority than the run's
  };
  // On the process's own thread; must not block for long.
  using Deliver = std::function<void(const v1::ReplayResponse&)>;
  // Once, last. OK: a report was delivered. CANCELLED, DEADLINE_EXCEEDED: it was killed for that.
  using Ended = std::function<void(const absl::Status&)>;

  ReplayProcess() = default;
  ~ReplayProcess();  // kills what runs and waits for it
  ReplayProcess(const ReplayProcess&) = delete;

  // RESOURCE_EXHAUSTED: one is at work; nothing was called then.
  absl::Status Start(Child child, Deliver deliver, Ended ended);
  // Kills it; `ended` is called soon, with CANCELLED unless it had ended before.
  void Cancel() { cancel_.store(true); }
  bool busy() const { return busy_.load(); }

 private:
  void Run(const Child& child, const Deliver& deliver, const Ended& ended);

  std::atomic<bool> busy_{false};
  std::atomic<bool> cancel_{false};
  Thread thread_;
};

}  // namespace temper::orchestrator
