// The public door of the reward floor: asks a reward worker for scores.
#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "temper/v1/reward.grpc.pb.h"

namespace temper::reward {

// Any thread.
class RewardClient {
 public:
  // Dials lazily: a worker that is not up yet is UNAVAILABLE at the call, not here.
  explicit RewardClient(const std::string& address);

  // Scores in the order of the items, or a Status; scoring is pure, so any failed call may be
  // repeated here or with another worker. INVALID_ARGUMENT: the rubric is wrong and repeating is no
  // use. INTERNAL: the answer does not belong to the request. Items that carry internal_error are
  // to be asked for again.
  absl::StatusOr<temper::v1::ScoreResponse> Score(const temper::v1::ScoreRequest& request,
                                                  absl::Duration timeout) const;

 private:
  std::unique_ptr<temper::v1::RewardService::Stub> stub_;
};

}  // namespace temper::reward
