// What all parts of the core see: the spec, the time, the workers, the calls under way, the turn.
//
// Owned by RunCore; one thread.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "orchestrator/core.h"

namespace temper::orchestrator {

// A worker as the core knows it; forgotten only when its name comes back.
struct CoreWorker {
  v1::Role role = v1::ROLE_UNSPECIFIED;
  std::string name;
  std::string incarnation;
  std::string address;
  bool connected = false;
  int64_t version = -1;      // rollout workers: the version confirmed; -1: unknown
  int samples_out = 0;       // rollout workers: leased and not yet returned
  bool suspect_out = false;  // holds a group that may crash it: gets nothing else
  int calls_out = 0;
  int failures = 0;  // in a row
  std::string last_failure;
  absl::Duration retry_at = absl::ZeroDuration();
};

struct SampleKey {
  int64_t group_id = 0;
  int sample = 0;
};

// An RPC under way, other than Generate (those are leases).
struct Call {
  enum class Kind { kStatus, kUpdate, kScore, kTrain, kCheckpoint };
  Kind kind = Kind::kStatus;
  std::string worker;
  std::string waits_for;           // for people: "rollout-2 takes version 413"
  int64_t version = 0;             // of kUpdate and kCheckpoint; the step of kTrain
  std::vector<SampleKey> samples;  // of kScore
  absl::Duration since = absl::ZeroDuration();
  absl::Duration deadline = absl::ZeroDuration();
  bool stalled = false;  // that was told
};
const char* KindName(Call::Kind kind);
// What becomes of each when its deadline passes: the worker is fenced, the work given again.
inline constexpr v1::WaitPolicy kCallPolicy = v1::WAIT_POLICY_RETRY;

class Board {
 public:
  Board(ResolvedSpec spec, RunRows rows, const RecoveredRun& recovered, absl::Duration uptime);

  ResolvedSpec spec;  // in force for the step that is being made, alterations included
  const RunRows rows;
  absl::Duration now;
  int64_t version;  // steps recorded; the step that is being made
  int64_t lease_epoch;
  std::map<std::string, CoreWorker> workers;
  std::map<int64_t, Call> calls;
  std::vector<std::string> fenced;                 // workers that this turn has given up
  std::string failure;                             // why the run must end; "" while all is well
  std::vector<RecoveredAlteration> alterations;    // accepted, not yet in force
  std::map<std::string, std::string> quarantined;  // prompt id -> reason

  // The turn.
  template <class Write>
  void Record(Write write) {
    turn_.writes.emplace_back(std::move(write));
  }
  template <class Act>
  void Do(Act action) {
    turn_.actions.emplace_back(std::move(action));
  }
  void Publish(v1::RunEvent event);
  void Note(std::string text);
  // A stretch of the step being made that has ended now.
  void RecordSpanSince(const char* kind, const std::string& worker, std::string name,
                       absl::Duration since, std::string error);
  Turn TakeTurn() { return std::exchange(turn_, Turn()); }

  // The first reason stays.
  void Fail(std::string reason) {
    if (failure.empty()) failure = std::move(reason);
  }

  // Calls. Begin gives the number to send along, and fills since and deadline.
  int64_t Begin(Call call, absl::Duration timeout);
  // The call, no longer under way; empty when it was given up before. error: how it ended, "" well.
  std::optional<Call> End(int64_t call, std::string error = "");
  std::vector<Call> EndAllOf(const std::string& worker, const std::string& error);
  std::vector<int64_t> OverdueCalls() const;

  // Null when there is none of that name.
  CoreWorker* Find(const std::string& name);
  bool Ready(const CoreWorker& worker) const { return worker.connected && worker.retry_at <= now; }
  // After an answer, and after an error: the worker is left alone for a while that doubles each
  // time. Too many in a row end the run.
  void Succeeded(const std::string& worker);
  void Failed(const std::string& worker, const absl::Status& status);
  // Asks for the end of a process that does not answer; the core then treats it as lost.
  void Fence(const std::string& worker, const std::string& reason);

  // A wait of that kind is a stall when it has lasted longer than this: five times the longest that
  // went well, at least 30 s, at most half of its deadline.
  absl::Duration StallAfter(const char* kind, absl::Duration timeout) const;
  void PublishStall(const std::string& wait, v1::WaitPolicy policy, absl::Duration since,
                    absl::Duration deadline);

  // Puts what has come into force into `spec`.
  void ApplyAlterations();
  // The spec as it will be when all that was accepted is in force.
  v1::RunSpec FutureSpec() const;

  // Stages of the run, as functions of the version.
  int64_t policy_step() const { return version - spec.warm_start_steps(); }
  bool InWarmStart() const { return version < spec.warm_start_steps(); }
  bool LastVersion() const { return version == spec.steps(); }
  // "warm-start step 3" or "step 412": the step being made, counted from 1.
  std::string StepName() const;

  // 50 ms, 100 ms, ... at most 30 s.
  static absl::Duration BackoffAfter(int failures);

 private:
  Turn turn_;
  std::map<std::string, absl::Duration> longest_;  // by kind: of the waits that went well
  int64_t sequence_;
  int64_t next_call_ = 1;
};

}  // namespace temper::orchestrator
