// Carries one group's episodes from the engine's thread to the caller's stream.
//
// The engine pushes, gRPC's threads pull; the queue holds at most the group, so the engine never
// waits for a slow reader. Lives as long as either side needs it.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>

#include "absl/base/thread_annotations.h"
#include "base/bounded_queue.h"
#include "base/mutex.h"
#include "grpcpp/support/server_callback.h"
#include "rollout/engine/request.h"
#include "temper/v1/rollout.pb.h"

namespace temper::rollout {

class EpisodeStream final : public EpisodeSink, public std::enable_shared_from_this<EpisodeStream> {
 public:
  using Reactor = grpc::ServerWriteReactor<v1::GenerateResponse>;

  // episodes_max: samples of the group.
  EpisodeStream(int64_t lease_epoch, size_t episodes_max)
      : lease_epoch_(lease_epoch), episodes_(episodes_max) {}

  // The call's other end, for gRPC; made once, deletes itself.
  Reactor* Open();

  void Deliver(Episode episode) override;
  void Done(const absl::Status& status) override;
  bool cancelled() const override { return cancelled_.load(); }

 private:
  class Call;

  // Starts the next write, or ends the call when all is written.
  void Pump() ABSL_LOCKS_EXCLUDED(mutex_);
  void Written(bool ok) ABSL_LOCKS_EXCLUDED(mutex_);

  const int64_t lease_epoch_;
  BoundedQueue<v1::GenerateResponse> episodes_;
  std::atomic<bool> cancelled_{false};

  Mutex mutex_;
  Reactor* reactor_ ABSL_GUARDED_BY(mutex_) = nullptr;  // alive until Finish()
  v1::GenerateResponse writing_ ABSL_GUARDED_BY(mutex_);
  bool busy_ ABSL_GUARDED_BY(mutex_) = false;  // `writing_` belongs to gRPC
  bool finished_ ABSL_GUARDED_BY(mutex_) = false;
  std::optional<absl::Status> end_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace temper::rollout
