// Who may call, and the rpcs of the fake that change something.
#include "tests/fakes/fake_controller.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "base/access/server_side.h"
#include "base/check.h"
#include "base/status_macros.h"

namespace temper::fakes {
FakeController::FakeController(const Options& options)
    : options_(options), workers_(MadeWorkers()) {
  MadeRun& old = runs_.emplace_back("words", 60, options.created_ms);
  for (int i = 0; i < std::min(25, options.steps_made); ++i) old.Advance();
  old.SetState(v1::RUN_STATE_FAILED,
               "step 26: log-probability of token 14 of group 101 differs between rollout and "
               "learner (0xbe99f21c, 0xbe99f21b)",
               "");
  MadeRun& main = runs_.emplace_back("arithmetic", options.steps, options.created_ms + 60'000);
  for (int i = 0; i < options.steps_made; ++i) {
    main.Advance();
    if (i == 30) {
      v1::Altered& altered = *main.AddEvent("admin").mutable_altered();
      altered.set_from_step(32);
      altered.set_reason("the reward moves slowly");
      v1::FieldChange& change = *altered.add_changes();
      change.set_field("learning_rate");
      change.set_before("0.0001");
      change.set_after("0.0002");
      v1::Forked& forked = *main.AddEvent("admin").mutable_forked();
      forked.set_run("arithmetic-at-20");
      forked.set_step(20);
    }
  }
  MadeRun& child =
      runs_.emplace_back("arithmetic-at-20", options.steps, options.created_ms + 120'000,
                         /*steps_before=*/20);
  child.view().set_parent("arithmetic");
  child.view().set_parent_step(20);
  child.view().mutable_spec()->set_clip_high(0.28);
  for (int i = 28; i < options.steps_made; ++i) child.Advance();
}

void FakeController::Advance() {
  MutexLock lock(mutex_);
  for (MadeRun& run : runs_) run.Advance();
  for (v1::Worker& worker : workers_) {
    if (!worker.cordoned()) worker.set_progress(worker.progress() + 500);
  }
  mutex_.Changed();
}

int FakeController::calls(const std::string& rpc) {
  MutexLock lock(mutex_);
  return calls_[rpc];
}

std::string FakeController::Take(const grpc::ServerContext& context, const std::string& rpc) {
  ++calls_[rpc];
  const std::string name = CallerOf(context).name;
  return name.empty() ? "admin" : name;
}

absl::Status FakeController::Find(const std::string& name, MadeRun*& run) {
  for (MadeRun& known : runs_) {
    if (known.view().name() == name) {
      run = &known;
      return absl::OkStatus();
    }
  }
  return absl::NotFoundError(absl::StrCat("no run \"", name, "\" is here"));
}

v1::Wait FakeController::WaitOf(MadeRun& run) {
  v1::Wait wait;
  wait.set_name(absl::StrCat("step ", run.step() + 1, " waits for group ", 4 * run.step() + 7,
                             " on rollout-1"));
  wait.set_owner("run " + run.view().name());
  wait.set_age_seconds(1 + 40 * run.Chance(run.step(), 77));
  wait.set_deadline_seconds(60);
  wait.set_policy(v1::WAIT_POLICY_RETRY);
  wait.set_run(run.view().name());
  return wait;
}

void FakeController::Describe(MadeRun& run, v1::GetResponse& view) {
  view = run.view();
  if (!run.live()) return;
  for (v1::Worker& worker : workers_) {
    v1::Worker& copy = *view.add_workers() = worker;
    copy.set_version(run.step());
  }
  if (view.state() == v1::RUN_STATE_RUNNING) *view.add_waits() = WaitOf(run);
}

grpc::Status FakeController::Submit(grpc::ServerContext* context, const v1::SubmitRequest* request,
                                    v1::SubmitResponse* response) {
  return Change(*context, *request, *response,
                [&](const std::string&) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) -> absl::Status {
                  if (request->spec().name().empty())
                    return absl::InvalidArgumentError("spec.name: required");
                  MadeRun* taken = nullptr;
                  if (Find(request->spec().name(), taken).ok()) {
                    return absl::AlreadyExistsError(
                        absl::StrCat("run \"", request->spec().name(), "\" is here"));
                  }
                  *response->mutable_spec() = request->spec();
                  v1::Check& check = *response->add_checks();
                  check.set_name("spec");
                  check.set_ok(true);
                  if (!request->check()) {
                    runs_.emplace_back(request->spec().name(), std::max(1, request->spec().steps()),
                                       options_.created_ms + 180'000);
                  }
                  return absl::OkStatus();
                });
}

grpc::Status FakeController::List(grpc::ServerContext* context, const v1::ListRequest* request,
                                  v1::ListResponse* response) {
  return Look(*context, *request, [&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    for (size_t i = runs_.size(); i-- > 0;) Describe(runs_[i], *response->add_runs());
    return absl::OkStatus();
  });
}

grpc::Status FakeController::Get(grpc::ServerContext* context, const v1::GetRequest* request,
                                 v1::GetResponse* response) {
  return Look(*context, *request, [&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) -> absl::Status {
    MadeRun* run = nullptr;
    TEMPER_RETURN_IF_ERROR(Find(request->run(), run));
    Describe(*run, *response);
    return absl::OkStatus();
  });
}

absl::Status FakeController::SetState(const std::string& name, v1::RunState state,
                                      const std::string& reason, const std::string& who) {
  MadeRun* run = nullptr;
  TEMPER_RETURN_IF_ERROR(Find(name, run));
  if (run->view().state() == state) return absl::OkStatus();
  const bool resumes = state == v1::RUN_STATE_RUNNING;
  if (run->view().state() == v1::RUN_STATE_DONE || (!resumes && !run->live())) {
    return absl::FailedPreconditionError(absl::StrCat("run \"", name, "\" has ended"));
  }
  run->SetState(state, reason, who);
  return absl::OkStatus();
}

#define TEMPER_FAKE_TRANSITION(name, target)                                                \
  grpc::Status FakeController::name(grpc::ServerContext* context,                           \
                                    const v1::name##Request* request,                       \
                                    v1::name##Response* response) {                         \
    return Change(                                                                          \
        *context, *request, *response,                                                      \
        [&](const std::string& who) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) -> absl::Status { \
          TEMPER_RETURN_IF_ERROR(SetState(request->run(), target, request->reason(), who)); \
          response->set_state(target);                                                      \
          return absl::OkStatus();                                                          \
        });                                                                                 \
  }
TEMPER_FAKE_TRANSITION(Pause, v1::RUN_STATE_PAUSED)
TEMPER_FAKE_TRANSITION(Resume, v1::RUN_STATE_RUNNING)
TEMPER_FAKE_TRANSITION(Drain, v1::RUN_STATE_DRAINING)
TEMPER_FAKE_TRANSITION(Stop, v1::RUN_STATE_STOPPED)
#undef TEMPER_FAKE_TRANSITION

grpc::Status FakeController::Alter(grpc::ServerContext* context, const v1::AlterRequest* request,
                                   v1::AlterResponse* response) {
  return Change(
      *context, *request, *response,
      [&](const std::string& who) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) -> absl::Status {
        MadeRun* run = nullptr;
        TEMPER_RETURN_IF_ERROR(Find(request->run(), run));
        if (!run->live()) return absl::FailedPreconditionError("no policy step is left to be made");
        v1::RunSpec& spec = *run->view().mutable_spec();
        v1::Altered& altered = *response->mutable_altered();
        const auto change = [&](const char* field, double before, double after) {
          v1::FieldChange& line = *altered.add_changes();
          line.set_field(field);
          line.set_before(absl::StrCat(before));
          line.set_after(absl::StrCat(after));
        };
        const v1::Alteration& asked = request->alteration();
        if (asked.has_learning_rate()) {
          if (!(asked.learning_rate() > 0 && asked.learning_rate() < 1)) {
            return absl::InvalidArgumentError(absl::StrCat("learning_rate: ", asked.learning_rate(),
                                                           "; expected a number in (0, 1)"));
          }
          change("learning_rate", spec.learning_rate(), asked.learning_rate());
          spec.set_learning_rate(asked.learning_rate());
        }
        if (asked.has_temperature()) {
          change("temperature", spec.temperature(), asked.temperature());
          spec.set_temperature(asked.temperature());
        }
        if (altered.changes_size() == 0) return absl::InvalidArgumentError("nothing changes");
        altered.set_from_step(run->step() + 1);
        altered.set_reason(request->reason());
        *run->AddEvent(who).mutable_altered() = altered;
        return absl::OkStatus();
      });
}

