// The controller: a daemon that keeps runs and the workers that serve them.
//
// Its loop owns the registry of workers and controller.db; each run has a loop of its own
// (run_loop.h). Long work (preparing a run folder, forking, replaying) happens on a workshop thread
// that only posts. gRPC's callbacks enqueue on one of these.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/bounded_queue.h"
#include "base/clock.h"
#include "base/mutex.h"
#include "base/stop.h"
#include "base/thread.h"
#include "orchestrator/controller/controller_store.h"
#include "orchestrator/controller/run_loop.h"
#include "orchestrator/controller/run_models.h"
#include "orchestrator/controller/worker_registry.h"
#include "orchestrator/replay/replay_process.h"

namespace temper::orchestrator {

class Controller {
 public:
  struct Options {
    // Of one run, or of many: each folder in it that holds a spec.json is a run.
    std::string dir;
    // `dir` is the folder of one run, the only one; when it is stopped or failed it goes on.
    bool lone = false;
    int heartbeat_ms = 500;
    absl::Duration silence_max = absl::Seconds(10);
    std::string host_id;
    std::string program;  // this very one, for children
  };

  // FAILED_PRECONDITION: another controller has the folder. What is wrong with one run of many is
  // said in the log, and the run is left alone.
  static absl::StatusOr<std::unique_ptr<Controller>> Open(Options options, RunModels& models,
                                                          const Clock& clock);
  ~Controller();

  // Serves until `stop`. An error: what must be remembered cannot be written.
  absl::Status Run(const StopToken& stop);

  // Any thread.
  [[nodiscard]] bool Post(std::function<void()> question) {
    return inbox_.TryPush(std::move(question));
  }
  // On the workshop's thread; false: too much waits there.
  [[nodiscard]] bool PostWork(std::function<void()> work) {
    return workshop_inbox_.TryPush(std::move(work));
  }
  // "" is the only run there is. NOT_FOUND names the nearest; FAILED_PRECONDITION: its folder is
  // here, but cannot be opened.
  absl::StatusOr<std::shared_ptr<RunLoop>> Find(const std::string& run) const
      ABSL_LOCKS_EXCLUDED(mutex_);
  std::vector<std::shared_ptr<RunLoop>> runs() const ABSL_LOCKS_EXCLUDED(mutex_);
  // Folders of runs that could not be opened, with the reason; known since Open().
  const std::map<std::string, absl::Status>& left_alone() const { return left_alone_; }

  // Workshop thread. ALREADY_EXISTS: a run of that name is here.
  absl::Status AddRun(RunPlace place) ABSL_LOCKS_EXCLUDED(mutex_);
  std::string DirOf(const std::string& run) const;
  const Options& options() const { return options_; }
  RunModels& models() { return models_; }
  const Clock& clock() const { return clock_; }

  // For questions on the loop's thread.
  WorkerRegistry& registry() { return registry_; }
  ControllerStore& store() { return *store_; }
  ReplayProcess& replay() { return replay_; }
  // What cannot be remembered ends the process.
  void Break(const absl::Status& status) { broken_ = status; }

 private:
  Controller(Options options, RunModels& models, const Clock& clock);
  absl::Status OpenRuns();
  absl::Status OpenRun(const std::string& dir);
  RunLoop::Outside OutsideOfRun();
  void OnActive(const std::string& run, bool active);
  void OnBroken(const std::string& run, const absl::Status& status);
  v1::Assignment AssignmentOf(const RunPlace& place) const;
  void Work();

  const Options options_;
  RunModels& models_;
  const Clock& clock_;

  std::map<std::string, absl::Status> left_alone_;  // by folder name; constant after Open()

  // Loop thread only.
  std::unique_ptr<ControllerStore> store_;
  WorkerRegistry registry_;
  ReplayProcess replay_;
  absl::Status broken_;

  BoundedQueue<std::function<void()>> inbox_{1 << 16};
  BoundedQueue<std::function<void()>> workshop_inbox_{64};
  StopToken workshop_stop_;

  mutable Mutex mutex_;
  std::map<std::string, std::shared_ptr<RunLoop>> runs_ ABSL_GUARDED_BY(mutex_);

  Thread workshop_;
};

}  // namespace temper::orchestrator
