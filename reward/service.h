// Serves RewardService: scores batches on threads of its own.
#pragma once

#include <atomic>
#include <cstdint>
#include <thread>
#include <vector>

#include "absl/status/statusor.h"
#include "base/bounded_queue.h"
#include "temper/v1/reward.grpc.pb.h"

namespace temper::reward {

// Scores every item of a request. INVALID_ARGUMENT for a rubric that cannot be made. An item that
// could not be judged carries internal_error in place of a score. `scored` counts items as they are
// done.
absl::StatusOr<temper::v1::ScoreResponse> ScoreBatch(const temper::v1::ScoreRequest& request,
                                                     std::atomic<int64_t>& scored);

// A callback only puts the call on the queue; when that is full the caller gets RESOURCE_EXHAUSTED
// and may come again. Shut the gRPC server down before this is destroyed: calls that were taken are
// still answered.
class RewardService final : public temper::v1::RewardService::CallbackService {
 public:
  struct Options {
    int threads = 2;
    size_t calls_max = 64;
  };
  explicit RewardService(const Options& options);
  ~RewardService() override;

  grpc::ServerUnaryReactor* Score(grpc::CallbackServerContext* context,
                                  const temper::v1::ScoreRequest* request,
                                  temper::v1::ScoreResponse* response) override;

  // Items scored since the start, for heartbeats.
  const std::atomic<int64_t>& progress() const { return scored_; }

 private:
  struct Call {
    grpc::ServerUnaryReactor* reactor;
    const temper::v1::ScoreRequest* request;
    temper::v1::ScoreResponse* response;
  };
  void Work();

  std::atomic<int64_t> scored_{0};
  BoundedQueue<Call> calls_;
  std::vector<std::thread> threads_;
};

}  // namespace temper::reward
