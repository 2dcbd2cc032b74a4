// RewardService on the wire: callbacks check and enqueue; the scorer's loop works.
#pragma once

#include "reward/scorer.h"
#include "temper/v1/reward.grpc.pb.h"

namespace temper::reward {

// `scorer` outlives the service. Shut the gRPC server down before the scorer is destroyed.
class RewardService final : public temper::v1::RewardService::CallbackService {
 public:
  explicit RewardService(Scorer& scorer) : scorer_(scorer) {}

  grpc::ServerUnaryReactor* Score(grpc::CallbackServerContext* context,
                                  const temper::v1::ScoreRequest* request,
                                  temper::v1::ScoreResponse* response) override;
  grpc::ServerBidiReactor<temper::v1::ScoreStreamRequest, temper::v1::ScoreStreamResponse>*
  ScoreStream(grpc::CallbackServerContext* context) override;
  grpc::ServerUnaryReactor* GetStatistics(grpc::CallbackServerContext* context,
                                          const temper::v1::GetStatisticsRequest* request,
                                          temper::v1::GetStatisticsResponse* response) override;

 private:
  Scorer& scorer_;
};

}  // namespace temper::reward
