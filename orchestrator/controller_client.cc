// Calls on the controller.
#include "orchestrator/controller_client.h"

#include <algorithm>
#include <random>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "base/grpc_status.h"
#include "base/rpc.h"
#include "base/status_macros.h"
#include "orchestrator/stream_reading.h"

namespace temper::orchestrator {
namespace {

// Submit, Fork and Checkpoint read or write whole files.
constexpr int kLongCall = 12;
constexpr absl::Duration kReplaySilenceMax = absl::Minutes(10);
// A stream that held this long was a connection, whatever became of it.
constexpr absl::Duration kHeld = absl::Seconds(5);

template <class Request>
Request WithId(Request request) {
  if (request.request_id().empty()) request.set_request_id(NewRequestId());
  return request;
}

bool MayComeBack(const absl::Status& status) {
  return absl::IsUnavailable(status) || absl::IsAborted(status);
}

}  // namespace

std::string NewRequestId() {
  std::random_device random;
  std::string id;
  for (int i = 0; i < 4; ++i) absl::StrAppend(&id, absl::StrFormat("%08x", random()));
  return id;
}

ControllerClient::ControllerClient(const std::string& address, Options options)
    : ControllerClient(Dial(address), address, options) {}

ControllerClient::ControllerClient(std::shared_ptr<grpc::Channel> channel, std::string address,
                                   Options options)
    : address_(std::move(address)),
      options_(options),
      channel_(std::move(channel)),
      stub_(v1::ControllerService::NewStub(channel_)) {}

bool ControllerClient::Reachable(absl::Duration timeout) {
  return channel_->WaitForConnected(std::chrono::system_clock::now() +
                                    absl::ToChronoMilliseconds(timeout));
}

absl::Status ControllerClient::Explain(const absl::Status& status) const {
  if (absl::IsUnavailable(status)) {
    return absl::UnavailableError(absl::StrCat(
        "the controller at ", address_, " does not answer: ", std::string(status.message())));
  }
  if (absl::IsDeadlineExceeded(status)) {
    return absl::DeadlineExceededError(
        absl::StrCat("the controller at ", address_,
                     " did not answer in time: ", std::string(status.message())));
  }
  return status;
}

bool ControllerClient::AwaitConnection(absl::Time until, const StopToken& stop,
                                       absl::FunctionRef<void()> on_idle) const {
  while (!stop.stopped() && absl::Now() < until) {
    const auto slice = std::chrono::system_clock::now() + absl::ToChronoMilliseconds(kStreamTick);
    if (channel_->WaitForConnected(slice)) return true;
    on_idle();
  }
  return false;
}

template <class Request, class Response>
absl::StatusOr<Response> ControllerClient::Call(Method<Request, Response> method,
                                                const Request& request, absl::Duration timeout) {
  const StopToken never;
  const absl::Time give_up = absl::Now() + timeout;
  const absl::Time last_try = absl::Now() + std::min(options_.retry_budget, timeout);
  Backoff backoff(absl::Seconds(1));
  while (true) {
    Response response;
    const absl::Status status = [&] {
      const BlockingCall context(Wait::OrFail(
          "the controller's answer", std::max(give_up - absl::Now(), absl::Milliseconds(1))));
      return FromGrpc((stub_.get()->*method)(context.get(), request, &response));
    }();
    if (status.ok()) return response;
    const absl::Duration pause = backoff.Next();
    if (!absl::IsUnavailable(status) || absl::Now() + pause >= last_try) return Explain(status);
    Sleep(Wait::OrRetry("the controller to come back", pause));
    if (!AwaitConnection(last_try, never, [] {})) return Explain(status);
  }
}

absl::StatusOr<v1::GetResponse> ControllerClient::Get(const std::string& name) {
  v1::GetRequest request;
  request.set_run(name);
  return Call(&Stub::Get, request, options_.timeout);
}

absl::StatusOr<v1::ListResponse> ControllerClient::List() {
  return Call(&Stub::List, v1::ListRequest(), options_.timeout);
}

absl::StatusOr<v1::GetSamplesResponse> ControllerClient::GetSamples(
    const v1::GetSamplesRequest& request) {
  return Call(&Stub::GetSamples, request, options_.timeout);
}

absl::StatusOr<v1::GetTimelineResponse> ControllerClient::GetTimeline(const std::string& name,
                                                                      int64_t step) {
  v1::GetTimelineRequest request;
  request.set_run(name);
  request.set_step(step);
  return Call(&Stub::GetTimeline, request, options_.timeout);
}

absl::StatusOr<v1::ListWaitsResponse> ControllerClient::ListWaits(const std::string& name) {
  v1::ListWaitsRequest request;
  request.set_run(name);
  return Call(&Stub::ListWaits, request, options_.timeout);
}

absl::StatusOr<v1::ListWorkersResponse> ControllerClient::ListWorkers() {
  return Call(&Stub::ListWorkers, v1::ListWorkersRequest(), options_.timeout);
}

absl::StatusOr<v1::SubmitResponse> ControllerClient::Submit(v1::SubmitRequest request) {
  return Call(&Stub::Submit, WithId(std::move(request)), kLongCall * options_.timeout);
}

template <class Request, class Response>
absl::StatusOr<v1::RunState> ControllerClient::Steer(Method<Request, Response> method,
                                                     const std::string& name,
                                                     const std::string& reason,
                                                     const std::string& request_id) {
  Request request;
  request.set_request_id(request_id);
  request.set_run(name);
  request.set_reason(reason);
  TEMPER_ASSIGN_OR_RETURN(const Response response,
                          Call(method, WithId(std::move(request)), options_.timeout));
  return response.state();
}

absl::StatusOr<v1::RunState> ControllerClient::Pause(const std::string& name,
                                                     const std::string& reason,
                                                     const std::string& request_id) {
  return Steer(&Stub::Pause, name, reason, request_id);
}

absl::StatusOr<v1::RunState> ControllerClient::Resume(const std::string& name,
                                                      const std::string& reason,
                                                      const std::string& request_id) {
  return Steer(&Stub::Resume, name, reason, request_id);
}

absl::StatusOr<v1::RunState> ControllerClient::Drain(const std::string& name,
                                                     const std::string& reason,
                                                     const std::string& request_id) {
  return Steer(&Stub::Drain, name, reason, request_id);
}

absl::StatusOr<v1::RunState> ControllerClient::Stop(const std::string& name,
                                                    const std::string& reason,
                                                    const std::string& request_id) {
  return Steer(&Stub::Stop, name, reason, request_id);
}

absl::StatusOr<v1::Altered> ControllerClient::Alter(v1::AlterRequest request) {
  TEMPER_ASSIGN_OR_RETURN(v1::AlterResponse response,
                          Call(&Stub::Alter, WithId(std::move(request)), options_.timeout));
  return std::move(*response.mutable_altered());
}

absl::StatusOr<v1::CheckpointKept> ControllerClient::Checkpoint(const std::string& name,
                                                                const std::string& request_id) {
  v1::CheckpointRequest request;
  request.set_request_id(request_id);
  request.set_run(name);
  TEMPER_ASSIGN_OR_RETURN(
      v1::CheckpointResponse response,
      Call(&Stub::Checkpoint, WithId(std::move(request)), kLongCall * options_.timeout));
  return std::move(*response.mutable_checkpoint());
}

absl::StatusOr<v1::ForkResponse> ControllerClient::Fork(v1::ForkRequest request) {
  return Call(&Stub::Fork, WithId(std::move(request)), kLongCall * options_.timeout);
}

absl::Status ControllerClient::QuarantinePrompt(v1::QuarantinePromptRequest request) {
  return Call(&Stub::QuarantinePrompt, WithId(std::move(request)), options_.timeout).status();
}

absl::StatusOr<v1::Worker> ControllerClient::CordonWorker(v1::CordonWorkerRequest request) {
  TEMPER_ASSIGN_OR_RETURN(v1::CordonWorkerResponse response,
                          Call(&Stub::CordonWorker, WithId(std::move(request)), options_.timeout));
  return std::move(*response.mutable_worker());
}

absl::StatusOr<v1::ReplayReport> ControllerClient::Replay(
    const std::string& name, int64_t step, const StopToken& stop,
    absl::FunctionRef<void(const v1::ReplayProgress&)> on_progress) {
  v1::ReplayRequest request;
  request.set_run(name);
  request.set_step(step);
  v1::ReplayReport report;
  bool reported = false;
  grpc::ClientContext context;  // a replay takes what it takes; silence and `stop` end it
  const absl::Status status = ReadStream<v1::ReplayResponse>(
      [&](grpc::ClientContext* call, grpc::CompletionQueue* queue) {
        return stub_->PrepareAsyncReplay(call, request, queue);
      },
      context, {.stop = stop, .silence_max = kReplaySilenceMax},
      [&](const v1::ReplayResponse& response) {
        if (response.has_progress()) on_progress(response.progress());
        if (response.has_report()) {
          report = response.report();
          reported = true;
        }
      },
      [] {});
  if (!status.ok()) return Explain(status);
  if (reported) return report;
  return absl::DataLossError(absl::StrCat("the controller at ", address_,
                                          " ended the replay of step ", step, " without a report"));
}

absl::Status ControllerClient::ReadEvents(const std::string& name, int64_t& next,
                                          const StopToken& stop, bool wait_for_ready,
                                          absl::FunctionRef<void(const v1::RunEvent&)> on_event,
                                          absl::FunctionRef<void()> on_idle) {
  v1::WatchRequest request;
  request.set_run(name);
  request.set_from_sequence(next);
  grpc::ClientContext context;  // lives as long as the run; `stop` ends it
  context.set_wait_for_ready(wait_for_ready);
  return Explain(ReadStream<v1::WatchResponse>(
      [&](grpc::ClientContext* call, grpc::CompletionQueue* queue) {
        return stub_->PrepareAsyncWatch(call, request, queue);
      },
      context, {.stop = stop},
      [&](const v1::WatchResponse& response) {
        if (response.event().sequence() < next) return;  // seen before the connection broke
        next = response.event().sequence() + 1;
        on_event(response.event());
      },
      on_idle));
}

absl::Status ControllerClient::Watch(const std::string& name, int64_t from_sequence,
                                     const StopToken& stop,
                                     absl::FunctionRef<void(const v1::RunEvent&)> on_event,
                                     const WatchOptions& options) {
  const auto idle = [&options] {
    if (options.on_idle) options.on_idle();
  };
  const bool comes_back = options.reconnect_budget > absl::ZeroDuration();
  int64_t next = from_sequence;
  absl::Time lost = absl::InfiniteFuture();  // when the outage began; infinite: there is none
  bool told_back = false;
  Backoff backoff(absl::Seconds(1));
  while (true) {
    const absl::Time began = absl::Now();
    const int64_t before = next;
    const absl::Status status = ReadEvents(name, next, stop, !comes_back, on_event, idle);
    if (!comes_back || !MayComeBack(status)) return status;
    if (next != before || absl::Now() - began > kHeld) {  // there was a connection: a new outage
      lost = absl::InfiniteFuture();
      backoff.Reset();
    }
    if (lost == absl::InfiniteFuture()) {
      lost = absl::Now();
      told_back = false;
      if (options.on_lost) options.on_lost(status);
    }
    const absl::Time pause_end = absl::Now() + backoff.Next();
    while (absl::Now() < pause_end && !stop.stopped()) {
      (void)stop.WaitFor(Wait::OrRetry(
          "the controller to come back",
          std::max(std::min(kStreamTick, pause_end - absl::Now()), absl::ZeroDuration())));
      idle();
    }
    if (!AwaitConnection(lost + options.reconnect_budget, stop, idle)) {
      return stop.stopped() ? absl::CancelledError("stopped while the controller was away")
                            : status;
    }
    if (options.on_back && !std::exchange(told_back, true)) options.on_back(next);
  }
}

absl::Status ControllerClient::ReportExit(const std::string& worker, int pid,
                                          const std::string& reason, bool crashed) {
  v1::ReportExitRequest request;
  request.set_name(worker);
  request.set_pid(pid);
  request.set_reason(reason);
  request.set_crashed(crashed);
  v1::ReportExitResponse response;
  const BlockingCall context(Wait::OrFail("the answer to an exit", absl::Seconds(1)));
  const auto stub = v1::FleetService::NewStub(channel_);
  return FromGrpc(stub->ReportExit(context.get(), request, &response));
}

}  // namespace temper::orchestrator
