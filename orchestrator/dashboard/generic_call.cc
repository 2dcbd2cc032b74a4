// Steps of a call, one at a time: start, write, read as long as there is something, finish.
#include "orchestrator/dashboard/generic_call.h"

#include <chrono>

#include "base/check.h"
#include "base/grpc_status.h"
#include "base/wait.h"
#include "grpcpp/impl/codegen/proto_utils.h"
#include "grpcpp/support/byte_buffer.h"

namespace temper::orchestrator {

GenericCall::GenericCall(const std::shared_ptr<grpc::Channel>& channel, const std::string& path,
                         const google::protobuf::Message& request, const Options& options) {
  if (!options.authorization.empty()) context_.AddMetadata("authorization", options.authorization);
  if (options.timeout != absl::InfiniteDuration()) {
    context_.set_deadline(std::chrono::system_clock::now() +
                          absl::ToChronoMilliseconds(options.timeout));
  }
  bool own_buffer = false;
  const grpc::Status written =
      grpc::GenericSerialize<grpc::ProtoBufferWriter, google::protobuf::Message>(request, &request_,
                                                                                 &own_buffer);
  TEMPER_CHECK(written.ok());
  call_ = grpc::GenericStub(channel).PrepareCall(&context_, path, &queue_);
  call_->StartCall(nullptr);
}

GenericCall::~GenericCall() {
  context_.TryCancel();
  while (under_way_ != Operation::kNone) {
    if (Next(absl::Seconds(1)) == Outcome::kMessage) Finish();
  }
  queue_.Shutdown();
  void* tag = nullptr;
  bool ok = false;
  while (queue_.Next(&tag, &ok)) {  // nothing is under way: it is empty
  }
}

void GenericCall::Finish() {
  under_way_ = Operation::kFinish;
  call_->Finish(&finished_, nullptr);
}

GenericCall::Outcome GenericCall::Next(absl::Duration timeout) {
  if (under_way_ == Operation::kNone) return Outcome::kEnd;
  if (under_way_ == Operation::kTaken) {
    under_way_ = Operation::kRead;
    call_->Read(&answer_, nullptr);
  }
  const Waiting waiting(Wait::OrRetry("the controller's answer", timeout));
  const auto until = std::chrono::system_clock::now() + absl::ToChronoMilliseconds(timeout);
  for (;;) {
    void* tag = nullptr;
    bool ok = false;
    if (queue_.AsyncNext(&tag, &ok, until) != grpc::CompletionQueue::GOT_EVENT) {
      return Outcome::kQuiet;
    }
    if (under_way_ == Operation::kFinish) {
      under_way_ = Operation::kNone;
      status_ = FromGrpc(finished_);
      return Outcome::kEnd;
    }
    if (!ok) {  // the stream is over, or broken: its status says which
      Finish();
    } else if (under_way_ == Operation::kStart) {
      under_way_ = Operation::kWrite;
      call_->WriteLast(request_, grpc::WriteOptions(), nullptr);
    } else if (under_way_ == Operation::kWrite) {
      under_way_ = Operation::kRead;
      call_->Read(&answer_, nullptr);
    } else {
      under_way_ = Operation::kTaken;
      return Outcome::kMessage;
    }
  }
}

absl::Status GenericCall::Take(google::protobuf::Message& message) {
  TEMPER_CHECK(under_way_ == Operation::kTaken);
  return FromGrpc(grpc::GenericDeserialize<grpc::ProtoBufferReader, google::protobuf::Message>(
      &answer_, &message));
}

}  // namespace temper::orchestrator
