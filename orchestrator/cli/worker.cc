// Membership of a worker process in a run.
#include "orchestrator/cli/worker.h"

#include <unistd.h>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/grpc_status.h"
#include "base/log.h"
#include "base/rpc.h"

namespace temper::cli {
namespace {

constexpr absl::Duration kCallTimeout = absl::Seconds(5);
constexpr absl::Duration kControllerGone = absl::Seconds(60);

absl::Status RegisterAt(temper::v1::FleetService::Stub& controller,
                        const temper::v1::RegisterRequest& request,
                        temper::v1::RegisterResponse& response) {
  const BlockingCall call(Wait::OrRetry("the controller's welcome", kCallTimeout));
  call->set_wait_for_ready(true);
  return FromGrpc(controller.Register(call.get(), request, &response));
}

absl::Status BeatAt(temper::v1::FleetService::Stub& controller,
                    const temper::v1::HeartbeatRequest& request,
                    temper::v1::HeartbeatResponse& response) {
  const BlockingCall call(Wait::OrRetry("the controller's answer to a beat", kCallTimeout));
  call->set_wait_for_ready(true);
  return FromGrpc(controller.Heartbeat(call.get(), request, &response));
}

}  // namespace

WorkerMembership::WorkerMembership(const std::string& controller, temper::v1::Role role,
                                   std::string name, std::string address, StopToken& stop)
    : stop_(stop), stub_(temper::v1::FleetService::NewStub(Dial(controller))) {
  request_.set_role(role);
  request_.set_name(std::move(name));
  request_.set_address(std::move(address));
  request_.set_pid(getpid());
  request_.set_incarnation(absl::StrCat(getpid(), "-", absl::GetCurrentTimeNanos()));
}

WorkerMembership::~WorkerMembership() {
  stop_.Stop();
  if (thread_.joinable()) thread_.Join(kLoopEnd, WaitPolicy::kFail);
}

absl::StatusOr<temper::v1::RegisterResponse> WorkerMembership::Register() {
  Backoff backoff(absl::Seconds(1));
  const absl::Time give_up = absl::Now() + kControllerGone;
  while (!stop_.stopped()) {
    temper::v1::RegisterResponse response;
    const absl::Status status = RegisterAt(*stub_, request_, response);
    if (status.ok()) return response;
    if (!absl::IsUnavailable(status) && !absl::IsDeadlineExceeded(status)) return status;
    if (absl::Now() > give_up) {
      return absl::UnavailableError(
          absl::StrCat("the controller did not answer for 60 s (", std::string(status.message()),
                       "); is `temper controller` running at that --controller address?"));
    }
    (void)stop_.WaitFor(Wait::OrRetry("the controller to come up", backoff.Next()));
  }
  return absl::CancelledError("stopped while waiting for the controller");
}

void WorkerMembership::StartHeartbeat(const std::atomic<int64_t>& progress, int heartbeat_ms) {
  thread_ = Thread("heartbeat", [this, &progress, heartbeat_ms] { Beat(progress, heartbeat_ms); });
}

void WorkerMembership::Beat(const std::atomic<int64_t>& progress, int heartbeat_ms) {
  absl::Time last_answer = absl::Now();
  while (!stop_.stopped()) {
    temper::v1::HeartbeatRequest beat;
    beat.set_name(request_.name());
    beat.set_incarnation(request_.incarnation());
    beat.set_progress(progress.load(std::memory_order_relaxed));
    temper::v1::HeartbeatResponse answer;
    absl::Status status = BeatAt(*stub_, beat, answer);
    if (absl::IsNotFound(status)) {
      log::Info("the controller has forgotten this worker; registering again");
      temper::v1::RegisterResponse registered;
      status = RegisterAt(*stub_, request_, registered);
    }
    if (status.ok()) last_answer = absl::Now();
    if (absl::Now() - last_answer > kControllerGone) {
      log::Error("the controller is gone; ending", {{"last_error", std::string(status.message())}});
      stop_.Stop();
    }
    (void)stop_.WaitFor(Wait::ForWork("the next beat", absl::Milliseconds(heartbeat_ms)));
  }
}

}  // namespace temper::cli
