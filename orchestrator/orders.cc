// What operators ask a run for.
#include <utility>

#include "absl/strings/str_cat.h"
#include "orchestrator/alteration.h"
#include "orchestrator/run_state.h"
#include "orchestrator/state_word.h"

namespace temper::orchestrator {
namespace {

std::string Words(const Order& order, const char* otherwise) {
  return order.reason.empty() ? otherwise : order.reason;
}

}  // namespace

void RunCore::State::On(const Order& order) {
  Outcome outcome;
  if (ended_ || !board_.failure.empty()) {
    outcome = Answer{
        .status = absl::FailedPreconditionError(absl::StrCat(
            "the run has ended (", StateWord(ended_ ? run_state_ : v1::RUN_STATE_FAILED), ")"))};
  } else {
    outcome = std::visit([&](const auto& what) { return Obey(what, order); }, order.what);
  }
  if (!outcome.has_value()) return;
  outcome->ticket = order.ticket;
  outcome->state = run_state_;
  board_.Do(*std::move(outcome));
}

void RunCore::State::ChangeState(v1::RunState state, const std::string& who,
                                 const std::string& reason) {
  if (run_state_ == state) return;
  v1::RunEvent event;
  event.set_who(who);
  event.mutable_state_change()->set_before(run_state_);
  event.mutable_state_change()->set_after(state);
  event.mutable_state_change()->set_reason(reason);
  run_state_ = state;
  reason_ = reason;
  board_.Record(RecordState{state, reason, ""});
  board_.Publish(std::move(event));
}

RunCore::State::Outcome RunCore::State::Obey(const PauseRun&, const Order& order) {
  gathering_.CancelAll();
  ChangeState(v1::RUN_STATE_PAUSED, order.who, Words(order, "asked to pause"));
  return Answer{};
}

RunCore::State::Outcome RunCore::State::Obey(const ResumeRun&, const Order& order) {
  if (run_state_ != v1::RUN_STATE_SUBMITTED) {
    ChangeState(v1::RUN_STATE_RUNNING, order.who, order.reason);
  }
  return Answer{};
}

RunCore::State::Outcome RunCore::State::Obey(const DrainRun&, const Order& order) {
  ChangeState(v1::RUN_STATE_DRAINING, order.who, Words(order, "asked to drain"));
  return Answer{};
}

RunCore::State::Outcome RunCore::State::Obey(const StopRun&, const Order& order) {
  End(v1::RUN_STATE_STOPPED, Words(order, "asked to"), "", order.who);
  return Answer{};
}

RunCore::State::Outcome RunCore::State::Obey(const AlterRun& alter, const Order& order) {
  auto changes = CheckAlteration(alter.alteration, board_.FutureSpec(), board_.rows.dataset);
  if (!changes.ok()) return Answer{.status = changes.status()};
  const int64_t from =
      std::max(board_.version + (StepBegun() ? 1 : 0), board_.spec.warm_start_steps());
  if (from >= board_.spec.steps()) {
    return Answer{.status = absl::FailedPreconditionError(
                      absl::StrCat("no policy step is left that it could change: the run makes ",
                                   board_.spec.spec.steps()))};
  }
  board_.Record(RecordAlteration{from, alter.alteration});
  board_.alterations.push_back({from, alter.alteration});
  v1::RunEvent event;
  event.set_who(order.who);
  v1::Altered& altered = *event.mutable_altered();
  altered.set_from_step(from - board_.spec.warm_start_steps() + 1);
  altered.mutable_changes()->Assign(changes->begin(), changes->end());
  altered.set_reason(order.reason);
  Answer answer{.altered = altered};
  board_.Publish(std::move(event));
  board_.ApplyAlterations();
  return answer;
}

RunCore::State::Outcome RunCore::State::Obey(const KeepCheckpoint&, const Order& order) {
  checkpoint_orders_.push_back(order);
  return std::nullopt;
}

RunCore::State::Outcome RunCore::State::Obey(const QuarantinePrompt& quarantine,
                                             const Order& order) {
  if (quarantine.prompt_id.empty()) {
    return Answer{.status = absl::InvalidArgumentError("prompt_id: is missing")};
  }
  if (board_.quarantined.contains(quarantine.prompt_id)) return Answer{};
  const std::string reason = Words(order, "asked to");
  board_.quarantined[quarantine.prompt_id] = reason;
  board_.Record(RecordQuarantine{quarantine.prompt_id, reason});
  v1::RunEvent event;
  event.set_who(order.who);
  event.mutable_quarantined()->set_prompt_id(quarantine.prompt_id);
  event.mutable_quarantined()->set_reason(reason);
  board_.Publish(std::move(event));
  if (!batch_fixed_) gathering_.OnQuarantined(quarantine.prompt_id);
  return Answer{};
}

RunCore::State::Outcome RunCore::State::Obey(const NoteFork& fork, const Order& order) {
  v1::RunEvent event;
  event.set_who(order.who);
  *event.mutable_forked() = fork.forked;
  board_.Publish(std::move(event));
  return Answer{};
}

// Every order that waits for a checkpoint of the newest version, when it is there or cannot be.
void RunCore::State::AnswerCheckpointOrders() {
  const auto saved = learner_.checkpoints().find(board_.version);
  const bool there = saved != learner_.checkpoints().end() && saved->second.pinned;
  if (!there && !ended_) return;
  for (const Order& order : std::exchange(checkpoint_orders_, {})) {
    Answer answer{.ticket = order.ticket, .state = run_state_};
    if (there) {
      answer.checkpoint = KeptOf(board_.version, board_.spec.warm_start_steps(), saved->second);
    } else {
      answer.status = absl::AbortedError("the run ended before the checkpoint was kept");
    }
    board_.Do(std::move(answer));
  }
}

bool RunCore::State::StepBegun() const {
  if (gathering_.open() || batch_fixed_ || !recovered_.groups.empty()) return true;
  for (const auto& [number, call] : board_.calls) {
    if (call.kind == Call::Kind::kTrain && call.version == board_.version) return true;
  }
  return false;
}

// Between two steps, and no other shall begin: a checkpoint, then the end.
void RunCore::State::AdvanceDrain() {
  if (learner_.checkpoints().contains(board_.version)) {
    return End(v1::RUN_STATE_STOPPED, absl::StrCat("drained: ", reason_), "");
  }
  learner_.Advance(/*step_ready=*/false, /*keep=*/true);
  CheckAbsences();
}

}  // namespace temper::orchestrator
