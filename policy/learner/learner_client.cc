// Calls the learner through the blocking gRPC interface.
#include "policy/learner/learner_client.h"

#include <cstring>

#include "absl/strings/str_cat.h"
#include "base/grpc_status.h"
#include "base/rpc.h"
#include "base/status_macros.h"
#include "temper/v1/learner.grpc.pb.h"

namespace temper::learner {

struct LearnerClient::Wire {
  std::unique_ptr<temper::v1::LearnerService::Stub> stub;
};

LearnerClient::LearnerClient(const std::string& address)
    : wire_(std::make_unique<Wire>(Wire{temper::v1::LearnerService::NewStub(Dial(address))})) {}

LearnerClient::~LearnerClient() = default;

absl::StatusOr<temper::v1::TrainResponse> LearnerClient::Train(
    const temper::v1::TrainRequest& request, absl::Duration timeout) {
  const BlockingCall context(Wait::OrFail("the learner's training step", timeout));
  temper::v1::TrainResponse response;
  TEMPER_RETURN_IF_ERROR(FromGrpc(wire_->stub->Train(context.get(), request, &response)));
  return response;
}

absl::StatusOr<temper::v1::SaveCheckpointResponse> LearnerClient::SaveCheckpoint(
    const temper::v1::SaveCheckpointRequest& request, absl::Duration timeout) {
  const BlockingCall context(Wait::OrFail("the learner's checkpoint", timeout));
  temper::v1::SaveCheckpointResponse response;
  TEMPER_RETURN_IF_ERROR(FromGrpc(wire_->stub->SaveCheckpoint(context.get(), request, &response)));
  return response;
}

absl::StatusOr<temper::v1::GetStatusResponse> LearnerClient::GetStatus(absl::Duration timeout,
                                                                       const std::string& run) {
  const BlockingCall context(Wait::OrFail("the learner's status", timeout));
  temper::v1::GetStatusRequest request;
  request.set_run(run);
  temper::v1::GetStatusResponse response;
  TEMPER_RETURN_IF_ERROR(FromGrpc(wire_->stub->GetStatus(context.get(), request, &response)));
  return response;
}

absl::Status LearnerClient::FetchWeights(int64_t version, std::span<std::byte> bytes,
                                         absl::Duration timeout, const std::string& run) {
  const BlockingCall context(Wait::OrFail(absl::StrCat("weights of version ", version), timeout));
  temper::v1::FetchWeightsRequest request;
  request.set_run(run);
  request.set_version(version);
  const auto reader = wire_->stub->FetchWeights(context.get(), request);
  temper::v1::FetchWeightsResponse chunk;
  size_t received = 0;
  while (reader->Read(&chunk)) {
    const size_t offset = static_cast<size_t>(chunk.offset());
    if (offset != received || chunk.data().size() > bytes.size() - received) {
      context->TryCancel();
      (void)reader->Finish();
      return absl::DataLossError(absl::StrCat(
          "weights of version ", version, ": ", chunk.data().size(), " bytes came at offset ",
          chunk.offset(), ", expected offset ", received, " of ", bytes.size(), " bytes"));
    }
    std::memcpy(bytes.data() + received, chunk.data().data(), chunk.data().size());
    received += chunk.data().size();
  }
  TEMPER_RETURN_IF_ERROR(FromGrpc(reader->Finish()));
  if (received == bytes.size()) return absl::OkStatus();
  return absl::DataLossError(absl::StrCat("weights of version ", version, ": the stream ended at ",
                                          received, " of ", bytes.size(), " bytes"));
}

}  // namespace temper::learner
