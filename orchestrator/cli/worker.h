// What every worker process does besides its work: register, beat, come back when the controller
// was away.
//
// Register() dials and repeats until the controller answers or `stop`; StartHeartbeat() runs a
// thread of its own that registers again when the controller has forgotten us, and raises `stop`
// when the controller was gone for 60 s.
#pragma once

#include <atomic>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "base/stop.h"
#include "base/thread.h"
#include "temper/v1/fleet.grpc.pb.h"

namespace temper::cli {

class WorkerMembership {
 public:
  // name: the slot, e.g. "rollout-0"; address: where this process serves.
  WorkerMembership(const std::string& controller, temper::v1::Role role, std::string name,
                   std::string address, StopToken& stop);
  ~WorkerMembership();

  // Blocks; CANCELLED when `stop` was raised first.
  absl::StatusOr<temper::v1::RegisterResponse> Register();
  // `progress` is read at every beat.
  void StartHeartbeat(const std::atomic<int64_t>& progress, int heartbeat_ms);

 private:
  void Beat(const std::atomic<int64_t>& progress, int heartbeat_ms);

  StopToken& stop_;
  temper::v1::RegisterRequest request_;
  std::unique_ptr<temper::v1::FleetService::Stub> stub_;
  Thread thread_;
};

}  // namespace temper::cli
