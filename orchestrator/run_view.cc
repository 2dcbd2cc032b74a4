// When the core wants to be called again, whom it misses, and what people see of it.
#include <algorithm>

#include "absl/strings/str_cat.h"
#include "orchestrator/run_state.h"

namespace temper::orchestrator {
namespace {

constexpr absl::Duration kAbsenceMax = absl::Minutes(10);
constexpr absl::Duration kQueueMax = absl::Hours(7 * 24);  // until somebody takes up a new run
constexpr absl::Duration kGrace = absl::Seconds(5);

const char* RoleName(v1::Role role) {
  switch (role) {
    case v1::ROLE_ROLLOUT:
      return "rollout worker";
    case v1::ROLE_REWARD:
      return "reward service";
    case v1::ROLE_LEARNER:
      return "learner";
    default:
      return "worker";
  }
}

}  // namespace

absl::Duration RunCore::State::AbsenceMax() const {
  return run_state_ == v1::RUN_STATE_SUBMITTED ? kQueueMax : kAbsenceMax;
}

void RunCore::State::CheckAbsences() {
  for (auto& [role, since] : absent_since_) {
    const bool present = std::any_of(board_.workers.begin(), board_.workers.end(),
                                     [&, role = role](const auto& entry) {
                                       return entry.second.role == role && entry.second.connected;
                                     });
    if (present || !Needs(role)) {
      since = board_.now;
    } else if (board_.now - since >= AbsenceMax()) {
      board_.Fail(absl::StrCat(board_.StepName(), " waited ", absl::ToInt64Seconds(AbsenceMax()),
                               " s for a ", RoleName(role), " and none joined"));
    }
  }
}

absl::Duration RunCore::State::NextTick() const {
  if (ended_) return absl::InfiniteDuration();
  absl::Duration due = gathering_.NextDue();
  const auto consider = [&](absl::Duration at) {
    if (at > board_.now) due = std::min(due, at);
  };
  for (const auto& [number, call] : board_.calls) {
    consider(call.deadline + kGrace);
    if (!call.stalled) {
      consider(call.since + board_.StallAfter(KindName(call.kind), call.deadline - call.since));
    }
  }
  for (const auto& [name, worker] : board_.workers) {
    if (worker.connected) consider(worker.retry_at);
  }
  for (const auto& [role, since] : absent_since_) {
    if (since < board_.now || Needs(role)) consider(since + AbsenceMax());
  }
  return due;
}

void RunCore::State::Describe(absl::Duration uptime, v1::GetResponse& run) const {
  run.set_state(run_state_);
  run.set_reason(reason_);
  run.set_step(board_.version);
  run.set_steps(board_.spec.steps());
  if (last_.version() > 0) *run.mutable_last() = last_;
  *run.mutable_spec() = board_.spec.spec;
  run.set_warm_start_steps(board_.spec.warm_start_steps());
  for (const auto& [version, checkpoint] : learner_.checkpoints()) {
    *run.add_checkpoints() = KeptOf(version, board_.spec.warm_start_steps(), checkpoint);
  }
  for (const auto& [prompt, reason] : board_.quarantined) run.add_quarantined(prompt);
  for (const auto& [name, worker] : board_.workers) {
    v1::Worker& shown = *run.add_workers();
    shown.set_role(worker.role);
    shown.set_name(name);
    shown.set_address(worker.address);
    shown.set_connected(worker.connected);
    shown.set_version(worker.role == v1::ROLE_ROLLOUT ? worker.version : 0);
    shown.set_samples_out(worker.samples_out);
  }
  if (ended_) return;
  const auto add = [&](const std::string& name, absl::Duration since, absl::Duration deadline,
                       v1::WaitPolicy policy) {
    v1::Wait& wait = *run.add_waits();
    wait.set_name(name);
    wait.set_policy(policy);
    wait.set_age_seconds(absl::ToDoubleSeconds(uptime - since));
    wait.set_deadline_seconds(absl::ToDoubleSeconds(deadline - since));
  };
  for (const auto& [number, call] : board_.calls) {
    add(call.waits_for, call.since, call.deadline, kCallPolicy);
  }
  gathering_.AddWaits(uptime, run);
  for (const auto& [role, since] : absent_since_) {
    const bool present = std::any_of(board_.workers.begin(), board_.workers.end(),
                                     [&, wanted = role](const auto& entry) {
                                       return entry.second.role == wanted && entry.second.connected;
                                     });
    if (!present && Needs(role)) {
      add(absl::StrCat(board_.StepName(), " waits for a ", RoleName(role), " to join"), since,
          since + AbsenceMax(), v1::WAIT_POLICY_FAIL);
    }
  }
}

}  // namespace temper::orchestrator
