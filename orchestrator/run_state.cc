// Events, and what each leads to.
#include "orchestrator/run_state.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/check.h"

namespace temper::orchestrator {
namespace {

constexpr absl::Duration kUpdateTimeout = absl::Minutes(10);

}  // namespace

RunCore::State::State(ResolvedSpec spec, RunRows rows, RecoveredRun recovered,
                      absl::Duration uptime)
    : board_(std::move(spec), rows, recovered, uptime),
      gathering_(board_),
      learner_(board_, recovered),
      recovered_(std::move(recovered)),
      batch_fixed_(recovered_.batch_fixed),
      evaluated_(recovered_.evaluated),
      skipped_in_a_row_(recovered_.skipped_in_a_row),
      last_(recovered_.last),
      step_from_(uptime),
      scored_at_(uptime) {
  for (const v1::Role role : {v1::ROLE_ROLLOUT, v1::ROLE_REWARD, v1::ROLE_LEARNER}) {
    absent_since_[role] = uptime;
  }
}

Turn RunCore::State::Handle(const std::vector<Event>& events, absl::Duration uptime) {
  board_.now = std::max(board_.now, uptime);
  if (!started_) Start();
  for (const Event& event : events) {
    // Orders are answered whatever happens; an ended run refuses them.
    if ((ended_ || !board_.failure.empty()) && !std::holds_alternative<Order>(event)) continue;
    std::visit([this](const auto& what) { On(what); }, event);
    LoseFenced();
  }
  if (!ended_ && board_.failure.empty()) {
    FindOverdue();
    LoseFenced();
    Advance();
    FindStalls();
  }
  gathering_.RecordLateEpisodes();
  if (!ended_ && !board_.failure.empty()) {
    End(v1::RUN_STATE_FAILED, board_.failure, "");
  }
  if (ended_) AnswerCheckpointOrders();
  return board_.TakeTurn();
}

void RunCore::State::Start() {
  started_ = true;
  if (recovered_.state == v1::RUN_STATE_DONE) {
    ended_ = true;
    run_state_ = v1::RUN_STATE_DONE;
    reason_ = recovered_.reason;
    v1::RunEnded ended;
    ended.set_state(v1::RUN_STATE_DONE);
    ended.set_reason(recovered_.reason);
    ended.set_model_dir(recovered_.model_dir);
    board_.Do(EndRun{std::move(ended)});
    return;
  }
  run_state_ = recovered_.state;
  reason_ = recovered_.reason;
  if (recovered_.state == v1::RUN_STATE_UNSPECIFIED) {
    board_.Note(absl::StrCat("run ", board_.spec.spec.name(), " starts"));
    ChangeState(v1::RUN_STATE_SUBMITTED, "", "");
  } else {
    board_.Note(absl::StrCat("run ", board_.spec.spec.name(), " resumes at ", board_.StepName()));
    // The controller went away in these; a paused or draining run stays what it was.
    const bool ended = run_state_ == v1::RUN_STATE_STOPPED || run_state_ == v1::RUN_STATE_FAILED;
    if (ended) ChangeState(v1::RUN_STATE_RUNNING, "", "");
  }
  if (!batch_fixed_) return;
  // The step's samples are all there and its batch is fixed: only its figures are to be found
  // again. Of an environment they were recorded.
  if (gathering_.environment() != nullptr) {
    recovered_.groups.clear();
    step_ = recovered_.measured;
    step_from_ = scored_at_ = board_.now;
    return;
  }
  gathering_.Resume(/*evaluation=*/false, std::exchange(recovered_.groups, {}));
  MeasureStep();
  gathering_.Close();
}

// --- workers

void RunCore::State::On(const WorkerJoined& event) {
  if (const CoreWorker* old = board_.Find(event.name)) {
    if (old->connected && old->incarnation == event.incarnation) return;
    if (old->connected) LoseWorker(event.name, "it was started anew", /*crashed=*/false);
  }
  CoreWorker& worker = board_.workers[event.name];
  worker = {.role = event.role,
            .name = event.name,
            .incarnation = event.incarnation,
            .address = event.address,
            .connected = true};
  board_.Note(absl::StrCat(event.name, " joined"));
  if (run_state_ == v1::RUN_STATE_SUBMITTED) ChangeState(v1::RUN_STATE_RUNNING, "", "");
  if (event.role == v1::ROLE_LEARNER) learner_.OnJoined(event.name);
}

void RunCore::State::On(const WorkerLost& event) {
  const CoreWorker* worker = board_.Find(event.name);
  if (worker != nullptr && worker->connected && worker->incarnation == event.incarnation) {
    LoseWorker(event.name, event.reason, event.crashed);
  }
  if (event.crashed) gathering_.OnCrash(event.name, event.incarnation);
}

void RunCore::State::LoseWorker(const std::string& name, const std::string& reason, bool crashed) {
  CoreWorker& worker = *board_.Find(name);
  worker.connected = false;
  worker.version = -1;
  board_.Note(absl::StrCat(name, " is lost: ", reason));
  for (const Call& call : board_.EndAllOf(name, reason)) {
    if (call.kind == Call::Kind::kScore) {
      gathering_.OnScoreFailed(call, absl::UnavailableError(reason));
    }
  }
  worker.samples_out = 0;
  worker.suspect_out = false;
  if (worker.role == v1::ROLE_ROLLOUT) gathering_.OnWorkerLost(worker);
  if (worker.role == v1::ROLE_LEARNER) learner_.OnLost(name, reason, crashed);
}

void RunCore::State::LoseFenced() {
  for (const std::string& name : std::exchange(board_.fenced, {})) {
    LoseWorker(name, "it did not answer", /*crashed=*/false);
  }
}

// --- answers

void RunCore::State::On(const LearnerStatus& event) {
  if (board_.End(event.call)) learner_.OnStatus(event);
}

void RunCore::State::On(const WeightsUpdated& event) {
  const std::optional<Call> call = board_.End(event.call);
  if (!call) return;
  const std::shared_ptr<const v1::WeightsManifest> current = learner_.CurrentWeights();
  if (call->version != board_.version) return;
  if (event.response.version() != call->version ||
      (current != nullptr && event.response.digest() != ManifestDigest(*current))) {
    const absl::Status status = absl::DataLossError(
        absl::StrCat("confirmed version ", event.response.version(), " with another digest"));
    board_.Note(absl::StrCat(call->worker, ": ", std::string(status.message())));
    board_.Failed(call->worker, status);
    return;
  }
  board_.Succeeded(call->worker);
  board_.Find(call->worker)->version = call->version;
}

void RunCore::State::On(const ScoresArrived& event) {
  if (const std::optional<Call> call = board_.End(event.call)) {
    gathering_.OnScores(*call, *event.response);
  }
}

void RunCore::State::On(const Trained& event) {
  const std::optional<Call> call = board_.End(event.call);
  if (!call) return;
  if (const auto response = learner_.OnTrained(*call, *event.response)) RecordTrained(*response);
}

void RunCore::State::On(const CheckpointSaved& event) {
  if (const std::optional<Call> call = board_.End(event.call)) {
    learner_.OnSaved(*call, event.response, !checkpoint_orders_.empty());
    AnswerCheckpointOrders();
  }
}

void RunCore::State::On(const CallFailed& event) {
  const std::string error(event.status.message());
  if (const std::optional<Call> call = board_.End(event.call, error)) Fail(*call, event.status);
}

void RunCore::State::Fail(const Call& call, const absl::Status& status) {
  switch (call.kind) {
    case Call::Kind::kStatus:
    case Call::Kind::kTrain:
    case Call::Kind::kCheckpoint:
      learner_.OnFailed(call, status);
      return;
    case Call::Kind::kScore:
      gathering_.OnScoreFailed(call, status);
      break;
    case Call::Kind::kUpdate:
      if (status.code() == absl::StatusCode::kFailedPrecondition ||
          status.code() == absl::StatusCode::kInvalidArgument) {
        board_.Fail(absl::StrCat(call.waits_for, ": ", std::string(status.message())));
      }
      break;
  }
  if (status.code() == absl::StatusCode::kDeadlineExceeded) {
    if (const CoreWorker* worker = board_.Find(call.worker); worker && worker->connected) {
      board_.Fence(call.worker, absl::StrCat("no answer in time: ", call.waits_for));
    }
    return;
  }
  board_.Failed(call.worker, status);
}

void RunCore::State::FindOverdue() {
  for (const int64_t number : board_.OverdueCalls()) {
    if (const std::optional<Call> call = board_.End(number, "no answer came")) {
      Fail(*call, absl::DeadlineExceededError("no answer came"));
    }
  }
  gathering_.OnOverdue();
}

void RunCore::State::FindStalls() {
  if (ended_) return;
  gathering_.FindStalls();
  for (auto& [number, call] : board_.calls) {
    const absl::Duration stalls =
        board_.StallAfter(KindName(call.kind), call.deadline - call.since);
    if (call.stalled || board_.now - call.since < stalls) continue;
    call.stalled = true;
    board_.PublishStall(call.waits_for, kCallPolicy, call.since, call.deadline);
  }
}

// --- what follows

bool RunCore::State::EvaluationDue() const {
  const v1::RunSpec& spec = board_.spec.spec;
  if (!spec.has_evaluate() || board_.InWarmStart() || evaluated_.contains(board_.version)) {
    return false;
  }
  const int64_t step = board_.policy_step();
  return step % spec.evaluate().every() == 0 || board_.LastVersion();
}

bool RunCore::State::NeedsRollout() const {
  if (run_state_ == v1::RUN_STATE_PAUSED) return false;
  return !board_.InWarmStart() && !batch_fixed_ && (EvaluationDue() || !board_.LastVersion());
}

bool RunCore::State::Needs(v1::Role role) const {
  if (run_state_ == v1::RUN_STATE_PAUSED) return false;
  return role == v1::ROLE_LEARNER || NeedsRollout();
}

bool RunCore::State::StepReady() const {
  return !EvaluationDue() && !board_.LastVersion() && (board_.InWarmStart() || batch_fixed_);
}

void RunCore::State::Advance() {
  if (run_state_ == v1::RUN_STATE_PAUSED) {
    // Nothing begins, but for a checkpoint that somebody waits for.
    if (!checkpoint_orders_.empty()) {
      learner_.Advance(StepReady(), /*keep=*/true, /*may_begin=*/false);
    }
    CheckAbsences();
    return;
  }
  const bool ends_here = run_state_ == v1::RUN_STATE_DRAINING && !board_.LastVersion();
  if (ends_here && !StepBegun()) return AdvanceDrain();
  AdvanceGathering();
  if (!board_.failure.empty()) return;
  // It was an evaluation that has ended: with no step begun no event would come that leads here.
  if (ends_here && !StepBegun()) return AdvanceDrain();
  learner_.Advance(StepReady(), !checkpoint_orders_.empty());
  AdvanceUpdates();
  CheckAbsences();
  FinishRun();
}

void RunCore::State::AdvanceGathering() {
  while (NeedsRollout() && board_.failure.empty()) {
    if (!gathering_.open()) {
      const bool may_begin = run_state_ != v1::RUN_STATE_DRAINING || board_.LastVersion();
      if (!may_begin && !StepBegun()) return;
      OpenGathering();
    }
    gathering_.Advance();
    if (!gathering_.Complete()) return;
    gathering_.evaluation() ? FinishEvaluation() : FixBatchOfStep();
    gathering_.Close();
  }
}

// At most one gathering was open when the ledger was left: its groups are all there, or none.
void RunCore::State::OpenGathering() {
  std::vector<RecoveredGroup> left = std::exchange(recovered_.groups, {});
  if (left.empty()) {
    gathering_.Open(EvaluationDue());
    return;
  }
  TEMPER_CHECK(left.front().evaluation == EvaluationDue());
  TEMPER_CHECK(left.front().group.step() == board_.version);
  gathering_.Resume(EvaluationDue(), std::move(left));
}

void RunCore::State::AdvanceUpdates() {
  const std::shared_ptr<const v1::WeightsManifest> manifest = learner_.CurrentWeights();
  if (manifest == nullptr || !NeedsRollout()) return;
  for (auto& [name, worker] : board_.workers) {
    if (worker.role != v1::ROLE_ROLLOUT || !board_.Ready(worker)) continue;
    if (worker.version == board_.version || worker.calls_out > 0) continue;
    const int64_t call =
        board_.Begin({.kind = Call::Kind::kUpdate,
                      .worker = name,
                      .waits_for = absl::StrCat(board_.StepName(), " waits for ", name,
                                                " to take version ", board_.version),
                      .version = board_.version},
                     kUpdateTimeout);
    board_.Do(UpdateWeights{call, name, manifest, kUpdateTimeout});
  }
}

}  // namespace temper::orchestrator
