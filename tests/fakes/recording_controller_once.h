// How the recording controller takes a call: kept, checked for its form, done once.
#pragma once

#include <string>

#include "absl/strings/str_cat.h"
#include "gtest/gtest.h"
#include "tests/fakes/recording_controller.h"

namespace temper::fakes {

template <class Request>
void RecordingController::Record(const char* method, const grpc::ServerContext& context,
                                 const Request& request, const std::string& request_id) {
  const bool stream = std::string_view(method) == "Watch" || std::string_view(method) == "Replay";
  if (!stream && context.deadline() == std::chrono::system_clock::time_point::max()) {
    ADD_FAILURE() << method << " came without a deadline";
  }
  calls_.push_back({method, request_id, std::make_shared<Request>(request)});
}

template <class Request, class Response>
grpc::Status RecordingController::Once(
    const char* method, const grpc::ServerContext& context, const Request& request,
    Response& response, const std::function<grpc::Status(const Request&, Response&)>& act) {
  MutexLock lock(mutex_);
  Record(method, context, request, request.request_id());
  if (request.request_id().empty() || request.request_id().size() > 128) {
    ADD_FAILURE() << method << " came with the request id \"" << request.request_id() << "\"";
  }
  const std::string text = request.SerializeAsString();
  if (const auto known = answered_.find(request.request_id()); known != answered_.end()) {
    if (known->second.method != method || known->second.request != text) {
      return grpc::Status(grpc::StatusCode::INVALID_ARGUMENT,
                          absl::StrCat("request id ", request.request_id(), " was used already"));
    }
    response.ParseFromString(known->second.response);
  } else {
    const grpc::Status status = act(request, response);
    if (!status.ok()) return status;
    answered_[request.request_id()] = {method, text, response.SerializeAsString()};
    ++effects_[method];
  }
  if (lost_answers_[method] > 0) {
    --lost_answers_[method];
    return grpc::Status(grpc::StatusCode::UNAVAILABLE, "the answer is lost");
  }
  return grpc::Status::OK;
}

}  // namespace temper::fakes
