// A thread with a name, whose end is waited for with a deadline.
//
// The name is the owner of the thread's waits. One thread owns the object.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <thread>

#include "absl/time/time.h"
#include "base/wait.h"

namespace temper {

// How long the end of a loop that has been told to stop may take: far more than its longest turn.
inline constexpr absl::Duration kLoopEnd = absl::Minutes(5);

class Thread {
 public:
  Thread();  // none
  Thread(std::string name, std::function<void()> body);
  Thread(Thread&&) noexcept;
  Thread& operator=(Thread&&) noexcept;
  ~Thread();  // joined, or none

  bool joinable() const { return thread_.joinable(); }

  // Waits for its end. When `timeout` has passed: kFail ends the process, whose threads can no
  // longer be trusted to end; kRetry says so in the log and waits again.
  void Join(absl::Duration timeout, WaitPolicy policy);

 private:
  struct Progress;

  std::string name_;
  std::shared_ptr<Progress> progress_;
  std::thread thread_;
};

}  // namespace temper