grpc::Status FakeController::Checkpoint(grpc::ServerContext* context,
                                        const v1::CheckpointRequest* request,
                                        v1::CheckpointResponse* response) {
  return Change(*context, *request, *response,
                [&](const std::string& who) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) -> absl::Status {
                  MadeRun* run = nullptr;
                  TEMPER_RETURN_IF_ERROR(Find(request->run(), run));
                  *response->mutable_checkpoint() = run->KeepCheckpoint(who);
                  return absl::OkStatus();
                });
}

grpc::Status FakeController::Fork(grpc::ServerContext* context, const v1::ForkRequest* request,
                                  v1::ForkResponse* response) {
  return Change(*context, *request, *response,
                [&](const std::string& who) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) -> absl::Status {
                  MadeRun* run = nullptr;
                  TEMPER_RETURN_IF_ERROR(Find(request->run(), run));
                  if (request->step() > run->step()) {
                    return absl::OutOfRangeError(
                        absl::StrCat("step ", request->step(), " was never reached"));
                  }
                  if (request->step() % 20 != 0) {
                    return absl::NotFoundError(absl::StrCat(
                        "no checkpoint of step ", request->step(), " is kept; each 20th is"));
                  }
                  const std::string name =
                      request->name().empty()
                          ? absl::StrCat(request->run(), "-at-", request->step())
                          : request->name();
                  MadeRun* taken = nullptr;
                  if (Find(name, taken).ok()) {
                    return absl::AlreadyExistsError(absl::StrCat("run \"", name, "\" is here"));
                  }
                  v1::Forked& forked = *run->AddEvent(who).mutable_forked();
                  forked.set_run(name);
                  forked.set_step(request->step());
                  MadeRun child(name, run->view().steps(), run->now_ms(), request->step());
                  child.view().set_parent(request->run());
                  child.view().set_parent_step(request->step());
                  response->set_run(name);
                  *response->mutable_spec() = child.view().spec();
                  runs_.push_back(std::move(child));
                  return absl::OkStatus();
                });
}

