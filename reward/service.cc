// The way of a batch: queue, rubric, one score or one internal error for each item, in order.
#include "reward/service.h"

#include <optional>
#include <utility>

#include "absl/time/time.h"
#include "base/grpc_status.h"
#include "base/log.h"
#include "base/status_macros.h"
#include "reward/rubric.h"

namespace temper::reward {

absl::StatusOr<temper::v1::ScoreResponse> ScoreBatch(const temper::v1::ScoreRequest& request,
                                                     std::atomic<int64_t>& scored) {
  TEMPER_ASSIGN_OR_RETURN(const Rubric rubric, Rubric::Create(request.rubric()));
  temper::v1::ScoreResponse response;
  response.mutable_results()->Reserve(request.items_size());
  for (const temper::v1::ScoreItem& item : request.items()) {
    temper::v1::ScoreResult& result = *response.add_results();
    result.set_group_id(item.group_id());
    result.set_sample(item.sample());
    auto score = rubric.Judge({.text = item.response(), .gold = item.answer()});
    if (score.ok()) {
      *result.mutable_score() = *std::move(score);
    } else {
      result.set_internal_error(score.status().ToString());
      log::Warning("a response could not be judged", {{"group", item.group_id()},
                                                      {"sample", item.sample()},
                                                      {"error", result.internal_error()}});
    }
    scored.fetch_add(1, std::memory_order_relaxed);
  }
  return response;
}

RewardService::RewardService(const Options& options) : calls_(options.calls_max) {
  for (int i = 0; i < options.threads; ++i) threads_.emplace_back([this] { Work(); });
}

RewardService::~RewardService() {
  calls_.Close();
  for (std::thread& thread : threads_) thread.join();
}

grpc::ServerUnaryReactor* RewardService::Score(grpc::CallbackServerContext* context,
                                               const temper::v1::ScoreRequest* request,
                                               temper::v1::ScoreResponse* response) {
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  if (!calls_.TryPush({reactor, request, response})) {
    reactor->Finish(ToGrpc(absl::ResourceExhaustedError(
        "the reward service has as many calls waiting as it takes; try again")));
  }
  return reactor;
}

void RewardService::Work() {
  while (true) {
    const std::optional<Call> call = calls_.Pop(absl::Seconds(1));
    if (!call.has_value()) {
      if (calls_.closed()) return;
      continue;
    }
    auto response = ScoreBatch(*call->request, scored_);
    if (response.ok()) *call->response = *std::move(response);
    call->reactor->Finish(ToGrpc(response.status()));
  }
}

}  // namespace temper::reward
