// Every blocking wait is an object: it has a name, an owner, a deadline and a policy, and can be
// listed with its age while it lasts.
//
// What blocks in this program takes a Wait (Mutex::Await, BoundedQueue::Pop, StopToken::WaitFor,
// Thread::Join, BlockingCall, and what base/blocking.h offers); a test sees to it that nothing else
// blocks. The list is of this process and hidden behind these functions, as its log is: a wait
// that somebody could forget to hand to the list would be a silent one. Any thread.
#pragma once

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/time.h"

namespace temper {

// What happens when the deadline passes.
enum class WaitPolicy {
  kRetry,  // it is tried again, perhaps elsewhere
  kDrop,   // what was waited for is given up, and the waiting one goes on
  kFail,   // the call, or the process, ends with an error
  kIdle,   // waits for work: the deadline only bounds how soon a stop is seen
};

// A name that is a literal costs nothing.
class WaitName {
 public:
  template <size_t kSize>
  WaitName(const char (&literal)[kSize]) : constant_(literal) {}
  template <size_t kSize>
  WaitName(char (&)[kSize]) = delete;  // may change
  WaitName(std::string made) : made_(std::move(made)) {}
  std::string text() const { return constant_ != nullptr ? constant_ : made_; }

 private:
  const char* constant_ = nullptr;
  std::string made_;
};

// What is waited for, for people ("the answer of the judge"), from now on for `timeout` at most.
class Wait {
 public:
  static Wait OrRetry(WaitName what, absl::Duration timeout) {
    return Wait(std::move(what), timeout, WaitPolicy::kRetry);
  }
  static Wait OrDrop(WaitName what, absl::Duration timeout) {
    return Wait(std::move(what), timeout, WaitPolicy::kDrop);
  }
  static Wait OrFail(WaitName what, absl::Duration timeout) {
    return Wait(std::move(what), timeout, WaitPolicy::kFail);
  }
  static Wait ForWork(WaitName what, absl::Duration period) {
    return Wait(std::move(what), period, WaitPolicy::kIdle);
  }

  const WaitName& name() const { return name_; }
  absl::Duration timeout() const { return timeout_; }
  WaitPolicy policy() const { return policy_; }

 private:
  // Dies of an infinite timeout.
  Wait(WaitName name, absl::Duration timeout, WaitPolicy policy);

  WaitName name_;
  absl::Duration timeout_;
  WaitPolicy policy_;
};

struct ThreadWaits;

// On the list for as long as it lives, on the stack of the thread that waits.
class Waiting {
 public:
  explicit Waiting(Wait wait);
  ~Waiting();
  Waiting(const Waiting&) = delete;
  Waiting& operator=(const Waiting&) = delete;

  // Until the deadline; not below zero.
  absl::Duration left() const;
  // Sleeps for `pause`, but not beyond the deadline; false once that has passed. For what can only
  // be asked about again and again.
  bool Nap(absl::Duration pause) const;

 private:
  friend struct ThreadWaits;
  const Wait wait_;
  ThreadWaits& thread_;
  const absl::Duration began_;
  Waiting* outer_ = nullptr;  // of the same thread
};

// Sleeps for the wait's whole time. Where a stop may come, StopToken::WaitFor does better.
void Sleep(Wait wait);

// Names the calling thread as the owner of its waits ("engine", "run arithmetic"), also for the
// operating system's tools; after it the name before counts again.
class ThreadName {
 public:
  explicit ThreadName(std::string name, std::string run = "");
  ~ThreadName();
  ThreadName(const ThreadName&) = delete;
  ThreadName& operator=(const ThreadName&) = delete;

 private:
  std::string name_before_;
  std::string run_before_;
};

struct WaitReport {
  std::string name;
  std::string owner;
  std::string run;  // empty where it belongs to none
  absl::Duration age;
  absl::Duration timeout;
  WaitPolicy policy;
};

// What this process's clock of waits says now.
absl::Duration WaitClockNow();

// All waits that are at least so old, the oldest first. `now` is for tests.
std::vector<WaitReport> CurrentWaits(absl::Duration older_than,
                                     absl::Duration now = WaitClockNow());

}  // namespace temper
