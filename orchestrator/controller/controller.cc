// Runs and workers, brought together.
#include "orchestrator/controller/controller.h"

#include <filesystem>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/file.h"
#include "base/log.h"
#include "base/nearest_name.h"
#include "base/status_macros.h"

namespace temper::orchestrator {
namespace {

constexpr absl::Duration kLoopPauseMax = absl::Milliseconds(100);
constexpr size_t kRunsMax = 256;

}  // namespace

Controller::Controller(Options options, RunModels& models, const Clock& clock)
    : options_(std::move(options)),
      models_(models),
      clock_(clock),
      registry_({.heartbeat_ms = options_.heartbeat_ms,
                 .silence_max = options_.silence_max,
                 .host_id = options_.host_id},
                {.on_joined =
                     [this](const std::string& run, const WorkerJoined& joined) {
                       auto loop = Find(run);
                       if (!loop.ok()) return false;
                       RunLoop* const to = loop->get();
                       const bool told = to->Post([to, joined] { to->Join(joined); });
                       if (!told) log::Warning("a run does not listen", {{"run", run}});
                       return told;
                     },
                 .on_lost =
                     [this](const std::string& run, const WorkerLost& lost) {
                       auto loop = Find(run);
                       if (!loop.ok()) return;
                       RunLoop* const to = loop->get();
                       if (!to->Post([to, lost] { to->Lose(lost); })) {
                         log::Warning("a run does not listen", {{"run", run}});
                       }
                     }}) {}

Controller::~Controller() {
  workshop_stop_.Stop();
  workshop_inbox_.Close();
  if (workshop_.joinable()) workshop_.Join(kLoopEnd, WaitPolicy::kFail);
  std::map<std::string, std::shared_ptr<RunLoop>> runs;
  {
    MutexLock lock(mutex_);
    runs = runs_;
  }
  for (auto& [name, run] : runs) run->Stop();
  inbox_.Close();
}

absl::StatusOr<std::unique_ptr<Controller>> Controller::Open(Options options, RunModels& models,
                                                             const Clock& clock) {
  std::unique_ptr<Controller> controller(new Controller(std::move(options), models, clock));
  TEMPER_ASSIGN_OR_RETURN(controller->store_, ControllerStore::Open(JoinPath(
                                                  controller->options_.dir, "controller.db")));
  TEMPER_ASSIGN_OR_RETURN(const auto cordons, controller->store_->Cordons());
  for (const auto& [worker, reason] : cordons) {
    controller->registry_.RememberCordon(worker, reason);
  }
  TEMPER_RETURN_IF_ERROR(controller->OpenRuns());
  return controller;
}

absl::Status Controller::OpenRuns() {
  if (options_.lone) return OpenRun(options_.dir);
  std::error_code none;
  std::vector<std::string> dirs;
  for (const auto& entry : std::filesystem::directory_iterator(options_.dir, none)) {
    const bool unfinished = entry.path().filename().string().starts_with(".forking-");
    if (!unfinished && Exists(JoinPath(entry.path().string(), "spec.json"))) {
      dirs.push_back(entry.path().string());
    }
  }
  for (const std::string& dir : dirs) {
    const absl::Status opened = OpenRun(dir);
    if (!opened.ok()) {
      left_alone_[std::filesystem::path(dir).filename().string()] = opened;
      log::Error("a run is left alone", {{"dir", dir}, {"reason", opened.ToString()}});
    }
  }
  return absl::OkStatus();
}

absl::Status Controller::OpenRun(const std::string& dir) {
  TEMPER_ASSIGN_OR_RETURN(RunPlace place, models_.Open(dir));
  return AddRun(std::move(place));
}

std::string Controller::DirOf(const std::string& run) const {
  // A lone run's forks lie beside it.
  return JoinPath(options_.lone ? Dirname(options_.dir) : options_.dir, run);
}

RunLoop::Outside Controller::OutsideOfRun() {
  const auto post = [this](std::function<void()> what) {
    if (!Post(std::move(what))) log::Warning("the controller's inbox is full or closed");
  };
  return {.on_active = [this, post](
                           const std::string& run,
                           bool active) { post([this, run, active] { OnActive(run, active); }); },
          .on_fence =
              [this, post](const FenceWorker& fence) {
                post([this, fence] { registry_.Fence(fence); });
              },
          .on_broken =
              [this, post](const std::string& run, const absl::Status& status) {
                post([this, run, status] { OnBroken(run, status); });
              }};
}

absl::Status Controller::AddRun(RunPlace place) {
  const std::string name = place.spec.spec.name();
  {
    MutexLock lock(mutex_);
    if (runs_.contains(name)) {
      return absl::AlreadyExistsError(
          absl::StrCat("name: a run \"", name, "\" is here already; choose another name"));
    }
    if (runs_.size() >= kRunsMax) {
      return absl::ResourceExhaustedError(absl::StrCat("this controller has ", kRunsMax,
                                                       " runs; move the folders of old ones away"));
    }
  }
  TEMPER_ASSIGN_OR_RETURN(std::unique_ptr<RunLoop> opened,
                          RunLoop::Open(std::move(place), options_.lone, OutsideOfRun(), clock_));
  std::shared_ptr<RunLoop> run = std::move(opened);
  {
    MutexLock lock(mutex_);
    runs_[name] = run;
  }
  run->Start();
  return absl::OkStatus();
}

absl::StatusOr<std::shared_ptr<RunLoop>> Controller::Find(const std::string& run) const {
  MutexLock lock(mutex_);
  if (run.empty() && runs_.size() == 1) return runs_.begin()->second;
  const auto found = runs_.find(run);
  if (found != runs_.end()) return found->second;
  if (const auto alone = left_alone_.find(run); alone != left_alone_.end()) {
    return absl::FailedPreconditionError(
        absl::StrCat("run \"", run, "\" cannot be opened: ", std::string(alone->second.message()),
                     "; the controller looks again when it is started anew"));
  }
  std::vector<std::string> known;
  for (const auto& [name, loop] : runs_) known.push_back(name);
  if (run.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat("run: is missing, and this controller has ", runs_.size(), " runs; name one"));
  }
  return absl::NotFoundError(absl::StrCat("run \"", run, "\" is not here", Suggestion(run, known)));
}

