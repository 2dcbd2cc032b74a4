// The controller's loop.
#include "orchestrator/controller.h"

#include <csignal>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/file.h"
#include "base/log.h"
#include "base/status_macros.h"
#include "orchestrator/event_stream.h"

namespace temper::orchestrator {
namespace {

constexpr absl::Duration kLoopPauseMax = absl::Milliseconds(100);
constexpr size_t kEventsPerTurn = 1024;

template <class... Cases>
struct Overloaded : Cases... {
  using Cases::operator()...;
};

}  // namespace

Controller::Controller(Options options, ResolvedSpec spec, const Clock& clock)
    : options_(std::move(options)), spec_(std::move(spec)), clock_(clock) {}

Controller::~Controller() { inbox_.Close(); }

absl::StatusOr<std::unique_ptr<Controller>> Controller::Open(Options options, ResolvedSpec spec,
                                                             const Clock& clock) {
  std::unique_ptr<Controller> controller(
      new Controller(std::move(options), std::move(spec), clock));
  TEMPER_RETURN_IF_ERROR(controller->OpenFiles());
  return controller;
}

absl::Status Controller::OpenFiles() {
  TEMPER_ASSIGN_OR_RETURN(files_, OpenRunFiles(spec_.spec));
  TEMPER_ASSIGN_OR_RETURN(ledger_, Ledger::Open(JoinPath(options_.dir, "ledger.db")));
  TEMPER_RETURN_IF_ERROR(ClaimLedger(*ledger_, spec_.spec, files_));
  TEMPER_ASSIGN_OR_RETURN(RecoveredRun recovered, ledger_->Recover());
  last_sequence_ = recovered.sequence;
  core_.emplace(spec_, files_.rows(), std::move(recovered), clock_.Uptime());
  TEMPER_ASSIGN_OR_RETURN(tensorboard_,
                          EventFile::Create(JoinPath(options_.dir, "tensorboard"), clock_.Now()));
  fleet_ = std::make_unique<Fleet>([this](Event event) { return Post(std::move(event)); });
  return absl::OkStatus();
}

absl::Status Controller::Run(const StopToken& stop) {
  const absl::Status status = Loop(stop);
  // Nobody may be left waiting for an answer: gRPC's server ends only when every call has one.
  inbox_.Close();
  while (inbox_.TryPop().has_value()) {
  }
  for (const auto& stream : watchers_) stream->Close();
  return status;
}

absl::Status Controller::Loop(const StopToken& stop) {
  TEMPER_RETURN_IF_ERROR(TakeTurn({}));
  while (!stop.stopped()) {
    std::vector<Event> events = std::exchange(own_events_, {});
    Collect(events);
    FindSilentMembers();
    const bool tick_due = clock_.Uptime() >= core_->NextTick();
    if (tick_due) events.push_back(Tick{});
    if (!events.empty() && !core_->ended()) TEMPER_RETURN_IF_ERROR(TakeTurn(events));
    FeedWatchers();
  }
  return absl::OkStatus();
}

// Waits a little for the first item, then takes what is there. Questions are answered on the way.
void Controller::Collect(std::vector<Event>& events) {
  absl::Duration pause = std::min(kLoopPauseMax, core_->NextTick() - clock_.Uptime());
  if (!events.empty() || pause < absl::ZeroDuration()) pause = absl::ZeroDuration();
  auto item = inbox_.Pop(Wait::ForWork("an event", pause));
  while (item.has_value()) {
    if (auto* event = std::get_if<Event>(&*item)) {
      events.push_back(std::move(*event));
    } else {
      std::get<std::function<void()>> (*item)();
    }
    if (events.size() >= kEventsPerTurn) break;
    item = inbox_.TryPop();
  }
  for (Event& event : std::exchange(own_events_, {})) events.push_back(std::move(event));
}

void Controller::FindSilentMembers() {
  for (auto& [name, member] : members_) {
    if (member.lost || clock_.Uptime() - member.last_beat < options_.silence_max) continue;
    member.lost = true;
    fleet_->Disconnect(name);
    own_events_.push_back(
        WorkerLost{name, member.registration.incarnation(), "no heartbeat", false});
  }
}

absl::Status Controller::TakeTurn(const std::vector<Event>& events) {
  Turn turn = core_->Handle(events, clock_.Uptime());
  for (v1::RunEvent& event : turn.events) {
    event.set_time_ms(absl::ToUnixMillis(clock_.Now()));
  }
  if (!turn.writes.empty() || !turn.events.empty()) {
    TEMPER_RETURN_IF_ERROR(ledger_->Commit(turn.writes, turn.events));
  }
  for (const v1::RunEvent& event : turn.events) {
    last_sequence_ = event.sequence();
    WriteTensorboard(event);
  }
  for (const Action& action : turn.actions) TEMPER_RETURN_IF_ERROR(Act(action));
  return absl::OkStatus();
}

absl::Status Controller::Act(const Action& action) {
  return std::visit(Overloaded{[this](const Train& train) { return StartTraining(train); },
                               [this](const CancelGenerate& cancel) {
                                 fleet_->Cancel(cancel);
                                 return absl::OkStatus();
                               },
                               [this](const FenceWorker& fence) {
                                 Fence(fence);
                                 return absl::OkStatus();
                               },
                               [](const EndRun& end) {
                                 log::Info("the run has ended",
                                           {{"state", v1::RunState_Name(end.ended.state())},
                                            {"reason", end.ended.reason()}});
                                 return absl::OkStatus();
                               },
                               [this](const auto& call) {
                                 fleet_->Call(call);
                                 return absl::OkStatus();
                               }},
                    action);
}

absl::Status Controller::StartTraining(const Train& action) {
  std::shared_ptr<const v1::TrainRequest> request = action.request;
  if (request == nullptr) {
    TEMPER_ASSIGN_OR_RETURN(v1::TrainRequest recorded, ledger_->ReadTrainRequest(action.step));
    request = std::make_shared<v1::TrainRequest>(std::move(recorded));
  }
  fleet_->Call(action, std::move(request));
  return absl::OkStatus();
}

// Workers listen on loopback only, so their processes are on this host and ours to end.
void Controller::Fence(const FenceWorker& action) {
  log::Warning("fencing a worker", {{"worker", action.worker}, {"reason", action.reason}});
  fleet_->Disconnect(action.worker);
  const auto found = members_.find(action.worker);
  if (found == members_.end() || found->second.registration.incarnation() != action.incarnation) {
    return;
  }
  found->second.lost = true;
  if (found->second.registration.pid() > 1) kill(found->second.registration.pid(), SIGKILL);
}

absl::Status Controller::Register(const v1::RegisterRequest& request,
                                  v1::RegisterResponse& response) {
  if (request.name().empty() || request.incarnation().empty() || request.address().empty() ||
      request.role() == v1::ROLE_UNSPECIFIED) {
    return absl::InvalidArgumentError("Register: role, name, incarnation and address are needed");
  }
  Member& member = members_[request.name()];
  const bool known = !member.lost && member.registration.incarnation() == request.incarnation();
  if (!known) {
    if (!member.registration.incarnation().empty()) ++member.restarts;
    fleet_->Connect(request.name(), request.address());
    own_events_.push_back(
        WorkerJoined{request.role(), request.name(), request.incarnation(), request.address()});
  }
  member.registration = request;
  member.lost = false;
  member.last_beat = clock_.Uptime();

  response.set_heartbeat_ms(options_.heartbeat_ms);
  v1::Assignment& assignment = *response.add_assignments();
  assignment.set_run(spec_.spec.name());
  if (request.role() == v1::ROLE_LEARNER) assignment.set_run_dir(options_.dir);
  assignment.set_model_dir(options_.model_dir);
  *assignment.mutable_fleet() = spec_.spec.fleet();
  assignment.set_seed(spec_.spec.seed());
  assignment.set_dtype(spec_.spec.dtype());
  return absl::OkStatus();
}

absl::Status Controller::Heartbeat(const v1::HeartbeatRequest& request) {
  const auto found = members_.find(request.name());
  if (found == members_.end() || found->second.lost ||
      found->second.registration.incarnation() != request.incarnation()) {
    return absl::NotFoundError(absl::StrCat(request.name(), ": not registered; register again"));
  }
  found->second.last_beat = clock_.Uptime();
  return absl::OkStatus();
}

void Controller::ReportExit(const v1::ReportExitRequest& request) {
  const auto found = members_.find(request.name());
  if (found == members_.end() || found->second.lost ||
      found->second.registration.pid() != request.pid()) {
    return;
  }
  found->second.lost = true;
  fleet_->Disconnect(request.name());
  own_events_.push_back(WorkerLost{request.name(), found->second.registration.incarnation(),
                                   request.reason(), request.crashed()});
}

void Controller::RequestStop(const std::string& reason) {
  own_events_.push_back(StopRequested{reason});
}

void Controller::Describe(v1::GetResponse& run) const {
  core_->Describe(clock_.Uptime(), run);
  run.set_name(spec_.spec.name());
  run.set_dir(options_.dir);
  *run.mutable_spec() = spec_.spec;
  for (v1::Worker& worker : *run.mutable_workers()) {
    const auto found = members_.find(worker.name());
    if (found == members_.end()) continue;
    worker.set_pid(found->second.registration.pid());
    worker.set_restarts(found->second.restarts);
  }
}

void Controller::AddWatcher(std::shared_ptr<EventStream> stream) {
  watchers_.push_back(std::move(stream));
}

// Watchers read the ledger, each at its own pace.
void Controller::FeedWatchers() {
  std::erase_if(watchers_, [](const auto& stream) { return stream->done(); });
  for (const auto& stream : watchers_) {
    const size_t room = stream->Room();
    if (room == 0) continue;
    if (stream->next_sequence() <= last_sequence_) {
      auto events = ledger_->ReadEvents(stream->next_sequence(), static_cast<int>(room));
      if (!events.ok()) {
        log::Error("events cannot be read", {{"error", events.status().ToString()}});
        stream->Close();
        continue;
      }
      for (v1::RunEvent& event : *events) stream->Offer(std::move(event));
    }
    if (core_->ended() && stream->next_sequence() > last_sequence_) stream->Close();
  }
}

void Controller::WriteTensorboard(const v1::RunEvent& event) {
  std::vector<std::pair<std::string, double>> scalars;
  int64_t step = 0;
  if (event.has_step()) {
    const v1::StepMetrics& m = event.step();
    step = m.step();
    const std::string stage = m.stage() == "policy" ? "" : absl::StrCat(m.stage(), "/");
    scalars = {{stage + "loss", m.loss()},
               {stage + "grad_norm", m.grad_norm()},
               {stage + "learning_rate", m.learning_rate()},
               {stage + "entropy", m.entropy()},
               {stage + "tokens_per_second", m.tokens_per_second()},
               {stage + "seconds/total", m.seconds().total()}};
    if (m.stage() == "policy") {
      scalars.insert(scalars.end(), {{"reward_mean", m.reward_mean()},
                                     {"reward_std", m.reward_std()},
                                     {"length_mean", m.length_mean()},
                                     {"kl", m.kl()},
                                     {"clip_fraction", m.clip_fraction()},
                                     {"logprob_mismatch", m.logprob_mismatch() * 1.0},
                                     {"expert_load_max", m.expert_load_max()},
                                     {"experts_idle", m.experts_idle()},
                                     {"groups_without_signal", m.groups_without_signal() * 1.0},
                                     {"seconds/rollout", m.seconds().rollout()},
                                     {"seconds/reward", m.seconds().reward()},
                                     {"seconds/train", m.seconds().train()},
                                     {"seconds/sync", m.seconds().sync()}});
    }
  } else if (event.has_evaluation()) {
    step = event.evaluation().step();
    scalars = {{"eval_accuracy", event.evaluation().accuracy()},
               {"eval_length_mean", event.evaluation().length_mean()}};
  } else {
    return;
  }
  const absl::Status status = tensorboard_->Write(step, clock_.Now(), scalars);
  if (!status.ok()) log::Warning("TensorBoard file", {{"error", status.ToString()}});
}

}  // namespace temper::orchestrator
