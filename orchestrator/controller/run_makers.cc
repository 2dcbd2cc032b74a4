// Making a run: what is checked first, and the long work on the workshop's thread.
#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/file.h"
#include "base/log.h"
#include "base/status_macros.h"
#include "google/protobuf/util/message_differencer.h"
#include "orchestrator/controller/controller_service.h"
#include "orchestrator/fork.h"

namespace temper::orchestrator {
namespace {

std::string Memory(int64_t bytes) {
  const double mebibytes = static_cast<double>(bytes) / (1 << 20);
  return mebibytes < 1024 ? absl::StrFormat("%.0f MiB", mebibytes)
                          : absl::StrFormat("%.1f GiB", mebibytes / 1024);
}

v1::Check Passed(std::string name, std::string detail) {
  v1::Check check;
  check.set_name(std::move(name));
  check.set_ok(true);
  check.set_detail(std::move(detail));
  return check;
}

v1::Check Failed(std::string name, const absl::Status& status) {
  v1::Check check;
  check.set_name(std::move(name));
  check.set_detail(std::string(status.message()));
  return check;
}

v1::Check CheckMemory(const std::string& name, v1::Role role, int64_t needed,
                      const std::vector<v1::Worker>& workers) {
  int64_t largest = -1;
  for (const v1::Worker& worker : workers) {
    if (worker.role() != role || !worker.connected()) continue;
    largest = std::max(largest, worker.capabilities().memory_bytes());
  }
  const std::string needs = absl::StrCat("needs about ", Memory(needed));
  if (largest < 0) return Passed(name, absl::StrCat(needs, "; no such worker is there to compare"));
  if (largest == 0 || needed <= largest) {
    return Passed(name, absl::StrCat(needs, "; the largest worker has ", Memory(largest)));
  }
  return Failed(name, absl::FailedPreconditionError(
                          absl::StrCat(needs, ", the largest worker has ", Memory(largest))));
}

std::string VerifierNames(const v1::Rubric& rubric) {
  std::string names;
  for (const v1::RubricPart& part : rubric.parts()) {
    absl::StrAppend(&names, names.empty() ? "" : ", ", part.verifier());
  }
  return names.empty() ? "none" : names;
}

// Everything that can be known before a run starts.
std::vector<v1::Check> ChecksOf(const ResolvedSpec& spec, const std::vector<v1::Worker>& workers,
                                RunModels& models) {
  std::vector<v1::Check> checks = {Passed("spec", absl::StrCat(spec.steps(), " steps")),
                                   Passed("verifiers", VerifierNames(spec.spec.rubric()))};
  const auto files = OpenRunFiles(spec.spec);
  if (files.ok()) {
    const auto lines = [](const char* name, const std::unique_ptr<Dataset>& file) {
      return file == nullptr ? std::string() : absl::StrCat(name, " ", file->size(), " lines; ");
    };
    checks.push_back(Passed(
        "data",
        absl::StrCat(lines("dataset", files->dataset), lines("evaluation", files->evaluation),
                     lines("warm start", files->warm_start), lines("held out", files->held_out))));
  } else {
    checks.push_back(Failed("data", files.status()));
  }
  const auto model = models.CheckModel(spec);
  checks.push_back(model.ok() ? Passed("model", *model) : Failed("model", model.status()));
  if (!model.ok()) return checks;
  const auto memory = models.Memory(spec);
  if (!memory.ok()) {
    checks.push_back(Failed("memory", memory.status()));
    return checks;
  }
  checks.push_back(CheckMemory("memory: learner", v1::ROLE_LEARNER, memory->learner, workers));
  checks.push_back(CheckMemory("memory: rollout", v1::ROLE_ROLLOUT, memory->rollout, workers));
  return checks;
}

// A retry whose first try made the run but could not be remembered any more.
bool IsThere(Controller& controller, const ResolvedSpec& spec) {
  const auto run = controller.Find(spec.spec.name());
  return run.ok() &&
         google::protobuf::util::MessageDifferencer::Equals((*run)->place().spec.spec, spec.spec);
}

absl::Status MakeRun(Controller& controller, const v1::SubmitRequest& request,
                     const std::vector<v1::Worker>& workers, bool again,
                     v1::SubmitResponse& response) {
  const std::string base =
      request.base_dir().empty() ? controller.options().dir : request.base_dir();
  TEMPER_ASSIGN_OR_RETURN(const ResolvedSpec spec, ResolveSpec(request.spec(), base));
  *response.mutable_spec() = spec.spec;
  for (v1::Check& check : ChecksOf(spec, workers, controller.models())) {
    if (!check.ok() && !request.check()) {
      return absl::FailedPreconditionError(absl::StrCat(check.name(), ": ", check.detail()));
    }
    *response.add_checks() = std::move(check);
  }
  const std::string dir = controller.DirOf(spec.spec.name());
  const bool taken = controller.Find(spec.spec.name()).ok() || Exists(JoinPath(dir, "spec.json"));
  if (request.check()) {
    if (taken) {
      *response.add_checks() =
          Failed("name", absl::AlreadyExistsError(
                             absl::StrCat("a run \"", spec.spec.name(), "\" is here already")));
    }
    return absl::OkStatus();
  }
  if (again && IsThere(controller, spec)) return absl::OkStatus();
  if (taken) {
    return absl::AlreadyExistsError(absl::StrCat("name: a run \"", spec.spec.name(),
                                                 "\" is here already; choose another name"));
  }
  TEMPER_ASSIGN_OR_RETURN(RunPlace place, controller.models().Prepare(spec, dir));
  return controller.AddRun(std::move(place));
}

absl::Status MakeFork(Controller& controller, RunLoop& parent, const RecoveredRun& recovered,
                      const std::string& who, bool again, const v1::ForkRequest& request,
                      v1::ForkResponse& response) {
  const RunPlace& place = parent.place();
  ForkPlan plan{.parent = place.spec,
                .dir = place.dir,
                .model_dir = place.model_dir,
                .recovered = recovered,
                .step = request.step(),
                .name = request.name(),
                .settings = {request.settings().begin(), request.settings().end()},
                .root = controller.DirOf(""),
                .now_ms = absl::ToUnixMillis(controller.clock().Now())};
  const absl::StatusOr<PreparedFork> fork = PrepareFork(plan);
  if (absl::IsAlreadyExists(fork.status()) && again) {
    TEMPER_ASSIGN_OR_RETURN(const ResolvedSpec spec, SpecOfFork(plan));
    if (IsThere(controller, spec)) {
      response.set_run(spec.spec.name());
      *response.mutable_spec() = spec.spec;
      return absl::OkStatus();
    }
  }
  if (!fork.ok()) return fork.status();
  response.set_run(fork->spec.spec.name());
  *response.mutable_spec() = fork->spec.spec;
  // A lone controller makes the folder; `temper run` or a daemon takes it up.
  if (!controller.options().lone) {
    TEMPER_RETURN_IF_ERROR(controller.AddRun({fork->dir, fork->model_dir, fork->spec}));
  }
  NoteFork note;
  note.forked.set_run(response.run());
  note.forked.set_step(request.step());
  if (!parent.Post(Event(Order{.who = who, .what = std::move(note)}))) {
    log::Warning("a fork is not in its parent's events", {{"fork", response.run()}});
  }
  return absl::OkStatus();
}

}  // namespace

ControllerServiceOnWire::Unary* ControllerServiceOnWire::Fork(Context* context,
                                                              const v1::ForkRequest* request,
                                                              v1::ForkResponse* response) {
  auto call = std::make_shared<OpenCall>(context);
  Unary* const reactor = call->reactor();
  const auto parent = controller_.Find(request->run());
  if (!parent.ok()) {
    call->Finish(parent.status());
    return reactor;
  }
  const std::string who = CallerOf(*context).name;
  const bool taken = (*parent)->Post([this, call, run = *parent, who, request, response] {
    auto recovered = run->Recover();
    if (!recovered.ok()) return call->Finish(recovered.status());
    const auto shared = std::make_shared<const RecoveredRun>(*std::move(recovered));
    RememberedWork(
        call, *request, request->request_id(), response,
        [this, run, shared, who, request, response](const std::vector<v1::Worker>&, bool again) {
          return MakeFork(controller_, *run, *shared, who, again, *request, *response);
        });
  });
  if (!taken) call->Finish(InboxFull());
  return reactor;
}

ControllerServiceOnWire::Unary* ControllerServiceOnWire::Submit(Context* context,
                                                                const v1::SubmitRequest* request,
                                                                v1::SubmitResponse* response) {
  auto call = std::make_shared<OpenCall>(context);
  Unary* const reactor = call->reactor();
  if (controller_.options().lone && !request->check()) {
    call->Finish(absl::FailedPreconditionError(
        "this controller is of one run only (`temper run`); submit to a `temper controller`"));
    return reactor;
  }
  RememberedWork(call, *request, request->check() ? "" : request->request_id(), response,
                 [this, request, response](const std::vector<v1::Worker>& workers, bool again) {
                   return MakeRun(controller_, *request, workers, again, *response);
                 });
  return reactor;
}

// The loop looks whether it was asked before, the workshop works, the loop remembers.
void ControllerServiceOnWire::RememberedWork(std::shared_ptr<OpenCall> call,
                                             const google::protobuf::Message& request,
                                             const std::string& request_id,
                                             google::protobuf::Message* response,
                                             RememberableWork work) {
  const std::string digest = RequestDigest(request);
  const auto remember = [this, call, request_id, digest, response](const absl::Status& status) {
    if (!status.ok() || request_id.empty()) return call->Finish(status);
    const bool passed = controller_.Post([this, call, request_id, digest, response] {
      const absl::Status kept =
          controller_.store().RecordRequest(request_id, digest, response->SerializeAsString());
      if (!kept.ok()) controller_.Break(kept);
      call->Finish(kept);
    });
    if (!passed) call->Finish(InboxFull());
  };
  const bool taken = controller_.Post(
      [this, call, request_id, digest, response, work = std::move(work), remember] {
        if (const absl::Status id = CheckRequestId(request_id); !id.ok()) return call->Finish(id);
        const auto before = controller_.store().FindRequest(request_id, digest);
        if (!before.ok()) return call->Finish(before.status());
        if (before->has_value()) {
          response->ParseFromString(**before);
          return call->Finish(absl::OkStatus());
        }
        const auto again = controller_.store().BeginRequest(request_id, digest);
        if (!again.ok()) return call->Finish(again.status());
        const auto workers = controller_.registry().Describe(controller_.clock().Uptime());
        const bool passed = controller_.PostWork(
            [work, remember, workers, tried = *again] { remember(work(workers, tried)); });
        if (!passed) call->Finish(InboxFull());
      });
  if (!taken) call->Finish(InboxFull());
}

}  // namespace temper::orchestrator
