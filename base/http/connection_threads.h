// The threads that serve HTTP connections: a fixed number, and a bounded line before them.
//
// When the line is full the accepting thread waits, and the kernel's backlog refuses the rest.
#pragma once

#include <functional>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "base/bounded_queue.h"
#include "base/thread.h"
#include "base/wait.h"
#include "httplib.h"

namespace temper {

class ConnectionThreads : public httplib::TaskQueue {
 public:
  ConnectionThreads(int threads, int waiting_max) : waiting_(static_cast<size_t>(waiting_max)) {
    for (int i = 0; i < threads; ++i) {
      threads_.emplace_back("http", [this] { Serve(); });
    }
  }

  // A connection that is handed over is always served: dropping it would leave its socket open.
  void enqueue(std::function<void()> connection) override {
    const Waiting waiting(Wait::OrRetry("room for a connection", absl::Minutes(1)));
    while (!waiting_.TryPush(connection)) (void)waiting.Nap(absl::Milliseconds(10));
  }

  // After the last enqueue.
  void shutdown() override {
    waiting_.Close();
    for (Thread& thread : threads_) thread.Join(kLoopEnd, WaitPolicy::kFail);
  }

 private:
  void Serve() {
    for (;;) {
      std::optional<std::function<void()>> connection =
          waiting_.Pop(Wait::ForWork("a connection", absl::Seconds(1)));
      if (connection.has_value()) {
        (*connection)();
      } else if (waiting_.closed()) {
        return;
      }
    }
  }

  BoundedQueue<std::function<void()>> waiting_;
  std::vector<Thread> threads_;
};

}  // namespace temper
