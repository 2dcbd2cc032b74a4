// Calls, workers and the turn under construction.
#include "orchestrator/board.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "orchestrator/alteration.h"

namespace temper::orchestrator {
namespace {

constexpr int kFailuresMax = 12;
// The carrier enforces deadlines; the core steps in when it hears nothing.
constexpr absl::Duration kGrace = absl::Seconds(5);
constexpr absl::Duration kStallLeast = absl::Seconds(30);

}  // namespace

const char* KindName(Call::Kind kind) {
  switch (kind) {
    case Call::Kind::kStatus:
      return "status";
    case Call::Kind::kUpdate:
      return "weights";
    case Call::Kind::kScore:
      return "score";
    case Call::Kind::kTrain:
      return "train";
    case Call::Kind::kCheckpoint:
      return "checkpoint";
  }
  return "call";
}

Board::Board(ResolvedSpec resolved, RunRows run_rows, const RecoveredRun& recovered,
             absl::Duration uptime)
    : spec(std::move(resolved)),
      rows(run_rows),
      now(uptime),
      version(recovered.version),
      lease_epoch(recovered.lease_epoch),
      alterations(recovered.alterations),
      quarantined(recovered.quarantined),
      sequence_(recovered.sequence) {
  ApplyAlterations();
}

void Board::Publish(v1::RunEvent event) {
  event.set_sequence(++sequence_);
  turn_.events.push_back(std::move(event));
}

void Board::Note(std::string text) {
  v1::RunEvent event;
  event.set_note(std::move(text));
  Publish(std::move(event));
}

int64_t Board::Begin(Call call, absl::Duration timeout) {
  call.since = now;
  call.deadline = now + timeout;
  if (CoreWorker* worker = Find(call.worker)) ++worker->calls_out;
  calls.emplace(next_call_, std::move(call));
  return next_call_++;
}

void Board::RecordSpanSince(const char* kind, const std::string& worker, std::string name,
                            absl::Duration since, std::string error) {
  if (error.empty()) longest_[kind] = std::max(longest_[kind], now - since);
  RecordSpan record{.version = version};
  record.span.set_kind(kind);
  record.span.set_worker(worker);
  record.span.set_name(std::move(name));
  record.span.set_from_us(absl::ToInt64Microseconds(since));
  record.span.set_to_us(absl::ToInt64Microseconds(now));
  record.span.set_error(std::move(error));
  Record(std::move(record));
}

absl::Duration Board::StallAfter(const char* kind, absl::Duration timeout) const {
  const auto longest = longest_.find(kind);
  const absl::Duration usual = longest == longest_.end() ? absl::ZeroDuration() : longest->second;
  return std::min(std::max(5 * usual, kStallLeast), timeout / 2);
}

void Board::PublishStall(const std::string& wait, v1::WaitPolicy policy, absl::Duration since,
                         absl::Duration deadline) {
  v1::RunEvent event;
  v1::Wait& stall = *event.mutable_stall();
  stall.set_name(wait);
  stall.set_age_seconds(absl::ToDoubleSeconds(now - since));
  stall.set_deadline_seconds(absl::ToDoubleSeconds(deadline - since));
  stall.set_policy(policy);
  stall.set_run(spec.spec.name());
  stall.set_owner(absl::StrCat("run ", spec.spec.name()));
  Publish(std::move(event));
}

void Board::ApplyAlterations() {
  for (auto it = alterations.begin(); it != alterations.end();) {
    if (it->from_version > version) {
      ++it;
      continue;
    }
    ApplyAlteration(it->alteration, spec.spec);
    it = alterations.erase(it);
  }
}

v1::RunSpec Board::FutureSpec() const {
  v1::RunSpec future = spec.spec;
  for (const RecoveredAlteration& one : alterations) ApplyAlteration(one.alteration, future);
  return future;
}

std::optional<Call> Board::End(int64_t number, std::string error) {
  const auto found = calls.find(number);
  if (found == calls.end()) return std::nullopt;
  Call call = std::move(found->second);
  calls.erase(found);
  if (CoreWorker* worker = Find(call.worker)) --worker->calls_out;
  RecordSpanSince(KindName(call.kind), call.worker, call.waits_for, call.since, std::move(error));
  return call;
}

std::vector<Call> Board::EndAllOf(const std::string& worker, const std::string& error) {
  std::vector<Call> ended;
  for (auto it = calls.begin(); it != calls.end();) {
    if (it->second.worker != worker) {
      ++it;
      continue;
    }
    ended.push_back(std::move(it->second));
    RecordSpanSince(KindName(ended.back().kind), worker, ended.back().waits_for, ended.back().since,
                    error);
    it = calls.erase(it);
  }
  if (CoreWorker* found = Find(worker)) found->calls_out = 0;
  return ended;
}

std::vector<int64_t> Board::OverdueCalls() const {
  std::vector<int64_t> overdue;
  for (const auto& [number, call] : calls) {
    if (call.deadline + kGrace <= now) overdue.push_back(number);
  }
  return overdue;
}

CoreWorker* Board::Find(const std::string& name) {
  const auto found = workers.find(name);
  return found == workers.end() ? nullptr : &found->second;
}

absl::Duration Board::BackoffAfter(int failures) {
  const int doublings = std::min(std::max(failures - 1, 0), 10);
  return std::min(absl::Milliseconds(50) * (1 << doublings), absl::Seconds(30));
}

void Board::Succeeded(const std::string& name) {
  CoreWorker* worker = Find(name);
  if (worker == nullptr) return;
  worker->failures = 0;
  worker->last_failure.clear();
}

void Board::Failed(const std::string& name, const absl::Status& status) {
  CoreWorker* worker = Find(name);
  // Many calls that break at once are one failure.
  if (worker == nullptr || worker->retry_at > now) return;
  worker->last_failure = std::string(status.message());
  worker->retry_at = now + BackoffAfter(++worker->failures);
  if (worker->failures >= kFailuresMax) {
    Fail(absl::StrCat(name, " failed ", kFailuresMax,
                      " times in a row, last: ", worker->last_failure));
  }
}

void Board::Fence(const std::string& name, const std::string& reason) {
  CoreWorker* worker = Find(name);
  TEMPER_CHECK(worker != nullptr);
  Note(absl::StrCat(name, " is taken out: ", reason));
  Do(FenceWorker{name, worker->incarnation, reason});
  worker->connected = false;
  fenced.push_back(name);
}

std::string Board::StepName() const {
  return InWarmStart() ? absl::StrCat("warm-start step ", version + 1)
                       : absl::StrCat("step ", policy_step() + 1);
}

}  // namespace temper::orchestrator
