// What executions want: found recorded, asked for, shared, or dropped again.
#include <algorithm>

#include "absl/strings/str_cat.h"
#include "agents/run/runner.h"
#include "agents/run/runner_state.h"
#include "base/status_macros.h"

namespace temper::agents {

absl::Status Runner::PullAll() {
  for (bool delivered = true; delivered;) {
    delivered = false;
    for (const auto& [number, running] : running_) {
      if (running->ended || running->execution == nullptr || !running->touched) continue;
      TEMPER_ASSIGN_OR_RETURN(const bool more, Pull(*running));
      delivered |= more;
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<bool> Runner::Pull(Running& running) {
  bool delivered = false;
  for (;;) {
    const std::vector<Want> wants = running.execution->TakeWants();
    for (const int64_t dropped : running.execution->TakeDropped()) DropWant(running, dropped);
    if (wants.empty()) break;
    delivered = true;
    // What is delivered to the first of them may drop others.
    running.dropped.clear();
    for (const Want& want : wants) TEMPER_RETURN_IF_ERROR(TakeWant(running, want));
  }
  running.execution->ConsiderEnough();
  for (const int64_t dropped : running.execution->TakeDropped()) {
    delivered = true;
    if (!running.execution->done()) RecordEnough(running, dropped);
    DropWant(running, dropped);
  }
  return delivered;
}

// So that a replay stops at the same place.
void Runner::RecordEnough(const Running& running, int64_t id) {
  const auto want = running.wants.find(id);
  if (want == running.wants.end()) return;
  batch_.results.push_back({.key = want->second.key,
                            .execution = running.number,
                            .path = want->second.question->path,
                            .lineage = want->second.lineage,
                            .sample = want->second.sample});
}

absl::Status Runner::TakeWant(Running& running, Want want) {
  if (running.execution->done() || running.dropped.erase(want.id) > 0) return absl::OkStatus();
  ++running.progress.wanted;
  running.wants[want.id] = want;
  const auto [key, fresh] = keys_.try_emplace(want.key);
  key->second.wants.emplace_back(running.number, want.id);
  if (!fresh) return absl::OkStatus();  // somebody asks for it already
  // This turn's are not in the store yet.
  std::optional<Result> recorded;
  if (const auto newest = fresh_.find(want.key); newest != fresh_.end()) {
    recorded = *newest->second;
  } else {
    TEMPER_ASSIGN_OR_RETURN(recorded, store_->Find(want.key));
  }
  // That enough were there holds for as long as the node says when that is.
  if (recorded.has_value() && (recorded->status.ok() || want.question->node->enough.has_value())) {
    ++running.progress.recorded;
    Deliver(want.key, *recorded);
    return absl::OkStatus();
  }
  TEMPER_ASSIGN_OR_RETURN(const std::string refusal, RefusalOf(want));
  if (!refusal.empty()) {
    Result failed;
    failed.status = absl::FailedPreconditionError(refusal);
    Deliver(want.key, failed);
    return absl::OkStatus();
  }
  pending_[EndpointOf(*want.question)].insert(
      {.execution = running.number, .order = want.order, .want = want.id});
  return absl::OkStatus();
}

// Why it is not asked for; "" where it is.
absl::StatusOr<std::string> Runner::RefusalOf(const Want& want) {
  if (options_.sealed) {
    TEMPER_ASSIGN_OR_RETURN(const std::string failure, store_->FailureOf(want.key));
    return failure.empty() ? "there is no recorded result, and nothing is asked in a replay"
                           : failure;
  }
  if (want.question->role == nullptr && world_ == nullptr) {
    return "tools and questions to people are not carried out here";
  }
  if (OnceOnly(*want.question)) {
    TEMPER_ASSIGN_OR_RETURN(const bool begun, store_->HasIntent(want.key));
    if (begun) {
      return "its effect may happen once only, and a process that had begun it died: look whether "
             "it happened, then run in a new folder";
    }
  }
  return "";
}

void Runner::DropWant(Running& running, int64_t id) {
  const auto found = running.wants.find(id);
  if (found == running.wants.end()) {
    running.dropped.insert(id);
    return;
  }
  const Want want = found->second;
  running.wants.erase(found);
  running.touched = true;
  const auto key = keys_.find(want.key);
  if (key == keys_.end()) return;
  std::erase(key->second.wants, std::make_pair(running.number, id));
  std::set<Pending>& pending = pending_[EndpointOf(*want.question)];
  const bool was_pending =
      pending.erase({.execution = running.number, .order = want.order, .want = id}) > 0;
  if (!key->second.wants.empty()) {
    // Somebody else needs it: then it is theirs to pay.
    if (was_pending) {
      const auto& [number, other] = key->second.wants.front();
      const Running& heir = *running_.at(number);
      pending.insert({.execution = number, .order = heir.wants.at(other).order, .want = other});
    }
    return;
  }
  const auto open = calls_.find(key->second.call);
  if (open == calls_.end()) {  // not asked yet, or its call is just being taken in
    keys_.erase(key);
    return;
  }
  Call& call = *open->second;
  if (++call.unwanted < static_cast<int64_t>(call.keys.size()) || call.cancelled) return;
  call.cancelled = true;
  after_commit_.push_back([this, number = call.id] {
    if (const auto open = calls_.find(number); open != calls_.end()) CancelCall(*open->second);
  });
}

void Runner::Deliver(const std::string& key, const Result& result) {
  const auto found = keys_.find(key);
  if (found == keys_.end()) return;
  const std::vector<std::pair<int64_t, int64_t>> wants = std::move(found->second.wants);
  keys_.erase(found);
  for (const auto& [number, id] : wants) {
    Running& running = *running_.at(number);
    const auto want = running.wants.find(id);
    if (want == running.wants.end()) continue;
    running.progress.newest = absl::StrCat(want->second.question->path, " ", want->second.lineage);
    running.wants.erase(want);
    running.touched = true;
    if (!result.status.ok()) ++running.progress.failed;
    running.execution->Deliver(id, result);
    for (const int64_t dropped : running.execution->TakeDropped()) DropWant(running, dropped);
  }
}

}  // namespace temper::agents
