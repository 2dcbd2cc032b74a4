// The one way by which work passes between two threads.
//
// Refusing is a normal answer: TryPush says false when the queue is full or closed. Any thread.
#pragma once

#include <cstddef>
#include <deque>
#include <optional>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "base/mutex.h"
#include "base/wait.h"

namespace temper {

template <class T>
class BoundedQueue {
 public:
  explicit BoundedQueue(size_t items_max) : items_max_(items_max) {}

  [[nodiscard]] bool TryPush(T item) ABSL_LOCKS_EXCLUDED(mutex_) {
    MutexLock lock(mutex_);
    if (closed_ || items_.size() >= items_max_) return false;
    items_.push_back(std::move(item));
    mutex_.Changed();
    return true;
  }

  // Empty when nothing came in time, or once closed and drained; closed() tells which.
  std::optional<T> Pop(const Wait& wait) ABSL_LOCKS_EXCLUDED(mutex_) {
    MutexLock lock(mutex_);
    mutex_.Await(wait, [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return Ready(); });
    return Take();
  }
  std::optional<T> TryPop() ABSL_LOCKS_EXCLUDED(mutex_) {
    MutexLock lock(mutex_);
    return Take();
  }

  // Refuses what comes; what is inside can still be popped.
  void Close() ABSL_LOCKS_EXCLUDED(mutex_) {
    MutexLock lock(mutex_);
    closed_ = true;
    mutex_.Changed();
  }
  bool closed() const ABSL_LOCKS_EXCLUDED(mutex_) {
    MutexLock lock(mutex_);
    return closed_;
  }
  size_t size() const ABSL_LOCKS_EXCLUDED(mutex_) {
    MutexLock lock(mutex_);
    return items_.size();
  }

 private:
  std::optional<T> Take() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    if (items_.empty()) return std::nullopt;
    std::optional<T> item(std::move(items_.front()));
    items_.pop_front();
    return item;
  }
  bool Ready() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return closed_ || !items_.empty(); }

  const size_t items_max_;
  mutable Mutex mutex_;
  std::deque<T> items_ ABSL_GUARDED_BY(mutex_);
  bool closed_ ABSL_GUARDED_BY(mutex_) = false;
};

}  // namespace temper
