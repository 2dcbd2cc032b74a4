// Turns, questions, watchers.
#include "orchestrator/controller/run_loop.h"

#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <system_error>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/file.h"
#include "base/log.h"
#include "base/status_macros.h"
#include "orchestrator/controller/event_stream.h"
#include "orchestrator/controller/run_scalars.h"
#include "orchestrator/spec_in_force.h"
#include "orchestrator/state_word.h"

namespace temper::orchestrator {
namespace {

constexpr absl::Duration kLoopPauseMax = absl::Milliseconds(100);
constexpr size_t kEventsPerTurn = 1024;

template <class... Cases>
struct Overloaded : Cases... {
  using Cases::operator()...;
};
template <class... Cases>
Overloaded(Cases...) -> Overloaded<Cases...>;  // clang 14 does not deduce it by itself

int64_t MadeAt(const std::string& dir) {
  struct stat status {};
  if (stat(JoinPath(dir, "spec.json").c_str(), &status) != 0) return 0;
  return int64_t{status.st_mtim.tv_sec} * 1000 + status.st_mtim.tv_nsec / 1'000'000;
}

// Of replays that were under way when the process was killed.
void RemoveReplayFolders(const std::string& dir) {
  std::error_code none;
  for (const auto& entry : std::filesystem::directory_iterator(dir, none)) {
    if (!entry.path().filename().string().starts_with("replay-")) continue;
    RemoveAll(entry.path().string()).IgnoreError();  // only room on the disk is lost
  }
}

bool MayGoOn(v1::RunState state) {
  return state == v1::RUN_STATE_STOPPED || state == v1::RUN_STATE_FAILED;
}

}  // namespace

RunLoop::RunLoop(RunPlace place, Outside outside, const Clock& clock)
    : place_(std::move(place)), outside_(std::move(outside)), clock_(clock) {}

RunLoop::~RunLoop() {
  Stop();
  inbox_.Close();
}

absl::StatusOr<std::unique_ptr<RunLoop>> RunLoop::Open(RunPlace place, bool resume, Outside outside,
                                                       const Clock& clock) {
  std::unique_ptr<RunLoop> loop(new RunLoop(std::move(place), std::move(outside), clock));
  TEMPER_RETURN_IF_ERROR(loop->OpenFiles(resume));
  return loop;
}

absl::Status RunLoop::OpenFiles(bool resume) {
  TEMPER_ASSIGN_OR_RETURN(files_, OpenRunFiles(place_.spec.spec));
  TEMPER_ASSIGN_OR_RETURN(ledger_, Ledger::Open(JoinPath(place_.dir, "ledger.db")));
  TEMPER_RETURN_IF_ERROR(ClaimLedger(*ledger_, place_.spec.spec, files_));
  TEMPER_ASSIGN_OR_RETURN(const LedgerIdentity identity, ledger_->Identity());
  origin_ = identity.origin;
  created_ms_ = MadeAt(place_.dir);
  RemoveReplayFolders(place_.dir);
  TEMPER_ASSIGN_OR_RETURN(rest_, ledger_->Recover());
  last_sequence_ = rest_.sequence;
  fleet_ = std::make_unique<Fleet>(name(), [this](Event event) { return Post(std::move(event)); });
  const bool ended = rest_.state == v1::RUN_STATE_DONE || (MayGoOn(rest_.state) && !resume);
  if (!ended) TEMPER_RETURN_IF_ERROR(StartCore());
  Publish();
  return absl::OkStatus();
}

// Nothing reads rest_ while there is a core.
absl::Status RunLoop::StartCore() {
  if (!tensorboard_.has_value()) {
    TEMPER_ASSIGN_OR_RETURN(tensorboard_,
                            EventFile::Create(JoinPath(place_.dir, "tensorboard"), clock_.Now()));
  }
  core_.emplace(place_.spec, files_.rows(), std::exchange(rest_, {}), clock_.Uptime());
  return absl::OkStatus();
}

void RunLoop::Start() {
  thread_ = Thread("run " + name(), [this] {
    const absl::Status status = Loop();
    Close();
    if (status.ok()) return;
    Break(status);
    outside_.on_broken(name(), status);
  });
}

void RunLoop::Stop() {
  stop_.Stop();
  if (thread_.joinable()) thread_.Join(kLoopEnd, WaitPolicy::kFail);
}

// Nobody may be left waiting for an answer: gRPC's server ends only when every call has one.
void RunLoop::Close() {
  inbox_.Close();
  while (inbox_.TryPop().has_value()) {
  }
  for (auto& [ticket, call] : std::exchange(orders_, {})) {
    call.finish(absl::UnavailableError("the controller is ending"));
  }
  for (const auto& stream : watchers_) stream->Close();
}

absl::Status RunLoop::Loop() {
  if (active()) {
    TEMPER_RETURN_IF_ERROR(TakeTurn({}));
    if (active()) outside_.on_active(name(), true);
  }
  while (!stop_.stopped()) {
    std::vector<Event> events = std::exchange(own_events_, {});
    Collect(events);
    if (!core_.has_value()) {
      FeedWatchers();
      continue;
    }
    if (clock_.Uptime() >= core_->NextTick()) events.push_back(Tick{});
    if (!events.empty()) TEMPER_RETURN_IF_ERROR(TakeTurn(events));
    FeedWatchers();
  }
  return absl::OkStatus();
}

absl::Duration RunLoop::Pause() const {
  if (!core_.has_value()) return kLoopPauseMax;
  return std::min(kLoopPauseMax, core_->NextTick() - clock_.Uptime());
}

// Waits a little for the first item, then takes what is there. Questions are answered on the way.
void RunLoop::Collect(std::vector<Event>& events) {
  absl::Duration pause = Pause();
  if (!events.empty() || pause < absl::ZeroDuration()) pause = absl::ZeroDuration();
  auto item = inbox_.Pop(Wait::ForWork("an event, an order or a question", pause));
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

absl::Status RunLoop::TakeTurn(const std::vector<Event>& events) {
  const bool was_active = active();
  Turn turn = core_->Handle(events, clock_.Uptime());
  const absl::Time now = clock_.Now();
  for (v1::RunEvent& event : turn.events) event.set_time_ms(absl::ToUnixMillis(now));
  const int64_t uptime_began_us = absl::ToUnixMicros(now - clock_.Uptime());
  for (LedgerWrite& write : turn.writes) {
    if (auto* record = std::get_if<RecordSpan>(&write)) {
      record->span.set_from_us(record->span.from_us() + uptime_began_us);
      record->span.set_to_us(record->span.to_us() + uptime_began_us);
    }
  }
  AddRequests(turn);
  if (!turn.writes.empty() || !turn.events.empty()) {
    TEMPER_RETURN_IF_ERROR(ledger_->Commit(turn.writes, turn.events));
  }
  for (const v1::RunEvent& event : turn.events) {
    last_sequence_ = event.sequence();
    const RunScalars figures = ScalarsOf(event);
    if (figures.scalars.empty()) continue;
    const absl::Status status = tensorboard_->Write(figures.step, clock_.Now(), figures.scalars);
    if (!status.ok()) log::Warning("TensorBoard file", {{"error", status.ToString()}});
  }
  Publish();
  for (const Action& action : turn.actions) TEMPER_RETURN_IF_ERROR(Act(action));
  if (was_active && !active()) outside_.on_active(name(), false);
  return absl::OkStatus();
}

// What is answered with OK in this turn is remembered in its transaction.
void RunLoop::AddRequests(Turn& turn) {
  for (const Action& action : turn.actions) {
    const auto* answer = std::get_if<Answer>(&action);
    if (answer == nullptr || !answer->status.ok()) continue;
    const auto call = orders_.find(answer->ticket);
    if (call == orders_.end()) continue;
    std::string bytes = call->second.fill(*answer);
    if (call->second.request_id.empty()) continue;
    turn.writes.emplace_back(
        RecordRequest{call->second.request_id, call->second.digest, std::move(bytes)});
  }
}

absl::Status RunLoop::Act(const Action& action) {
  return std::visit(Overloaded{[this](const Train& train) { return StartTraining(train); },
                               [this](const CancelGenerate& cancel) {
                                 fleet_->Cancel(cancel);
                                 return absl::OkStatus();
                               },
                               [this](const FenceWorker& fence) {
                                 fleet_->Disconnect(fence.worker);
                                 outside_.on_fence(fence);
                                 return absl::OkStatus();
                               },
                               [this](const Answer& answer) {
                                 Finish(answer);
                                 return absl::OkStatus();
                               },
                               [this](const EndRun& end) {
                                 log::Info("the run has ended",
                                           {{"run", name()},
                                            {"state", v1::RunState_Name(end.ended.state())},
                                            {"reason", end.ended.reason()}});
                                 return absl::OkStatus();
                               },
                               [this](const auto& call) {
                                 fleet_->Call(call);
                                 return absl::OkStatus();
                               }},
                    action);
}

absl::Status RunLoop::StartTraining(const Train& action) {
  auto request = std::make_shared<v1::TrainRequest>();
  if (action.request != nullptr) {
    *request = *action.request;
  } else {
    TEMPER_ASSIGN_OR_RETURN(*request, ledger_->ReadTrainRequest(action.step));
  }
  request->set_run(name());
  fleet_->Call(action, std::move(request));
  return absl::OkStatus();
}

void RunLoop::Join(const WorkerJoined& event) {
  fleet_->Connect(event.name, event.address);
  own_events_.push_back(event);
}

void RunLoop::Lose(const WorkerLost& event) {
  fleet_->Disconnect(event.name);
  own_events_.push_back(event);
}

void RunLoop::Take(OrderCall call) {
  if (!call.request_id.empty()) {
    auto before = ledger_->FindRequest(call.request_id, call.digest);
    if (!before.ok()) return call.finish(before.status());
    if (before->has_value()) {
      call.repeat(**before);
      return call.finish(absl::OkStatus());
    }
    for (const auto& [ticket, other] : orders_) {
      if (other.request_id != call.request_id) continue;
      return call.finish(absl::AbortedError("that request is still under way; ask again later"));
    }
  }
  if (!active()) {
    const bool resume = std::holds_alternative<ResumeRun>(call.order.what);
    auto recovered = ledger_->Recover();
    if (!recovered.ok()) return call.finish(recovered.status());
    rest_ = *std::move(recovered);
    if (!resume || !MayGoOn(rest_.state)) {
      return call.finish(absl::FailedPreconditionError(
          absl::StrCat("the run has ended (", StateWord(rest_.state),
                       resume ? ") and has nothing left to do" : ")")));
    }
    if (const absl::Status started = StartCore(); !started.ok()) return call.finish(started);
    outside_.on_active(name(), true);
  }
  call.order.ticket = next_ticket_++;
  own_events_.push_back(call.order);
  const int64_t ticket = call.order.ticket;
  orders_.emplace(ticket, std::move(call));
}

void RunLoop::Finish(const Answer& answer) {
  const auto found = orders_.find(answer.ticket);
  if (found == orders_.end()) return;
  const OrderCall call = std::move(found->second);
  orders_.erase(found);
  call.finish(answer.status);
}

int64_t RunLoop::steps_made() const {
  const int64_t version = core_.has_value() ? core_->version() : rest_.version;
  return version - place_.spec.warm_start_steps();
}

void RunLoop::Describe(v1::GetResponse& run) const {
  if (core_.has_value()) {
    core_->Describe(clock_.Uptime(), run);
  } else {
    const ResolvedSpec& spec = place_.spec;
    run.set_state(rest_.state);
    run.set_reason(rest_.reason);
    run.set_step(rest_.version);
    run.set_steps(spec.steps());
    run.set_warm_start_steps(spec.warm_start_steps());
    if (rest_.last.version() > 0) *run.mutable_last() = rest_.last;
    *run.mutable_spec() = SpecInForce(spec.spec, rest_.alterations, rest_.version);
    for (const auto& [version, checkpoint] : rest_.checkpoints) {
      *run.add_checkpoints() = KeptOf(version, spec.warm_start_steps(), checkpoint);
    }
    for (const auto& [prompt, reason] : rest_.quarantined) run.add_quarantined(prompt);
  }
  run.set_name(name());
  run.set_dir(place_.dir);
  run.set_sequence(last_sequence_);
  run.set_parent(origin_.parent);
  run.set_parent_step(origin_.parent_step);
  run.set_created_ms(created_ms_);
  for (v1::Wait& wait : *run.mutable_waits()) {
    wait.set_run(name());
    wait.set_owner(absl::StrCat("run ", name()));
  }
}

void RunLoop::Publish() {
  auto view = std::make_shared<v1::GetResponse>();
  Describe(*view);
  MutexLock lock(view_mutex_);
  view_ = std::move(view);
  viewed_at_ = clock_.Uptime();
}

void RunLoop::Break(const absl::Status& status) {
  v1::GetResponse last = View();
  last.set_state(v1::RUN_STATE_FAILED);
  last.set_reason(std::string(status.message()));
  last.clear_waits();
  MutexLock lock(view_mutex_);
  view_ = std::make_shared<const v1::GetResponse>(std::move(last));
}

v1::GetResponse RunLoop::View() const {
  v1::GetResponse run;
  double age = 0;
  {
    MutexLock lock(view_mutex_);
    run = *view_;
    age = absl::ToDoubleSeconds(clock_.Uptime() - viewed_at_);
  }
  for (v1::Wait& wait : *run.mutable_waits()) wait.set_age_seconds(wait.age_seconds() + age);
  // Older ones may have been pruned.
  auto& kept = *run.mutable_checkpoints();
  kept.erase(
      std::remove_if(kept.begin(), kept.end(), [](const auto& one) { return !Exists(one.path()); }),
      kept.end());
  return run;
}

void RunLoop::AddWatcher(std::shared_ptr<EventStream> stream) {
  watchers_.push_back(std::move(stream));
}

// Watchers read the ledger, each at its own pace.
void RunLoop::FeedWatchers() {
  std::erase_if(watchers_, [](const auto& stream) { return stream->done(); });
  for (const auto& stream : watchers_) {
    const size_t room = stream->Room(clock_.Uptime());
    if (room == 0) continue;
    if (stream->next_sequence() <= last_sequence_) {
      auto events = ledger_->ReadEvents(stream->next_sequence(), static_cast<int>(room));
      if (!events.ok()) {
        log::Error("events cannot be read", {{"error", events.status().ToString()}});
        stream->Close(events.status());
        continue;
      }
      for (v1::RunEvent& event : *events) stream->Offer(std::move(event));
    }
    if (!active() && stream->next_sequence() > last_sequence_) stream->Close();
  }
}

}  // namespace temper::orchestrator