grpc::Status FakeController::CordonWorker(grpc::ServerContext* context,
                                          const v1::CordonWorkerRequest* request,
                                          v1::CordonWorkerResponse* response) {
  return Change(
      *context, *request, *response,
      [&](const std::string&) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) -> absl::Status {
        for (v1::Worker& worker : workers_) {
          if (worker.name() != request->worker()) continue;
          worker.set_cordoned(request->cordoned());
          worker.set_cordon_reason(request->cordoned() ? request->reason() : "");
          *response->mutable_worker() = worker;
          return absl::OkStatus();
        }
        return absl::NotFoundError(absl::StrCat("no worker \"", request->worker(), "\" is here"));
      });
}

grpc::Status FakeController::QuarantinePrompt(grpc::ServerContext* context,
                                              const v1::QuarantinePromptRequest* request,
                                              v1::QuarantinePromptResponse* response) {
  return Change(*context, *request, *response,
                [&](const std::string& who) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) -> absl::Status {
                  MadeRun* run = nullptr;
                  TEMPER_RETURN_IF_ERROR(Find(request->run(), run));
                  if (request->prompt_id().empty())
                    return absl::InvalidArgumentError("prompt_id: required");
                  run->view().add_quarantined(request->prompt_id());
                  v1::PromptQuarantined& event = *run->AddEvent(who).mutable_quarantined();
                  event.set_prompt_id(request->prompt_id());
                  event.set_reason(request->reason());
                  return absl::OkStatus();
                });
}

}  // namespace temper::fakes
