// One caller of Watch: a bounded line of events between the controller's loop and gRPC.
//
// The loop reads events from the ledger and offers them; gRPC's threads send. A slow reader keeps
// at most kWaitingMax events in memory, and one that takes nothing for kSilenceMax is sent away.
#pragma once

#include <deque>
#include <memory>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/time/time.h"
#include "base/mutex.h"
#include "grpcpp/support/server_callback.h"
#include "temper/v1/controller.grpc.pb.h"

namespace temper::orchestrator {

class EventStream : public grpc::ServerWriteReactor<v1::WatchResponse> {
 public:
  static constexpr size_t kWaitingMax = 256;
  static constexpr absl::Duration kSilenceMax = absl::Minutes(1);

  EventStream(grpc::CallbackServerContext* context, int64_t from_sequence)
      : context_(context), next_sequence_(from_sequence) {}

  // gRPC deletes nothing: the stream lives while gRPC or the loop holds it.
  void KeepAlive(std::shared_ptr<EventStream> self) { self_ = std::move(self); }

  // Loop thread.
  int64_t next_sequence() const { return next_sequence_; }
  // How many events may be offered now.
  size_t Room(absl::Duration uptime) ABSL_LOCKS_EXCLUDED(mutex_);
  void Offer(v1::RunEvent event) ABSL_LOCKS_EXCLUDED(mutex_);
  // After the events offered so far: end of stream.
  void Close(const absl::Status& status = absl::OkStatus()) ABSL_LOCKS_EXCLUDED(mutex_);
  bool done() ABSL_LOCKS_EXCLUDED(mutex_);

  // gRPC threads.
  void OnWriteDone(bool ok) override ABSL_LOCKS_EXCLUDED(mutex_);
  void OnCancel() override ABSL_LOCKS_EXCLUDED(mutex_);
  void OnDone() override ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  // Starts the next write, or ends the stream when all is sent and it was closed.
  void Step() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  grpc::CallbackServerContext* const context_;  // until OnDone
  int64_t next_sequence_;                       // loop thread, as the two below
  int64_t sent_before_ = 0;
  absl::Duration moved_at_ = absl::InfiniteDuration();  // when `sent_` was last seen to grow
  Mutex mutex_;
  std::deque<v1::WatchResponse> waiting_ ABSL_GUARDED_BY(mutex_);
  bool writing_ ABSL_GUARDED_BY(mutex_) = false;
  bool closed_ ABSL_GUARDED_BY(mutex_) = false;
  absl::Status status_ ABSL_GUARDED_BY(mutex_);  // to end with
  int64_t sent_ ABSL_GUARDED_BY(mutex_) = 0;
  bool finished_ ABSL_GUARDED_BY(mutex_) = false;
  bool cancelling_ ABSL_GUARDED_BY(mutex_) = false;  // somebody uses the context
  bool done_ ABSL_GUARDED_BY(mutex_) = false;
  std::shared_ptr<EventStream> self_;
};

}  // namespace temper::orchestrator
