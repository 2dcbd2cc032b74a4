// A learner that only hands out weights, and fails the test when it is asked for anything else.
#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <string>
#include <utility>

#include "base/check.h"
#include "base/rpc.h"
#include "temper/v1/learner.grpc.pb.h"

namespace temper::fakes {

class FakeLearner final : public v1::LearnerService::Service {
 public:
  // What FetchWeights does with the bytes it was given.
  enum class Fault { kNone, kFlippedByte, kCutShort, kSkippedPart, kTooMuch };

  // Serves `bytes` as `version` of `run`.
  FakeLearner(int64_t version, std::string bytes, std::string run = "")
      : version_(version), bytes_(std::move(bytes)), run_(std::move(run)) {
    auto listening = Listen("127.0.0.1:0", {this});
    TEMPER_CHECK(listening.ok());
    listening_ = *std::move(listening);
  }
  ~FakeLearner() override { listening_.server->Shutdown(); }

  const std::string& address() const { return listening_.address; }
  void set_fault(Fault fault) { fault_ = fault; }
  // Tells askers who say that they are on `host` of this file.
  void set_file(std::string host, std::string path) {
    host_ = std::move(host);
    path_ = std::move(path);
  }

 private:
  // Small, so that small tests have many.
  static constexpr size_t kPart = 4096;

  grpc::Status FetchWeights(grpc::ServerContext* context, const v1::FetchWeightsRequest* request,
                            grpc::ServerWriter<v1::FetchWeightsResponse>* writer) override {
    if (request->run() != run_) {
      return grpc::Status(grpc::StatusCode::NOT_FOUND,
                          "run \"" + request->run() + "\" is not here");
    }
    if (request->version() != version_) {
      return grpc::Status(grpc::StatusCode::NOT_FOUND, "the version has gone by");
    }
    if (!host_.empty() && request->host_id() == host_) {
      v1::FetchWeightsResponse where;
      where.set_shared_path(path_);
      writer->Write(where);
      return grpc::Status::OK;
    }
    std::string bytes = bytes_;
    if (fault_ == Fault::kFlippedByte) bytes[bytes.size() / 2] ^= 1;
    if (fault_ == Fault::kCutShort) bytes.resize(bytes.size() - 1);
    if (fault_ == Fault::kTooMuch) bytes += "more";
    for (size_t at = 0; at < bytes.size(); at += kPart) {
      if (fault_ == Fault::kSkippedPart && at == kPart) continue;
      v1::FetchWeightsResponse part;
      part.set_offset(static_cast<int64_t>(at));
      part.set_data(bytes.substr(at, kPart));
      if (!writer->Write(part)) break;
    }
    return grpc::Status::OK;
  }

  grpc::Status Train(grpc::ServerContext*, const v1::TrainRequest*, v1::TrainResponse*) override {
    return Unexpected("Train");
  }
  grpc::Status SaveCheckpoint(grpc::ServerContext*, const v1::SaveCheckpointRequest*,
                              v1::SaveCheckpointResponse*) override {
    return Unexpected("SaveCheckpoint");
  }
  grpc::Status GetStatus(grpc::ServerContext*, const v1::GetStatusRequest*,
                         v1::GetStatusResponse*) override {
    return Unexpected("GetStatus");
  }
  grpc::Status Unexpected(const char* call) {
    ADD_FAILURE() << "unexpected " << call;
    return grpc::Status(grpc::StatusCode::INTERNAL, "unexpected");
  }

  const int64_t version_;
  const std::string bytes_;
  const std::string run_;
  std::string host_, path_;
  std::atomic<Fault> fault_{Fault::kNone};
  ListeningServer listening_;
};

}  // namespace temper::fakes
