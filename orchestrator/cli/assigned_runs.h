// Keeps those runs open that the controller's newest list of assignments names.
//
// A thread of its own opens and closes, one run at a time: loading a model delays neither the signs
// of life nor the calls of other runs. What could not be opened is tried again, ever more rarely.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <thread>
#include <variant>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/time/time.h"
#include "base/mutex.h"
#include "base/rpc.h"
#include "temper/v1/fleet.pb.h"

namespace temper::cli {

// What a worker opens and closes.
class RunHost {
 public:
  virtual ~RunHost() = default;

  // The runs of the newest list. From here on calls for one that is not open yet are refused with
  // UNAVAILABLE. Any thread.
  virtual void Expect(const std::vector<std::string>& runs) = 0;
  // Loads what the run needs and lets calls in; may take long. Always on the same thread, as is
  // Close(). An error leaves nothing behind.
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
  ~AssignedRuns();  // closes what is open

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
    absl::Time again;  // when it is tried next
  };
  struct Run {
    v1::Assignment assignment;
    bool open = false;
    std::optional<Failure> failure;
  };
  struct Open {
    v1::Assignment assignment;
  };
  struct Close {
    std::string run;
  };
  struct End {};
  using Task = std::variant<Open, Close, End>;

  void Work();
  // Waits for something to do.
  Task NextTask() ABSL_LOCKS_EXCLUDED(mutex_);
  std::optional<Task> FindTask() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  const v1::Assignment* Wanted(const std::string& run) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  int OpenCount() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Duration UntilNextTry() const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void OpenNow(const v1::Assignment& assignment) ABSL_LOCKS_EXCLUDED(mutex_);
  void CloseNow(const std::string& run) ABSL_LOCKS_EXCLUDED(mutex_);

  RunHost& host_;
  const int runs_max_;
  mutable Mutex mutex_;
  std::vector<v1::Assignment> wanted_ ABSL_GUARDED_BY(mutex_);
  std::map<std::string, Run> runs_ ABSL_GUARDED_BY(mutex_);  // open or failed
  bool news_ ABSL_GUARDED_BY(mutex_) = false;                // since the last Report()
  bool changed_ ABSL_GUARDED_BY(mutex_) = false;             // since the last FindTask()
  bool ending_ ABSL_GUARDED_BY(mutex_) = false;
  std::thread thread_;
};

}  // namespace temper::cli
