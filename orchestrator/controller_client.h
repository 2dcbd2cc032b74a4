// The controller's public door for people's programs: submit, look, follow, steer, redo.
//
// Blocking calls, each with a deadline; any thread. A call that changes something carries a request
// id, made here when the caller brings none, and is sent again under the same id while nobody
// answers: it happens once. UNAVAILABLE: no controller answers there. DEADLINE_EXCEEDED: it did not
// answer in time.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/stop.h"
#include "grpcpp/channel.h"
#include "temper/v1/controller.grpc.pb.h"
#include "temper/v1/fleet.grpc.pb.h"

namespace temper::orchestrator {

// 128 random bits, hexadecimal.
std::string NewRequestId();

class ControllerClient {
 public:
  struct Options {
    // One call, tries included. Submit, Fork and Checkpoint, which read and write whole files, take
    // up to twelve times that.
    absl::Duration timeout = absl::Seconds(10);
    // How long a call that meets UNAVAILABLE is tried again; zero: never.
    absl::Duration retry_budget = absl::ZeroDuration();
  };
  struct WatchOptions {
    // How long the controller may be away before Watch gives up; zero: it does not come back.
    absl::Duration reconnect_budget = absl::ZeroDuration();
    // Told once when the connection is lost, and once when there is one again.
    std::function<void(const absl::Status& why)> on_lost;
    std::function<void(int64_t next_sequence)> on_back;
    // Called about every 50 ms on the caller's thread, also while the controller is away.
    std::function<void()> on_idle;
  };

  explicit ControllerClient(const std::string& address) : ControllerClient(address, Options()) {}
  ControllerClient(const std::string& address, Options options);
  // Over a channel that has its credentials already; address: for messages.
  ControllerClient(std::shared_ptr<grpc::Channel> channel, std::string address, Options options);

  const std::string& address() const { return address_; }
  // Whether somebody accepts connections there; waits for at most `timeout`.
  bool Reachable(absl::Duration timeout);

  // Looking. An empty name: the only run there is.
  absl::StatusOr<v1::GetResponse> Get(const std::string& name);
  absl::StatusOr<v1::ListResponse> List();
  absl::StatusOr<v1::GetSamplesResponse> GetSamples(const v1::GetSamplesRequest& request);
  absl::StatusOr<v1::GetTimelineResponse> GetTimeline(const std::string& name, int64_t step);
  absl::StatusOr<v1::ListWaitsResponse> ListWaits(const std::string& name);
  absl::StatusOr<v1::ListWorkersResponse> ListWorkers();

  // Steering a run.
  absl::StatusOr<v1::SubmitResponse> Submit(v1::SubmitRequest request);
  absl::StatusOr<v1::RunState> Pause(const std::string& name, const std::string& reason,
                                     const std::string& request_id = "");
  absl::StatusOr<v1::RunState> Resume(const std::string& name, const std::string& reason,
                                      const std::string& request_id = "");
  absl::StatusOr<v1::RunState> Drain(const std::string& name, const std::string& reason,
                                     const std::string& request_id = "");
  absl::StatusOr<v1::RunState> Stop(const std::string& name, const std::string& reason,
                                    const std::string& request_id = "");
  absl::StatusOr<v1::Altered> Alter(v1::AlterRequest request);
  absl::StatusOr<v1::CheckpointKept> Checkpoint(const std::string& name,
                                                const std::string& request_id = "");
  absl::StatusOr<v1::ForkResponse> Fork(v1::ForkRequest request);
  absl::Status QuarantinePrompt(v1::QuarantinePromptRequest request);
  absl::StatusOr<v1::Worker> CordonWorker(v1::CordonWorkerRequest request);

  // Redoes a step beside the run; on this thread `on_progress` hears how far it is. CANCELLED when
  // `stop` was raised; DEADLINE_EXCEEDED after ten minutes without a word.
  absl::StatusOr<v1::ReplayReport> Replay(
      const std::string& name, int64_t step, const StopToken& stop,
      absl::FunctionRef<void(const v1::ReplayProgress&)> on_progress);

  // Calls `on_event` for each event from `from_sequence` on, each once, until the run has ended
  // (OK), `stop` is raised (CANCELLED) or the controller is gone for longer than the options allow
  // (UNAVAILABLE; come back with the next number). Without a reconnect budget it waits for the
  // controller to come up at the beginning.
  absl::Status Watch(const std::string& name, int64_t from_sequence, const StopToken& stop,
                     absl::FunctionRef<void(const v1::RunEvent&)> on_event,
                     const WatchOptions& options);
  absl::Status Watch(const std::string& name, int64_t from_sequence, const StopToken& stop,
                     absl::FunctionRef<void(const v1::RunEvent&)> on_event) {
    return Watch(name, from_sequence, stop, on_event, WatchOptions());
  }

  // Tells that the process of a worker has ended (FleetService.ReportExit).
  absl::Status ReportExit(const std::string& worker, int pid, const std::string& reason,
                          bool crashed);

 private:
  using Stub = v1::ControllerService::Stub;
  template <class Request, class Response>
  using Method = grpc::Status (Stub::*)(grpc::ClientContext*, const Request&, Response*);

  template <class Request, class Response>
  absl::StatusOr<Response> Call(Method<Request, Response> method, const Request& request,
                                absl::Duration timeout);
  template <class Request, class Response>
  absl::StatusOr<v1::RunState> Steer(Method<Request, Response> method, const std::string& name,
                                     const std::string& reason, const std::string& request_id);
  // One connection's worth of Watch; moves `next` on.
  absl::Status ReadEvents(const std::string& name, int64_t& next, const StopToken& stop,
                          bool wait_for_ready,
                          absl::FunctionRef<void(const v1::RunEvent&)> on_event,
                          absl::FunctionRef<void()> on_idle);
  absl::Status Explain(const absl::Status& status) const;
  bool AwaitConnection(absl::Time until, const StopToken& stop,
                       absl::FunctionRef<void()> on_idle) const;

  const std::string address_;
  const Options options_;
  const std::shared_ptr<grpc::Channel> channel_;
  const std::unique_ptr<Stub> stub_;
};

}  // namespace temper::orchestrator
