// The public door to a rollout worker: blocking calls with a deadline each, one callback an
// episode.
//
// Any thread; several calls may be under way at once. Needs neither a model nor an engine.
#pragma once

#include <memory>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/mutex.h"
#include "temper/v1/rollout.pb.h"

namespace grpc {
class ClientContext;
}

namespace temper::rollout {

// Ends one call from another thread. Cancelling before the call starts, or after it ended, is fine.
// For one call at a time; once cancelled it stays so.
class CallCancel {
 public:
  void Cancel() ABSL_LOCKS_EXCLUDED(mutex_);
  bool cancelled() const ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  friend class RolloutClient;
  void Attach(grpc::ClientContext* context) ABSL_LOCKS_EXCLUDED(mutex_);

  mutable Mutex mutex_;
  grpc::ClientContext* context_ ABSL_GUARDED_BY(mutex_) = nullptr;  // of the call under way
  bool cancelled_ ABSL_GUARDED_BY(mutex_) = false;
};

class RolloutClient {
 public:
  // Dials lazily: a worker that is away shows in the first call, as UNAVAILABLE.
  explicit RolloutClient(const std::string& address);
  ~RolloutClient();

  // For the manifest's run. Errors as written at the rpc in rollout.proto. `cancel` may be null.
  absl::StatusOr<v1::UpdateWeightsResponse> UpdateWeights(const v1::WeightsManifest& manifest,
                                                          absl::Duration timeout,
                                                          CallCancel* cancel = nullptr);

  // OK: as many continuations as asked for, each with a log-probability per token, checked here;
  // INTERNAL when the worker sent something else.
  absl::StatusOr<v1::MeasureResponse> Measure(const v1::MeasureRequest& request,
                                              absl::Duration timeout, CallCancel* cancel = nullptr);

  // Calls `on_episode` on this thread for each episode as it comes. OK: every sample of the request
  // came exactly once, checked here; INTERNAL when the worker sent something else.
  absl::Status Generate(const v1::GenerateRequest& request, absl::Duration timeout,
                        absl::FunctionRef<void(v1::Episode episode)> on_episode,
                        CallCancel* cancel = nullptr);

 private:
  struct Connection;
  const std::string address_;
  const std::unique_ptr<Connection> connection_;
};

}  // namespace temper::rollout
