// A batch is answered when its last item has an outcome; a stream is score_stream.h's.
#include "reward/service.h"

#include <memory>
#include <utility>

#include "base/grpc_status.h"
#include "reward/score_stream.h"

namespace temper::reward {

grpc::ServerUnaryReactor* RewardService::Score(grpc::CallbackServerContext* context,
                                               const temper::v1::ScoreRequest* request,
                                               temper::v1::ScoreResponse* response) {
  grpc::ServerUnaryReactor* const reactor = context->DefaultReactor();
  const int items = request->items_size();
  for (int i = 0; i < items; ++i) response->add_results();
  // gRPC frees both messages with Finish(), and that comes while the scorer still reads its own
  // request: the last outcome is delivered from the midst of its work.
  auto own_request = std::make_shared<const temper::v1::ScoreRequest>(*request);
  auto deliver = [reactor, response, left = std::make_shared<int>(items)](
                     int index, temper::v1::ScoreResult result) {
    *response->mutable_results(index) = std::move(result);
    if (--*left == 0) reactor->Finish(grpc::Status::OK);
  };
  const absl::Status taken = scorer_.Submit(std::move(own_request), std::move(deliver));
  if (!taken.ok() || items == 0) reactor->Finish(ToGrpc(taken));
  return reactor;
}

grpc::ServerBidiReactor<temper::v1::ScoreStreamRequest, temper::v1::ScoreStreamResponse>*
RewardService::ScoreStream(grpc::CallbackServerContext*) {
  return OpenScoreStream(scorer_);
}

grpc::ServerUnaryReactor* RewardService::GetStatistics(
    grpc::CallbackServerContext* context, const temper::v1::GetStatisticsRequest*,
    temper::v1::GetStatisticsResponse* response) {
  grpc::ServerUnaryReactor* const reactor = context->DefaultReactor();
  scorer_.AskStatistics([reactor, response](const temper::v1::GetStatisticsResponse& statistics) {
    *response = statistics;
    reactor->Finish(grpc::Status::OK);
  });
  return reactor;
}

}  // namespace temper::reward
