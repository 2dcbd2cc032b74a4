// Calls, workers and the turn under construction.
#include "orchestrator/board.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "base/check.h"

namespace temper::orchestrator {
namespace {

constexpr int kFailuresMax = 12;
// The carrier enforces deadlines; the core steps in when it hears nothing.
constexpr absl::Duration kGrace = absl::Seconds(5);

}  // namespace

Board::Board(ResolvedSpec resolved, RunRows run_rows, const RecoveredRun& recovered,
             absl::Duration uptime)
    : spec(std::move(resolved)),
      rows(run_rows),
      now(uptime),
      version(recovered.version),
      lease_epoch(recovered.lease_epoch),
      sequence_(recovered.sequence) {}

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

std::optional<Call> Board::End(int64_t number) {
  const auto found = calls.find(number);
  if (found == calls.end()) return std::nullopt;
  Call call = std::move(found->second);
  calls.erase(found);
  if (CoreWorker* worker = Find(call.worker)) --worker->calls_out;
  return call;
}

std::vector<Call> Board::EndAllOf(const std::string& worker) {
  std::vector<Call> ended;
  for (auto it = calls.begin(); it != calls.end();) {
    if (it->second.worker != worker) {
      ++it;
      continue;
    }
    ended.push_back(std::move(it->second));
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
