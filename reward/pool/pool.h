// Runs units in killable worker processes, so that nothing a response makes a verifier do can hold
// up or bring down anything else.
//
// * Each lane runs a fixed number of processes at a time. In lane kCompute a process that spends
//   more processor time on one item than several usual ones take (and than `patience`), or sleeps,
//   leaves its place to another: it goes on beside the lane (at the lowest priority where it
//   computes) until its deadline. Where too many do so already it is killed, and its item waits for
//   a place beside.
// * Deadlines start when work starts and, in lane kCompute, count processor time: neither queueing
//   nor a busy machine eats them.
// * An item whose process died is tried once more elsewhere; the second death is its outcome. What
//   reached its deadline would reach it again, and is not.
// * Verdicts do not depend on any of this: they are pure functions.
//
// All methods belong to one thread, the owner's loop.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "base/unique_fd.h"
#include "reward/pool/host.h"
#include "reward/pool/process.h"
#include "reward/pool/unit.h"

namespace temper::v1 {
class ScoreResult;
}

namespace temper::reward {

class Pool {
 public:
  struct Options {
    // What starts the verifier host, e.g. {"/proc/self/exe", "verifier-host"}.
    std::vector<std::string> host_command;
    int compute_processes = 2;
    int sandbox_processes = 2;
    int beside_max = 64;  // processes that sleep beside the lane
    int slow_max = 4;     // processes that compute beside the lane
    absl::Duration patience = absl::Milliseconds(2);
    absl::Duration asleep_deadline = absl::Seconds(10);  // lane kCompute never needs to sleep
    int deaths_max = 2;
  };
  struct Outcome {
    Unit unit;
    const temper::v1::ScoreResult* result = nullptr;  // null: `death` says why
    std::string death;                                // how the last process over it ended
    absl::Duration elapsed;
  };
  using Deliver = std::function<void(Outcome)>;

  Pool(Options options, Deliver deliver);
  ~Pool();  // kills what is left

  void Add(Unit unit);
  // Waits for at most `timeout` for processes or for `wake` to become readable, carries out what is
  // to be done, delivers outcomes. An error: the host cannot be started.
  absl::Status Poll(int wake, absl::Duration timeout);

  size_t inside() const { return inside_; }
  size_t processes() const { return processes_.size(); }
  int64_t started() const { return started_; }
  int64_t lost() const { return lost_; }

 private:
  using Place = WorkerProcess::Place;
  static constexpr size_t kLanes = 2;  // kCompute, kSandbox

  absl::Status StartHost();
  void AskForProcesses(size_t wanted);
  void Dispatch();
  std::deque<Unit> TakeBatch(Lane lane);
  void Watch(absl::Duration now);
  void WatchComputing(WorkerProcess& process, absl::Duration now);
  void StepAside(WorkerProcess& process, Place place);
  void KillFor(WorkerProcess& process, const std::string& why, absl::Duration now);
  void KillHost();
  void LoseHost();
  void HearHost();
  void OnExit(pid_t pid, int status);
  void Hear(WorkerProcess& process);
  absl::Duration Patience() const;
  void Retry(Unit unit, std::string death, absl::Duration elapsed);
  void GiveUp(Unit unit, std::string death, absl::Duration elapsed);
  void Return(std::deque<Unit> units);
  int Count(Place place, Lane lane) const;
  int Count(Place place) const;
  absl::Duration TimeToWatch() const;

  const Options options_;
  const Deliver deliver_;
  UniqueFd host_;
  pid_t host_pid_ = -1;
  int host_starts_ = 0;                              // since a worker was last started
  absl::Duration ask_after_ = absl::ZeroDuration();  // a fork failed; not before this
  std::deque<UniqueFd> starting_;                    // our ends of processes that were asked for
  std::vector<std::unique_ptr<WorkerProcess>> processes_;
  std::array<std::deque<Unit>, kLanes> waiting_;
  std::deque<Unit> deferred_;                    // computes for long; waits for a place beside
  absl::Duration usual_ = absl::ZeroDuration();  // running mean of an item's time in lane kCompute
  size_t inside_ = 0;
  int64_t started_ = 0;
  int64_t lost_ = 0;
};

}  // namespace temper::reward
