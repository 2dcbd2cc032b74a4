// Keeps those runs open that the controller's newest list of assignments names.
//
// A thread decides what is to be done; each run is opened and closed on a thread of its own, so
// that loading a model delays neither the signs of life nor other runs. What could not be opened is
// tried again, ever more rarely.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/time/time.h"
#include "base/clock.h"
#include "base/mutex.h"
#include "base/rpc.h"
#include "base/thread.h"
#include "temper/v1/fleet.pb.h"

namespace temper::cli {

// What a worker opens and closes.
class RunHost {
 public:
  virtual ~RunHost() = default;

  // The runs of the newest list. From here on calls for one that is not open yet are refused with
  // UNAVAILABLE. Any thread.
  virtual void Expect(const std::vector<std::string>& runs) = 0;
  // Loads what the run needs and lets calls in; may take long. Open() and Close() of one run never
  // overlap, those of different runs may. An error leaves nothing behind.
  virtual absl::Status Open(const v1::Assignment& assignment) = 0;
  // Ends the calls of an open run with UNAVAILABLE and frees what it held.
  virtual void Close(const std::string& run) = 0;
  // Work units of all runs so far, those closed among them: never less than before. Any thread.
  virtual int64_t progress() const = 0;
};

class AssignedRuns {
 public:
  // runs_max: more are reported as failed until another is closed. `host` outlives this.
  AssignedRuns(RunHost& host, int runs_max);
  ~AssignedRuns();  // closes what is open, once it is

  // The newest list, complete. Returns at once. A run whose assignment has changed is opened anew.
  void Follow(std::vector<v1::Assignment> wanted) ABSL_LOCKS_EXCLUDED(mutex_);

  // Fills in what is open and what could not be opened.
  void Report(v1::HeartbeatRequest& beat) ABSL_LOCKS_EXCLUDED(mutex_);
  // Waits until a Report() would say something new; false when the time is over.
  bool AwaitNews(absl::Duration timeout) ABSL_LOCKS_EXCLUDED(mutex_);

  bool none() const ABSL_LOCKS_EXCLUDED(mutex_);  // neither open nor wanted

 private:
  struct Failure {
    std::string reason;
    Backoff backoff;
    absl::Duration again;  // the uptime at which it is tried next
  };
  enum class State { kOpening, kOpen, kFailed, kClosing, kClosed };
  struct Run {
    v1::Assignment assignment;
    State state = State::kOpening;
    std::optional<Failure> failure;  // of the last try
    Thread thread;                   // that opens or closes, or has done so
  };

  void Work() ABSL_LOCKS_EXCLUDED(mutex_);
  // Starts what can be started now.
  void Advance() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void DropUnwanted() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void StartOpening(const v1::Assignment& wanted) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool IsWanted(const v1::Assignment& assignment) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool HasRoom() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  bool IsClosing() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);  // there will be room
  absl::Duration UntilNextTry() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // On the run's own thread.
  void Open(const v1::Assignment& assignment) ABSL_LOCKS_EXCLUDED(mutex_);
  void Close(const std::string& run) ABSL_LOCKS_EXCLUDED(mutex_);
  void Opened(Run& run, const absl::Status& status) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  RunHost& host_;
  const int runs_max_;
  const SystemClock clock_;
  mutable Mutex mutex_;
  std::vector<v1::Assignment> wanted_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, Run> runs_ ABSL_GUARDED_BY(mutex_);
  bool news_ ABSL_GUARDED_BY(mutex_) = false;     // since the last Report()
  bool changed_ ABSL_GUARDED_BY(mutex_) = false;  // since the last Advance()
  bool ending_ ABSL_GUARDED_BY(mutex_) = false;
  Thread thread_;
};

}  // namespace temper::cli
