// The controller's public door for people's programs: look at a run, follow it, stop it.
//
// Blocking calls with deadlines; any thread. UNAVAILABLE: no controller answers there.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/stop.h"
#include "grpcpp/channel.h"
#include "temper/v1/controller.grpc.pb.h"
#include "temper/v1/fleet.grpc.pb.h"

namespace temper::orchestrator {

class ControllerClient {
 public:
  explicit ControllerClient(const std::string& address);

  absl::StatusOr<temper::v1::GetResponse> Get(const std::string& name);
  absl::StatusOr<temper::v1::ListResponse> List();
  absl::Status Stop(const std::string& name, const std::string& reason);

  // Tells that the process of a worker has ended (FleetService.ReportExit).
  absl::Status ReportExit(const std::string& worker, int pid, const std::string& reason,
                          bool crashed);

  // Calls `on_event` for each event from `from_sequence` on, until the run has ended (OK), `stop`
  // is raised (CANCELLED) or the controller goes away (UNAVAILABLE; come back with the next
  // number).
  absl::Status Watch(const std::string& name, int64_t from_sequence, const StopToken& stop,
                     absl::FunctionRef<void(const temper::v1::RunEvent&)> on_event);

 private:
  const std::shared_ptr<grpc::Channel> channel_;
  const std::unique_ptr<temper::v1::ControllerService::Stub> stub_;
};

}  // namespace temper::orchestrator
