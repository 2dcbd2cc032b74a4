// Calls on the controller.
#include "orchestrator/controller_client.h"

#include <atomic>
#include <thread>

#include "absl/time/clock.h"
#include "base/grpc_status.h"
#include "base/rpc.h"

namespace temper::orchestrator {
namespace {

constexpr absl::Duration kCallTimeout = absl::Seconds(10);

}  // namespace

ControllerClient::ControllerClient(const std::string& address)
    : stub_(temper::v1::ControllerService::NewStub(Dial(address))) {}

absl::StatusOr<temper::v1::GetRunResponse> ControllerClient::GetRun(const std::string& name) {
  temper::v1::GetRunRequest request;
  request.set_name(name);
  temper::v1::GetRunResponse response;
  const auto context = Deadline(kCallTimeout);
  const absl::Status status = FromGrpc(stub_->GetRun(context.get(), request, &response));
  if (!status.ok()) return status;
  return response;
}

absl::StatusOr<temper::v1::ListRunsResponse> ControllerClient::ListRuns() {
  temper::v1::ListRunsResponse response;
  const auto context = Deadline(kCallTimeout);
  const absl::Status status = FromGrpc(stub_->ListRuns(context.get(), {}, &response));
  if (!status.ok()) return status;
  return response;
}

absl::Status ControllerClient::StopRun(const std::string& name, const std::string& reason) {
  temper::v1::StopRunRequest request;
  request.set_name(name);
  request.set_reason(reason);
  temper::v1::StopRunResponse response;
  const auto context = Deadline(kCallTimeout);
  return FromGrpc(stub_->StopRun(context.get(), request, &response));
}

absl::Status ControllerClient::ReportExit(const std::string& worker, int pid,
                                          const std::string& reason, bool crashed) {
  temper::v1::ReportExitRequest request;
  request.set_name(worker);
  request.set_pid(pid);
  request.set_reason(reason);
  request.set_crashed(crashed);
  temper::v1::ReportExitResponse response;
  const auto context = Deadline(absl::Seconds(1));
  return FromGrpc(stub_->ReportExit(context.get(), request, &response));
}

absl::Status ControllerClient::WatchRun(
    const std::string& name, int64_t from_sequence, const StopToken& stop,
    absl::FunctionRef<void(const temper::v1::WatchRunResponse&)> on_event) {
  temper::v1::WatchRunRequest request;
  request.set_name(name);
  request.set_from_sequence(from_sequence);
  grpc::ClientContext context;  // lives as long as the run; `stop` ends it
  context.set_wait_for_ready(true);
  const auto reader = stub_->WatchRun(&context, request);
  std::atomic<bool> done{false};
  std::thread canceller([&] {
    while (!done.load() && !stop.stopped()) absl::SleepFor(absl::Milliseconds(20));
    if (!done.load()) context.TryCancel();
  });
  temper::v1::WatchRunResponse event;
  while (reader->Read(&event)) on_event(event);
  const absl::Status status = FromGrpc(reader->Finish());
  done.store(true);
  canceller.join();
  return status;
}

}  // namespace temper::orchestrator
