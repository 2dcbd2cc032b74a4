// Sending events to one watcher.
#include "orchestrator/event_stream.h"

namespace temper::orchestrator {

size_t EventStream::Room() {
  MutexLock lock(mutex_);
  return closed_ || finished_ ? 0 : kWaitingMax - waiting_.size();
}

void EventStream::Offer(v1::RunEvent event) {
  next_sequence_ = event.sequence() + 1;
  MutexLock lock(mutex_);
  *waiting_.emplace_back().mutable_event() = std::move(event);
  Step();
}

void EventStream::Close() {
  MutexLock lock(mutex_);
  closed_ = true;
  Step();
}

bool EventStream::done() {
  MutexLock lock(mutex_);
  return done_;
}

void EventStream::Step() {
  if (writing_ || finished_) return;
  if (!waiting_.empty()) {
    writing_ = true;
    StartWrite(&waiting_.front());
  } else if (closed_) {
    finished_ = true;
    Finish(grpc::Status::OK);
  }
}

void EventStream::OnWriteDone(bool ok) {
  MutexLock lock(mutex_);
  writing_ = false;
  waiting_.pop_front();
  if (!ok) {
    waiting_.clear();
    closed_ = true;
  }
  Step();
}

void EventStream::OnCancel() {
  MutexLock lock(mutex_);
  closed_ = true;
  if (!writing_) waiting_.clear();
  Step();
}

void EventStream::OnDone() {
  std::shared_ptr<EventStream> self = std::move(self_);  // freed after the lock
  MutexLock lock(mutex_);
  done_ = true;
}

}  // namespace temper::orchestrator
