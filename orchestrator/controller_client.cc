// Calls on the controller.
#include "orchestrator/controller_client.h"

#include <array>

#include "base/blocking.h"
#include "base/grpc_status.h"
#include "base/rpc.h"
#include "base/thread.h"

namespace temper::orchestrator {
namespace {

constexpr absl::Duration kCallTimeout = absl::Seconds(10);
constexpr absl::Duration kWatchMax = absl::Hours(24);

}  // namespace

ControllerClient::ControllerClient(const std::string& address)
    : channel_(Dial(address)), stub_(temper::v1::ControllerService::NewStub(channel_)) {}

absl::StatusOr<temper::v1::GetResponse> ControllerClient::Get(const std::string& name) {
  temper::v1::GetRequest request;
  request.set_run(name);
  temper::v1::GetResponse response;
  const BlockingCall context(Wait::OrFail("the run's state", kCallTimeout));
  const absl::Status status = FromGrpc(stub_->Get(context.get(), request, &response));
  if (!status.ok()) return status;
  return response;
}

absl::StatusOr<temper::v1::ListResponse> ControllerClient::List() {
  temper::v1::ListResponse response;
  const BlockingCall context(Wait::OrFail("the list of runs", kCallTimeout));
  const absl::Status status = FromGrpc(stub_->List(context.get(), {}, &response));
  if (!status.ok()) return status;
  return response;
}

absl::Status ControllerClient::Stop(const std::string& name, const std::string& reason) {
  temper::v1::StopRequest request;
  request.set_run(name);
  request.set_reason(reason);
  temper::v1::StopResponse response;
  const BlockingCall context(Wait::OrFail("the answer to a stop", kCallTimeout));
  return FromGrpc(stub_->Stop(context.get(), request, &response));
}

absl::Status ControllerClient::ReportExit(const std::string& worker, int pid,
                                          const std::string& reason, bool crashed) {
  temper::v1::ReportExitRequest request;
  request.set_name(worker);
  request.set_pid(pid);
  request.set_reason(reason);
  request.set_crashed(crashed);
  temper::v1::ReportExitResponse response;
  const BlockingCall context(Wait::OrFail("the answer to an exit", absl::Seconds(1)));
  return FromGrpc(
      temper::v1::FleetService::NewStub(channel_)->ReportExit(context.get(), request, &response));
}

absl::Status ControllerClient::Watch(
    const std::string& name, int64_t from_sequence, const StopToken& stop,
    absl::FunctionRef<void(const temper::v1::RunEvent&)> on_event) {
  temper::v1::WatchRequest request;
  request.set_run(name);
  request.set_from_sequence(from_sequence);
  const BlockingCall context(Wait::ForWork("events of the run", kWatchMax));
  context->set_wait_for_ready(true);
  const auto reader = stub_->Watch(context.get(), request);
  StopToken done;
  Thread canceller("watch canceller", [&] {
    std::array<pollfd, 2> ends{{{stop.descriptor(), POLLIN, 0}, {done.descriptor(), POLLIN, 0}}};
    while (!done.stopped() && !stop.stopped()) {
      PollFor(Wait::ForWork("the end of watching", kWatchMax), absl::MakeSpan(ends));
    }
    if (!done.stopped()) context->TryCancel();
  });
  temper::v1::WatchResponse response;
  while (reader->Read(&response)) on_event(response.event());
  const absl::Status status = FromGrpc(reader->Finish());
  done.Stop();
  canceller.Join(kLoopEnd, WaitPolicy::kFail);
  return status;
}

}  // namespace temper::orchestrator