std::vector<std::shared_ptr<RunLoop>> Controller::runs() const {
  MutexLock lock(mutex_);
  std::vector<std::shared_ptr<RunLoop>> runs;
  for (const auto& [name, run] : runs_) runs.push_back(run);
  return runs;
}

v1::Assignment Controller::AssignmentOf(const RunPlace& place) const {
  const v1::RunSpec& spec = place.spec.spec;
  v1::Assignment assignment;
  assignment.set_run(spec.name());
  assignment.set_run_dir(place.dir);
  assignment.set_model_dir(place.model_dir);
  *assignment.mutable_fleet() = spec.fleet();
  assignment.set_seed(spec.seed());
  assignment.set_dtype(spec.dtype());
  assignment.set_device(spec.device());
  return assignment;
}

void Controller::OnActive(const std::string& run, bool active) {
  const auto loop = Find(run);
  if (!loop.ok()) return;
  if (active) {
    registry_.AddRun(AssignmentOf((*loop)->place()));
  } else {
    registry_.RemoveRun(run);
  }
}

// The only run takes the process with it, so that its end is seen; among many the others go on.
void Controller::OnBroken(const std::string& run, const absl::Status& status) {
  log::Error("a run cannot go on", {{"run", run}, {"reason", status.ToString()}});
  registry_.RemoveRun(run);
  if (options_.lone) Break(status);
}

absl::Status Controller::Run(const StopToken& stop) {
  workshop_ = Thread("workshop", [this] { Work(); });
  const ThreadName named("controller");
  while (!stop.stopped() && broken_.ok()) {
    auto question = inbox_.Pop(Wait::ForWork("a question", kLoopPauseMax));
    while (question.has_value()) {
      (*question)();
      question = inbox_.TryPop();
    }
    registry_.FindSilent(clock_.Uptime());
  }
  inbox_.Close();
  while (inbox_.TryPop().has_value()) {
  }
  workshop_stop_.Stop();
  workshop_inbox_.Close();
  workshop_.Join(kLoopEnd, WaitPolicy::kFail);
  while (workshop_inbox_.TryPop().has_value()) {
  }
  for (const auto& run : runs()) run->Stop();
  return broken_;
}

void Controller::Work() {
  while (!workshop_stop_.stopped()) {
    if (auto work = workshop_inbox_.Pop(Wait::ForWork("long work", kLoopPauseMax))) (*work)();
  }
}

}  // namespace temper::orchestrator
