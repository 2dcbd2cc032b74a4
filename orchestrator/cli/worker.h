// What every worker process does besides its work: register, beat, serve the runs it is told to.
//
// Serve() blocks the thread that calls it and beats there; runs are opened and closed on another
// (assigned_runs.h). It registers again when the controller has forgotten us, keeping what is open,
// and ends when the controller was gone for 60 s.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/clock.h"
#include "base/stop.h"
#include "orchestrator/cli/assigned_runs.h"
#include "temper/v1/fleet.grpc.pb.h"

namespace temper::cli {

class WorkerMembership {
 public:
  struct Options {
    std::string controller;  // its address
    v1::Role role = v1::ROLE_UNSPECIFIED;
    std::string name;     // the slot, e.g. "rollout-0"
    std::string address;  // where this process serves
    v1::Capabilities capabilities;
  };

  // `host` and `stop` outlive it.
  WorkerMembership(Options options, RunHost& host, const StopToken& stop);

  // Until `stop`: OK, and every run is closed. Otherwise why there is no controller to work for.
  absl::Status Serve();

 private:
  using Fleet = v1::FleetService::Stub;

  // Repeats until the controller answers. CANCELLED: `stop` came first.
  absl::StatusOr<v1::RegisterResponse> Join();
  absl::StatusOr<v1::RegisterResponse> Register();
  // The newest list of assignments; joins again where the controller has forgotten us.
  absl::StatusOr<std::vector<v1::Assignment>> Beat(AssignedRuns& runs);
  // A call that `stop` ends early, and news of `runs` where it is not null.
  template <class Request, class Response>
  absl::StatusOr<Response> Call(const Request& request,
                                void (Fleet::async::*start)(grpc::ClientContext*, const Request*,
                                                            Response*,
                                                            std::function<void(grpc::Status)>),
                                AssignedRuns* runs);
  void KeepPace(const v1::RegisterResponse& answer);
  // Until that uptime, a stop, or news of `runs`.
  void Pause(absl::Duration until, AssignedRuns* runs) const;

  const StopToken& stop_;
  RunHost& host_;
  v1::RegisterRequest request_;
  const std::unique_ptr<Fleet> stub_;
  const SystemClock clock_;  // for its uptime: a wall clock that is set back must silence nobody
  absl::Duration period_;    // between two beats
};

}  // namespace temper::cli
