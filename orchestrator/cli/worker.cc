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
// A call ends at its deadline; should gRPC not tell so by then, nobody waits for it any longer.
constexpr absl::Duration kCallEnd = absl::Seconds(5);
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

// What gRPC uses until it tells the end. Ours to destroy, not its thread's: the last reference to a
// channel must not go within one of the channel's own callbacks.
template <class Request, class Response>
struct OneCall {
  explicit OneCall(Request asked) : request(std::move(asked)) { context->set_wait_for_ready(true); }

  const std::unique_ptr<grpc::ClientContext> context = Deadline(kCallTimeout);
  const Request request;
  Response response;
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
  auto call = std::make_unique<OneCall<Request, Response>>(request);
  const auto end = std::make_shared<CallEnd>();
  (stub_->async()->*start)(call->context.get(), &call->request, &call->response,
                           [end](const grpc::Status& status) { end->Tell(FromGrpc(status)); });
  const absl::Duration give_up = clock_.Uptime() + kCallTimeout + kCallEnd;
  std::optional<absl::Status> ended = end->Await(kLook);
  while (!ended.has_value() && clock_.Uptime() < give_up) {
    if (stop_.stopped() || (runs != nullptr && runs->AwaitNews(absl::ZeroDuration()))) {
      call->context->TryCancel();
    }
    ended = end->Await(kLook);
  }
  if (!ended.has_value()) {
    log::Error("a call to the controller did not end at its deadline; going on without it");
    (void)call.release();  // gRPC may still write to it
    return absl::DeadlineExceededError("a call did not end at its deadline");
  }
  if (!ended->ok()) return *ended;
  return std::move(call->response);
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
  const absl::Duration give_up = clock_.Uptime() + kControllerGone;
  while (!stop_.stopped()) {
    absl::StatusOr<v1::RegisterResponse> answer = Register();
    if (answer.ok() || stop_.stopped()) return answer;
    if (!absl::IsUnavailable(answer.status()) && !absl::IsDeadlineExceeded(answer.status())) {
      return answer;
    }
    if (clock_.Uptime() > give_up) {
      return absl::UnavailableError(absl::StrCat(
          "the controller did not answer for 60 s (", std::string(answer.status().message()),
          "); is `temper controller` running at that --controller address?"));
    }
    Pause(clock_.Uptime() + backoff.Next(), nullptr);
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
  log::Info("registered again", {{"runs", registered.assignments_size()}});
  return ListOf(registered);
}

void WorkerMembership::Pause(absl::Duration until, AssignedRuns* runs) const {
  for (absl::Duration left = until - clock_.Uptime();
       left > absl::ZeroDuration() && !stop_.stopped(); left = until - clock_.Uptime()) {
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
  std::optional<absl::Duration> no_answer_since;
  while (!stop_.stopped()) {
    const absl::Duration sent = clock_.Uptime();
    absl::StatusOr<std::vector<v1::Assignment>> wanted = Beat(runs);
    if (wanted.ok()) {
      no_answer_since.reset();
      runs.Follow(*std::move(wanted));
    } else if (!no_answer_since.has_value()) {
      // From here: a machine that slept has not asked anybody meanwhile.
      no_answer_since = clock_.Uptime();
    } else if (clock_.Uptime() - *no_answer_since > kControllerGone) {
      return absl::UnavailableError(
          absl::StrCat("the controller is gone: no answer for 60 s, last: ",
                       std::string(wanted.status().message())));
    }
    Pause(sent + (runs.none() ? std::min(period_, kIdlePeriodMax) : period_), &runs);
  }
  return absl::OkStatus();
}

}  // namespace temper::cli
