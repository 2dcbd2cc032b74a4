// One call with a deadline, and a check that the answer is one to this question.
#include "reward/reward_client.h"

#include "absl/strings/str_cat.h"
#include "base/grpc_status.h"
#include "base/rpc.h"

namespace temper::reward {

RewardClient::RewardClient(const std::string& address)
    : stub_(temper::v1::RewardService::NewStub(Dial(address))) {}

absl::StatusOr<temper::v1::ScoreResponse> RewardClient::Score(
    const temper::v1::ScoreRequest& request, absl::Duration timeout) const {
  const BlockingCall context(Wait::OrFail("scores", timeout));
  temper::v1::ScoreResponse response;
  const grpc::Status status = stub_->Score(context.get(), request, &response);
  if (!status.ok()) return FromGrpc(status);
  if (response.results_size() != request.items_size()) {
    return absl::InternalError(
        absl::StrCat("asked for ", request.items_size(), " scores, got ", response.results_size()));
  }
  for (int i = 0; i < request.items_size(); ++i) {
    const temper::v1::ScoreResult& result = response.results(i);
    if (result.group_id() != request.items(i).group_id() ||
        result.sample() != request.items(i).sample() ||
        result.outcome_case() == temper::v1::ScoreResult::OUTCOME_NOT_SET) {
      return absl::InternalError(absl::StrCat("score ", i, " does not belong to item ", i));
    }
  }
  return response;
}

}  // namespace temper::reward
