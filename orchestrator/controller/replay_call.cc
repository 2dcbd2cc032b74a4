// From the ledger to a child process and back to the caller.
#include "orchestrator/controller/replay_call.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "base/file.h"
#include "base/grpc_status.h"
#include "base/log.h"
#include "orchestrator/controller/open_call.h"
#include "orchestrator/replay/bundle.h"
#include "orchestrator/replay/replay_process.h"

namespace temper::orchestrator {

// What a replay needs until it has ended; its folder goes with it.
struct ReplayCall::Job {
  ~Job() {
    bundle.reset();
    if (const absl::Status removed = RemoveAll(folder); !removed.ok()) {
      log::Warning("the folder of a replay stays", {{"error", removed.ToString()}});
    }
  }

  std::shared_ptr<RunLoop> run;
  int64_t step = 0;
  std::string folder;
  std::unique_ptr<BundleWriter> bundle;  // touched on the run's loop alone
};

grpc::ServerWriteReactor<v1::ReplayResponse>* ReplayCall::Begin(Controller& controller,
                                                                const v1::ReplayRequest& request) {
  std::shared_ptr<ReplayCall> call(new ReplayCall(controller));
  call->self_ = call;
  call->Start(request);
  return call.get();
}

void ReplayCall::Start(const v1::ReplayRequest& request) {
  auto run = controller_.Find(request.run());
  if (!run.ok()) return End(run.status());
  auto job = std::make_shared<Job>();
  job->run = *run;
  job->step = request.step();
  job->folder = JoinPath(
      job->run->place().dir,
      absl::StrCat("replay-", request.step(), "-", absl::ToUnixNanos(controller_.clock().Now())));
  const bool taken = job->run->Post([call = shared_from_this(), job] {
    if (!job->run->made(job->step)) {
      return call->End(
          absl::OutOfRangeError(absl::StrCat("step: found ", job->step, ", the run has made ",
                                             job->run->steps_made(), " policy steps")));
    }
    auto begun = BundleWriter::Begin(
        job->run->ledger(), {.dir = job->run->place().dir,
                             .folder = job->folder,
                             .step = job->step,
                             .warm_start_steps = job->run->place().spec.warm_start_steps()});
    if (!begun.ok()) return call->End(begun.status());
    job->bundle = *std::move(begun);
    call->WriteBundle(job);
  });
  if (!taken) End(InboxFull());
}

void ReplayCall::WriteBundle(std::shared_ptr<Job> job) {
  if (cancelled()) return End(absl::CancelledError("the caller left"));
  const absl::StatusOr<bool> more = job->bundle->Next();
  if (!more.ok()) return End(more.status());
  auto self = shared_from_this();
  const bool taken = *more ? job->run->Post([self, job] { self->WriteBundle(job); })
                           : controller_.Post([self, job] { self->StartChild(job); });
  if (!taken) End(InboxFull());
}

void ReplayCall::StartChild(std::shared_ptr<Job> job) {
  if (cancelled()) return End(absl::CancelledError("the caller left"));
  auto self = shared_from_this();
  const absl::Status started = controller_.replay().Start(
      {.program = controller_.options().program,
       .arguments = {"replay-bundle", job->folder, "--model-dir", job->run->place().model_dir,
                     "--step", absl::StrCat(job->step)},
       .log_path = JoinPath(job->run->place().dir, "logs/replay.log")},
      [self](const v1::ReplayResponse& response) { self->Offer(response); },
      [self, job](const absl::Status& status) { self->End(status); });
  if (!started.ok()) End(started);
}

void ReplayCall::Offer(v1::ReplayResponse response) {
  MutexLock lock(mutex_);
  // Progress may be left out, a report not.
  if (response.has_progress() && waiting_.size() > 16) return;
  waiting_.push_back(std::move(response));
  Step();
}

void ReplayCall::End(const absl::Status& status) {
  MutexLock lock(mutex_);
  if (ending_) return;
  ending_ = true;
  status_ = status;
  Step();
}

bool ReplayCall::cancelled() {
  MutexLock lock(mutex_);
  return cancelled_;
}

void ReplayCall::Step() {
  if (writing_ || finished_) return;
  if (!waiting_.empty() && !cancelled_) {
    writing_ = true;
    StartWrite(&waiting_.front());
  } else if (ending_) {
    finished_ = true;
    Finish(ToGrpc(status_));
  }
}

void ReplayCall::OnWriteDone(bool) {
  MutexLock lock(mutex_);
  writing_ = false;
  waiting_.pop_front();
  Step();
}

void ReplayCall::OnCancel() {
  {
    MutexLock lock(mutex_);
    cancelled_ = true;
    if (finished_) return;
  }
  // The child's end ends the call.
  if (!controller_.Post([self = shared_from_this()] { self->controller_.replay().Cancel(); })) {
    End(absl::CancelledError("the controller is ending"));
  }
}

void ReplayCall::OnDone() {
  const std::shared_ptr<ReplayCall> self = std::move(self_);  // freed on return
}

}  // namespace temper::orchestrator
