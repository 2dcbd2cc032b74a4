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
  if (thread_.joinable()) thread_.join();
}

absl::StatusOr<temper::v1::RegisterResponse> WorkerMembership::Register() {
  Backoff backoff(absl::Seconds(1));
  const absl::Time give_up = absl::Now() + kControllerGone;
  while (!stop_.stopped()) {
    temper::v1::RegisterResponse response;
    const auto context = Deadline(kCallTimeout);
    context->set_wait_for_ready(true);
    const absl::Status status = FromGrpc(stub_->Register(context.get(), request_, &response));
    if (status.ok()) return response;
    if (!absl::IsUnavailable(status) && !absl::IsDeadlineExceeded(status)) return status;
    if (absl::Now() > give_up) {
      return absl::UnavailableError(
          absl::StrCat("the controller did not answer for 60 s (", std::string(status.message()),
                       "); is `temper controller` running at that --controller address?"));
    }
    absl::SleepFor(backoff.Next());
  }
  return absl::CancelledError("stopped while waiting for the controller");
}

void WorkerMembership::StartHeartbeat(const std::atomic<int64_t>& progress, int heartbeat_ms) {
  thread_ = std::thread([this, &progress, heartbeat_ms] { Beat(progress, heartbeat_ms); });
}

void WorkerMembership::Beat(const std::atomic<int64_t>& progress, int heartbeat_ms) {
  absl::Time last_answer = absl::Now();
  while (!stop_.stopped()) {
    temper::v1::HeartbeatRequest beat;
    beat.set_name(request_.name());
    beat.set_incarnation(request_.incarnation());
    beat.set_progress(progress.load(std::memory_order_relaxed));
    temper::v1::HeartbeatResponse answer;
    const auto context = Deadline(kCallTimeout);
    context->set_wait_for_ready(true);
    absl::Status status = FromGrpc(stub_->Heartbeat(context.get(), beat, &answer));
    if (absl::IsNotFound(status)) {
      log::Info("the controller has forgotten this worker; registering again");
      temper::v1::RegisterResponse registered;
      const auto again = Deadline(kCallTimeout);
      status = FromGrpc(stub_->Register(again.get(), request_, &registered));
    }
    if (status.ok()) last_answer = absl::Now();
    if (absl::Now() - last_answer > kControllerGone) {
      log::Error("the controller is gone; ending", {{"last_error", std::string(status.message())}});
      stop_.Stop();
    }
    for (int waited = 0; waited < heartbeat_ms && !stop_.stopped(); waited += 20) {
      absl::SleepFor(absl::Milliseconds(20));
    }
  }
}

}  // namespace temper::cli
