// The one lock of the program: std::mutex with absl's annotations, and a wait with name and
// deadline.
//
// Not absl::Mutex, because Debian's library is built without ThreadSanitizer's annotations: every
// access under such a lock would be reported as a race. pthread's locks are seen by it. Any thread.
#pragma once

#include <condition_variable>
#include <mutex>

#include "absl/base/thread_annotations.h"
#include "base/wait.h"

namespace temper {

class ABSL_LOCKABLE Mutex {
 public:
  void Lock() ABSL_EXCLUSIVE_LOCK_FUNCTION() { mutex_.lock(); }
  void Unlock() ABSL_UNLOCK_FUNCTION() { mutex_.unlock(); }

  // Wakes those who wait in Await: whoever changes what they wait for calls it, holding the lock.
  void Changed() ABSL_EXCLUSIVE_LOCKS_REQUIRED(this) { changed_.notify_all(); }

  // Lets go of the lock until `ready()` holds or the time is over; says whether it holds. Not
  // listed where it holds already.
  template <class Ready>
  bool Await(const Wait& wait, Ready ready) ABSL_EXCLUSIVE_LOCKS_REQUIRED(this)
      ABSL_NO_THREAD_SAFETY_ANALYSIS {  // `ready` names this lock in its own way
    if (ready()) return true;
    if (wait.timeout() <= absl::ZeroDuration()) return false;
    const Waiting waiting(wait);
    std::unique_lock<std::mutex> held(mutex_, std::adopt_lock);
    const bool holds = changed_.wait_for(held, absl::ToChronoNanoseconds(wait.timeout()), ready);
    held.release();  // the caller's still
    return holds;
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
};

class ABSL_SCOPED_LOCKABLE MutexLock {
 public:
  explicit MutexLock(Mutex& mutex) ABSL_EXCLUSIVE_LOCK_FUNCTION(mutex) : mutex_(mutex) {
    mutex_.Lock();
  }
  ~MutexLock() ABSL_UNLOCK_FUNCTION() { mutex_.Unlock(); }
  MutexLock(const MutexLock&) = delete;
  MutexLock& operator=(const MutexLock&) = delete;

 private:
  Mutex& mutex_;
};

}  // namespace temper
