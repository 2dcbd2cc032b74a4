// Sending events to one watcher.
#include "orchestrator/controller/event_stream.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "base/grpc_status.h"

namespace temper::orchestrator {

size_t EventStream::Room(absl::Duration uptime) {
  {
    MutexLock lock(mutex_);
    if (closed_ || finished_) return 0;
    if (waiting_.empty() || sent_ != sent_before_) moved_at_ = uptime;
    sent_before_ = sent_;
    moved_at_ = std::min(moved_at_, uptime);
    if (uptime - moved_at_ < kSilenceMax) return kWaitingMax - waiting_.size();
    status_ = absl::AbortedError(
        absl::StrCat("no event was taken for a minute; come back with from_sequence ",
                     waiting_.front().event().sequence()));
    waiting_.resize(writing_ ? 1 : 0);  // the write under way is gRPC's
    closed_ = true;
    if (!writing_ || done_) {
      Step();
      return 0;
    }
    cancelling_ = true;  // that write would never end
  }
  context_->TryCancel();  // without the lock: gRPC may call back from here
  MutexLock lock(mutex_);
  cancelling_ = false;
  mutex_.Changed();
  return 0;
}

void EventStream::Offer(v1::RunEvent event) {
  next_sequence_ = event.sequence() + 1;
  MutexLock lock(mutex_);
  *waiting_.emplace_back().mutable_event() = std::move(event);
  Step();
}

void EventStream::Close(const absl::Status& status) {
  MutexLock lock(mutex_);
  if (!closed_) status_ = status;
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
    Finish(ToGrpc(status_));
  }
}

void EventStream::OnWriteDone(bool ok) {
  MutexLock lock(mutex_);
  writing_ = false;
  ++sent_;
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
  // The context goes when this returns.
  mutex_.Await(Wait::OrFail("the end of a cancelling", absl::Seconds(30)),
               [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return !cancelling_; });
  done_ = true;
}

}  // namespace temper::orchestrator
