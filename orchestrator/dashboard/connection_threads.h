// The threads that serve HTTP connections: a fixed number, and a bounded line before them.
//
// When the line is full the accepting thread waits, and the kernel's backlog refuses the rest.
#pragma once

#include <functional>
#include <thread>
#include <utility>
#include <vector>

#include "absl/time/clock.h"
#include "base/bounded_queue.h"
#include "httplib.h"

namespace temper::orchestrator {

class ConnectionThreads : public httplib::TaskQueue {
 public:
  ConnectionThreads(int threads, int waiting_max) : waiting_(static_cast<size_t>(waiting_max)) {
    for (int i = 0; i < threads; ++i) {
      threads_.emplace_back([this] { Serve(); });
    }
  }

  // A connection that is handed over is always served: dropping it would leave its socket open.
  void enqueue(std::function<void()> connection) override {
    while (!waiting_.TryPush(connection)) absl::SleepFor(absl::Milliseconds(10));
  }

  // After the last enqueue.
  void shutdown() override {
    waiting_.Close();
    for (std::thread& thread : threads_) thread.join();
  }

 private:
  void Serve() {
    for (;;) {
      std::optional<std::function<void()>> connection = waiting_.Pop(absl::Seconds(1));
      if (connection.has_value()) {
        (*connection)();
      } else if (waiting_.closed()) {
        return;
      }
    }
  }

  BoundedQueue<std::function<void()>> waiting_;
  std::vector<std::thread> threads_;
};

}  // namespace temper::orchestrator
