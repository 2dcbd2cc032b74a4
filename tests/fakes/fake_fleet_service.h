// A controller as workers see it: takes registrations and beats, and answers with the list that the
// test has set. Strict: a beat without a registration, or with another incarnation, is NOT_FOUND.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/time/time.h"
#include "base/check.h"
#include "base/mutex.h"
#include "base/rpc.h"
#include "temper/v1/fleet.grpc.pb.h"

namespace temper::fakes {

class FakeFleetService final : public v1::FleetService::Service {
 public:
  explicit FakeFleetService(const std::string& listen = "127.0.0.1:0", int heartbeat_ms = 50)
      : heartbeat_ms_(heartbeat_ms) {
    auto listening = Listen(listen, {this});
    TEMPER_CHECK(listening.ok());
    listening_ = *std::move(listening);
  }
  ~FakeFleetService() override { listening_.server->Shutdown(); }

  const std::string& address() const { return listening_.address; }

  void Assign(std::vector<v1::Assignment> assignments) ABSL_LOCKS_EXCLUDED(mutex_) {
    MutexLock lock(mutex_);
    assignments_ = std::move(assignments);
  }
  // As a restarted controller: the next beat is NOT_FOUND.
  void Forget() ABSL_LOCKS_EXCLUDED(mutex_) {
    MutexLock lock(mutex_);
    registered_.reset();
  }
  // Waits for a beat that `wanted` likes, among those after this call; none within a minute: null.
  std::optional<v1::HeartbeatRequest> AwaitBeat(
      const std::function<bool(const v1::HeartbeatRequest&)>& wanted) ABSL_LOCKS_EXCLUDED(mutex_) {
    MutexLock lock(mutex_);
    size_t seen = beats_.size();
    std::optional<v1::HeartbeatRequest> found;
    mutex_.Await(Wait::OrFail("the worker", absl::Minutes(1)),
                 [&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
                   for (; seen < beats_.size() && !found.has_value(); ++seen) {
                     if (wanted(beats_[seen])) found = beats_[seen];
                   }
                   return found.has_value();
                 });
    return found;
  }
  std::vector<v1::RegisterRequest> registrations() const ABSL_LOCKS_EXCLUDED(mutex_) {
    MutexLock lock(mutex_);
    return registrations_;
  }
  // False when there were not so many within a minute.
  bool AwaitRegistrations(size_t count) ABSL_LOCKS_EXCLUDED(mutex_) {
    MutexLock lock(mutex_);
    return mutex_.Await(
        Wait::OrFail("the worker", absl::Minutes(1)),
        [&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return registrations_.size() >= count; });
  }

 private:
  grpc::Status Register(grpc::ServerContext*, const v1::RegisterRequest* request,
                        v1::RegisterResponse* response) override {
    MutexLock lock(mutex_);
    registered_ = request->incarnation();
    registrations_.push_back(*request);
    mutex_.Changed();
    response->set_heartbeat_ms(heartbeat_ms_);
    *response->mutable_assignments() = {assignments_.begin(), assignments_.end()};
    return grpc::Status::OK;
  }
  grpc::Status Heartbeat(grpc::ServerContext*, const v1::HeartbeatRequest* request,
                         v1::HeartbeatResponse* response) override {
    MutexLock lock(mutex_);
    if (registered_ != request->incarnation()) {
      return grpc::Status(grpc::StatusCode::NOT_FOUND, "register again");
    }
    beats_.push_back(*request);
    mutex_.Changed();
    *response->mutable_assignments() = {assignments_.begin(), assignments_.end()};
    return grpc::Status::OK;
  }
  grpc::Status ReportExit(grpc::ServerContext*, const v1::ReportExitRequest*,
                          v1::ReportExitResponse*) override {
    return grpc::Status(grpc::StatusCode::INTERNAL, "a worker does not report its own exit");
  }

  const int heartbeat_ms_;
  mutable Mutex mutex_;
  std::vector<v1::Assignment> assignments_ ABSL_GUARDED_BY(mutex_);
  std::optional<std::string> registered_ ABSL_GUARDED_BY(mutex_);  // its incarnation
  std::vector<v1::RegisterRequest> registrations_ ABSL_GUARDED_BY(mutex_);
  std::vector<v1::HeartbeatRequest> beats_ ABSL_GUARDED_BY(mutex_);
  ListeningServer listening_;
};

}  // namespace temper::fakes
