// Calls over one channel; the answers are checked against what was asked.
#include "rollout/rollout_client.h"

#include <set>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "base/grpc_status.h"
#include "base/rpc.h"
#include "base/status_macros.h"
#include "temper/v1/rollout.grpc.pb.h"

namespace temper::rollout {
namespace {

absl::Status AtWorker(const std::string& address, const absl::Status& status) {
  if (status.ok()) return status;
  return absl::Status(status.code(), absl::StrCat("rollout worker at ", address, ": ",
                                                  std::string(status.message())));
}

absl::Status CheckMeasured(const v1::MeasureRequest& request, const v1::MeasureResponse& response) {
  bool whole = response.continuations_size() == request.continuations_size() &&
               response.has_value() == request.continuations().empty();
  for (const v1::MeasuredContinuation& one : response.continuations()) {
    whole = whole && one.tokens_size() > 0 && one.logprobs_size() == one.tokens_size();
  }
  if (whole) return absl::OkStatus();
  return absl::InternalError(absl::StrCat("measured ", response.continuations_size(),
                                          " continuations, or not every token of them, where ",
                                          request.continuations_size(), " were asked for"));
}

}  // namespace

void CallCancel::Cancel() {
  MutexLock lock(mutex_);
  cancelled_ = true;
  if (context_ != nullptr) context_->TryCancel();
}

bool CallCancel::cancelled() const {
  MutexLock lock(mutex_);
  return cancelled_;
}

void CallCancel::Attach(grpc::ClientContext* context) {
  MutexLock lock(mutex_);
  context_ = context;
  if (cancelled_ && context != nullptr) context->TryCancel();
}

struct RolloutClient::Connection {
  explicit Connection(const std::string& address)
      : stub(v1::RolloutService::NewStub(Dial(address))) {}
  const std::unique_ptr<v1::RolloutService::Stub> stub;
};

RolloutClient::RolloutClient(const std::string& address)
    : address_(address), connection_(std::make_unique<Connection>(address)) {}

RolloutClient::~RolloutClient() = default;

absl::StatusOr<v1::UpdateWeightsResponse> RolloutClient::UpdateWeights(
    const v1::WeightsManifest& manifest, absl::Duration timeout, CallCancel* cancel) {
  const BlockingCall context(Wait::OrFail(
      absl::StrCat("the update to version ", manifest.version(), " at ", address_), timeout));
  if (cancel != nullptr) cancel->Attach(context.get());
  const auto detach = absl::MakeCleanup([&] {
    if (cancel != nullptr) cancel->Attach(nullptr);
  });
  v1::UpdateWeightsRequest request;
  *request.mutable_manifest() = manifest;
  request.set_run(manifest.run());
  v1::UpdateWeightsResponse response;
  const grpc::Status status = connection_->stub->UpdateWeights(context.get(), request, &response);
  TEMPER_RETURN_IF_ERROR(AtWorker(address_, FromGrpc(status)));
  return response;
}

absl::StatusOr<v1::MeasureResponse> RolloutClient::Measure(const v1::MeasureRequest& request,
                                                           absl::Duration timeout,
                                                           CallCancel* cancel) {
  const BlockingCall context(Wait::OrFail(absl::StrCat("the measuring at ", address_), timeout));
  if (cancel != nullptr) cancel->Attach(context.get());
  const auto detach = absl::MakeCleanup([&] {
    if (cancel != nullptr) cancel->Attach(nullptr);
  });
  v1::MeasureResponse response;
  const grpc::Status status = connection_->stub->Measure(context.get(), request, &response);
  TEMPER_RETURN_IF_ERROR(AtWorker(address_, FromGrpc(status)));
  TEMPER_RETURN_IF_ERROR(AtWorker(address_, CheckMeasured(request, response)));
  return response;
}

absl::Status RolloutClient::Generate(const v1::GenerateRequest& request, absl::Duration timeout,
                                     absl::FunctionRef<void(v1::Episode)> on_episode,
                                     CallCancel* cancel) {
  const BlockingCall context(Wait::OrFail(
      absl::StrCat("episodes of group ", request.group_id(), " from ", address_), timeout));
  if (cancel != nullptr) cancel->Attach(context.get());
  const auto detach = absl::MakeCleanup([&] {
    if (cancel != nullptr) cancel->Attach(nullptr);
  });
  std::multiset<int32_t> wanted(request.samples().begin(), request.samples().end());
  const auto reader = connection_->stub->Generate(context.get(), request);
  v1::GenerateResponse response;
  absl::Status wrong;
  while (wrong.ok() && reader->Read(&response)) {
    const v1::Episode& episode = response.episode();
    if (response.lease_epoch() != request.lease_epoch() ||
        episode.group_id() != request.group_id() || wanted.erase(episode.sample()) == 0) {
      wrong = absl::InternalError(
          absl::StrCat("sent sample ", episode.sample(), " of group ", episode.group_id(),
                       " under lease ", response.lease_epoch(), ", which was not asked for (group ",
                       request.group_id(), ", lease ", request.lease_epoch(), ")"));
      context->TryCancel();
    } else {
      on_episode(std::move(*response.mutable_episode()));
    }
  }
  const grpc::Status ended = reader->Finish();
  TEMPER_RETURN_IF_ERROR(AtWorker(address_, wrong));
  TEMPER_RETURN_IF_ERROR(AtWorker(address_, FromGrpc(ended)));
  if (!wanted.empty()) {
    return AtWorker(address_,
                    absl::InternalError(absl::StrCat("ended without sample ", *wanted.begin(),
                                                     " of group ", request.group_id())));
  }
  return absl::OkStatus();
}

}  // namespace temper::rollout
