// Membership of a worker process in a fleet.
#include "orchestrator/cli/worker.h"

#include <unistd.h>

#include <algorithm>
#include <functional>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/grpc_status.h"
#include "base/log.h"
#include "base/mutex.h"
#include "base/rpc.h"
#include "base/status_macros.h"
#include "base/wait_list.h"

namespace temper::cli {
namespace {

constexpr absl::Duration kCallTimeout = absl::Seconds(5);
constexpr absl::Duration kControllerGone = absl::Seconds(60);
// How soon a stop, or news while a call is under way, is seen.
constexpr absl::Duration kLook = absl::Milliseconds(20);
constexpr absl::Duration kWaitToldAfter = absl::Seconds(1);
// A worker without a run asks for one this often.
constexpr absl::Duration kIdlePeriodMax = absl::Milliseconds(100);

template <class Answer>
std::vector<v1::Assignment> ListOf(const Answer& answer) {
  return {answer.assignments().begin(), answer.assignments().end()};
}

// The end of one call, told by gRPC's thread.
struct CallEnd {
  void Tell(absl::Status ended) ABSL_LOCKS_EXCLUDED(mutex) {
    MutexLock lock(mutex);
    status = std::move(ended);
    mutex.Changed();
  }
  std::optional<absl::Status> Await(absl::Duration timeout) ABSL_LOCKS_EXCLUDED(mutex) {
    MutexLock lock(mutex);
    mutex.Await(Wait::OrRetry("the controller's answer", timeout),
                [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex) { return status.has_value(); });
    return status;
  }

  Mutex mutex;
  std::optional<absl::Status> status ABSL_GUARDED_BY(mutex);
};

}  // namespace

WorkerMembership::WorkerMembership(Options options, RunHost& host, const StopToken& stop)
    : stop_(stop), host_(host), stub_(v1::FleetService::NewStub(Dial(options.controller))) {
  request_.set_role(options.role);
  request_.set_name(std::move(options.name));
  request_.set_address(std::move(options.address));
  request_.set_pid(getpid());
  request_.set_incarnation(absl::StrCat(getpid(), "-", absl::GetCurrentTimeNanos()));
  *request_.mutable_capabilities() = std::move(options.capabilities);
}

template <class Request, class Response>
absl::StatusOr<Response> WorkerMembership::Call(
    const Request& request,
    void (Fleet::async::*start)(grpc::ClientContext*, const Request*, Response*,
                                std::function<void(grpc::Status)>),
    AssignedRuns* runs) {
  Response response;
  const auto end = std::make_shared<CallEnd>();
  const auto context = Deadline(kCallTimeout);
  context->set_wait_for_ready(true);
  (stub_->async()->*start)(context.get(), &request, &response,
                           [end](const grpc::Status& status) { end->Tell(FromGrpc(status)); });
  std::optional<absl::Status> ended = end->Await(kLook);
  while (!ended.has_value()) {  // not longer than the call's deadline
    if (stop_.stopped() || (runs != nullptr && runs->AwaitNews(absl::ZeroDuration()))) {
      context->TryCancel();
    }
    ended = end->Await(kLook);
  }
  if (!ended->ok()) return *ended;
  return response;
}

absl::StatusOr<v1::RegisterResponse> WorkerMembership::Register() {
  auto answer =
      Call<v1::RegisterRequest, v1::RegisterResponse>(request_, &Fleet::async::Register, nullptr);
  if (answer.ok()) KeepPace(*answer);
  return answer;
}

void WorkerMembership::KeepPace(const v1::RegisterResponse& answer) {
  period_ = absl::Milliseconds(answer.heartbeat_ms() > 0 ? answer.heartbeat_ms() : 500);
}

absl::StatusOr<v1::RegisterResponse> WorkerMembership::Join() {
  Backoff backoff(absl::Seconds(1));
  const absl::Time give_up = absl::Now() + kControllerGone;
  while (!stop_.stopped()) {
    absl::StatusOr<v1::RegisterResponse> answer = Register();
    if (answer.ok() || stop_.stopped()) return answer;
    if (!absl::IsUnavailable(answer.status()) && !absl::IsDeadlineExceeded(answer.status())) {
      return answer;
    }
    if (absl::Now() > give_up) {
      return absl::UnavailableError(absl::StrCat(
          "the controller did not answer for 60 s (", std::string(answer.status().message()),
          "); is `temper controller` running at that --controller address?"));
    }
    Pause(absl::Now() + backoff.Next(), nullptr);
  }
  return absl::CancelledError("stopped while waiting for the controller");
}

absl::StatusOr<std::vector<v1::Assignment>> WorkerMembership::Beat(AssignedRuns& runs) {
  v1::HeartbeatRequest beat;
  beat.set_name(request_.name());
  beat.set_incarnation(request_.incarnation());
  beat.set_progress(host_.progress());
  runs.Report(beat);
  AddWaits(request_.name(), kWaitToldAfter, *beat.mutable_waits());
  auto answer =
      Call<v1::HeartbeatRequest, v1::HeartbeatResponse>(beat, &Fleet::async::Heartbeat, &runs);
  if (answer.ok()) return ListOf(*answer);
  if (!absl::IsNotFound(answer.status())) return answer.status();
  log::Info("the controller has forgotten this worker; registering again");
  TEMPER_ASSIGN_OR_RETURN(const v1::RegisterResponse registered, Register());
  return ListOf(registered);
}

void WorkerMembership::Pause(absl::Time until, AssignedRuns* runs) const {
  for (absl::Duration left = until - absl::Now(); left > absl::ZeroDuration() && !stop_.stopped();
       left = until - absl::Now()) {
    const absl::Duration pause = std::min(left, kLook);
    if (runs == nullptr) {
      (void)stop_.WaitFor(Wait::OrRetry("the controller to come up", pause));
    } else if (runs->AwaitNews(pause)) {
      return;
    }
  }
}

absl::Status WorkerMembership::Serve() {
  const absl::StatusOr<v1::RegisterResponse> joined = Join();
  if (stop_.stopped()) return absl::OkStatus();
  if (!joined.ok()) return joined.status();
  AssignedRuns runs(host_, request_.capabilities().runs_max());
  runs.Follow(ListOf(*joined));
  absl::Time last_answer = absl::Now();
  while (!stop_.stopped()) {
    const absl::Time sent = absl::Now();
    absl::StatusOr<std::vector<v1::Assignment>> wanted = Beat(runs);
    if (wanted.ok()) {
      last_answer = absl::Now();
      runs.Follow(*std::move(wanted));
    } else if (absl::Now() - last_answer > kControllerGone) {
      return absl::UnavailableError(
          absl::StrCat("the controller is gone: no answer for 60 s, last: ",
                       std::string(wanted.status().message())));
    }
    Pause(sent + (runs.none() ? std::min(period_, kIdlePeriodMax) : period_), &runs);
  }
  return absl::OkStatus();
}

}  // namespace temper::cli
