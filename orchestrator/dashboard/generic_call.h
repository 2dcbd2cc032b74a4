// One gRPC call of which only the bytes are known here: a request goes out, answers come back.
//
// One thread uses it. Every wait has an end: Next says kQuiet when nothing came in time. At most
// one answer is in memory; the next is read when it is asked for, so a slow reader slows the
// server.
#pragma once

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "google/protobuf/message.h"
#include "grpcpp/channel.h"
#include "grpcpp/client_context.h"
#include "grpcpp/completion_queue.h"
#include "grpcpp/generic/generic_stub.h"

namespace temper::orchestrator {

class GenericCall {
 public:
  struct Options {
    std::string authorization;  // sent on as it is; empty: nothing is sent
    absl::Duration timeout = absl::InfiniteDuration();
  };
  enum class Outcome { kMessage, kQuiet, kEnd };

  // path: "/temper.v1.ControllerService/Get".
  GenericCall(const std::shared_ptr<grpc::Channel>& channel, const std::string& path,
              const google::protobuf::Message& request, const Options& options);
  GenericCall(const GenericCall&) = delete;
  GenericCall& operator=(const GenericCall&) = delete;
  // Gives the call up where it has not ended.
  ~GenericCall();

  Outcome Next(absl::Duration timeout);
  // After kMessage: reads the answer. INTERNAL: its bytes are no such message.
  absl::Status Take(google::protobuf::Message& message);
  // After kEnd.
  const absl::Status& status() const { return status_; }

 private:
  enum class Operation { kStart, kWrite, kRead, kTaken, kFinish, kNone };

  void Finish();

  grpc::ClientContext context_;
  grpc::CompletionQueue queue_;
  std::unique_ptr<grpc::GenericClientAsyncReaderWriter> call_;
  grpc::ByteBuffer request_;
  grpc::ByteBuffer answer_;
  grpc::Status finished_;
  absl::Status status_;
  Operation under_way_ = Operation::kStart;
};

}  // namespace temper::orchestrator
