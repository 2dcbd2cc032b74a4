// One caller of Replay: the bundle is written on the run's loop, a child process redoes the step,
// what it says goes to the caller.
#pragma once

#include <deque>
#include <memory>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "base/mutex.h"
#include "grpcpp/support/server_callback.h"
#include "orchestrator/controller/controller.h"
#include "temper/v1/controller.grpc.pb.h"

namespace temper::orchestrator {

class ReplayCall : public grpc::ServerWriteReactor<v1::ReplayResponse>,
                   public std::enable_shared_from_this<ReplayCall> {
 public:
  // gRPC deletes nothing: the call lives while gRPC or somebody who works for it holds it.
  static grpc::ServerWriteReactor<v1::ReplayResponse>* Begin(Controller& controller,
                                                             const v1::ReplayRequest& request);

  void OnWriteDone(bool ok) override ABSL_LOCKS_EXCLUDED(mutex_);
  void OnCancel() override ABSL_LOCKS_EXCLUDED(mutex_);
  void OnDone() override ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  struct Job;

  explicit ReplayCall(Controller& controller) : controller_(controller) {}
  void Start(const v1::ReplayRequest& request);
  // On the run's loop: copies the rows of one step, then posts itself again.
  void WriteBundle(std::shared_ptr<Job> job);
  // On the controller's loop.
  void StartChild(std::shared_ptr<Job> job);
  void Offer(v1::ReplayResponse response) ABSL_LOCKS_EXCLUDED(mutex_);
  // Only the first counts.
  void End(const absl::Status& status) ABSL_LOCKS_EXCLUDED(mutex_);
  bool cancelled() ABSL_LOCKS_EXCLUDED(mutex_);
  void Step() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  Controller& controller_;
  Mutex mutex_;
  std::deque<v1::ReplayResponse> waiting_ ABSL_GUARDED_BY(mutex_);
  bool writing_ ABSL_GUARDED_BY(mutex_) = false;
  bool ending_ ABSL_GUARDED_BY(mutex_) = false;
  bool finished_ ABSL_GUARDED_BY(mutex_) = false;
  bool cancelled_ ABSL_GUARDED_BY(mutex_) = false;
  absl::Status status_ ABSL_GUARDED_BY(mutex_);
  std::shared_ptr<ReplayCall> self_;
};

}  // namespace temper::orchestrator
