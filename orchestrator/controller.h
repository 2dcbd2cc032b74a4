// The controller: the one loop that owns a run's core and ledger, and everyone who talks to it.
//
// gRPC callbacks enqueue; the loop commits to the ledger, tells watchers, then acts (core.h). It
// also notices workers that fell silent.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <variant>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/bounded_queue.h"
#include "base/clock.h"
#include "temper/v1/fleet.pb.h"
#include "base/stop.h"
#include "orchestrator/core.h"
#include "orchestrator/fleet.h"
#include "orchestrator/ledger.h"
#include "orchestrator/run_files.h"
#include "orchestrator/spec.h"
#include "orchestrator/tensorboard.h"

namespace temper::orchestrator {

class EventStream;  // one caller of WatchRun

class Controller {
 public:
  struct Options {
    std::string dir;        // the run folder
    std::string model_dir;  // where workers find config, tokenizer and first weights
    int heartbeat_ms = 500;
    absl::Duration silence_max =
        absl::Seconds(10);  // a worker that says nothing for so long is lost
  };

  // Opens datasets and ledger. FAILED_PRECONDITION when they do not belong together or another
  // controller runs.
  static absl::StatusOr<std::unique_ptr<Controller>> Open(Options options, ResolvedSpec spec,
                                                          const Clock& clock);
  ~Controller();

  // Serves until `stop`. An error means that the ledger cannot be written: the process must end.
  absl::Status Run(const StopToken& stop);

  // From any thread: runs on the loop. false: the queue is full or the loop has ended.
  [[nodiscard]] bool Post(Event event) { return inbox_.TryPush(std::move(event)); }
  [[nodiscard]] bool Post(std::function<void()> question) {
    return inbox_.TryPush(std::move(question));
  }

  // For questions on the loop thread.
  absl::Status Register(const v1::RegisterRequest& request, v1::RegisterResponse& response);
  absl::Status Heartbeat(const v1::HeartbeatRequest& request);
  void ReportExit(const v1::ReportExitRequest& request);
  void Describe(v1::GetResponse& run) const;
  void AddWatcher(std::shared_ptr<EventStream> stream);
  void RequestStop(const std::string& reason);
  const std::string& run_name() const { return spec_.spec.name(); }

 private:
  struct Member {
    v1::RegisterRequest registration;
    absl::Duration last_beat;
    int restarts = 0;
    bool lost = false;
  };

  Controller(Options options, ResolvedSpec spec, const Clock& clock);
  absl::Status OpenFiles();
  absl::Status Loop(const StopToken& stop);
  void Collect(std::vector<Event>& events);
  void FindSilentMembers();
  absl::Status TakeTurn(const std::vector<Event>& events);
  absl::Status Act(const Action& action);
  absl::Status StartTraining(const Train& action);
  void Fence(const FenceWorker& action);
  void WriteTensorboard(const v1::RunEvent& event);
  void FeedWatchers();

  const Options options_;
  const ResolvedSpec spec_;
  const Clock& clock_;

  // Loop thread only.
  RunFiles files_;
  std::unique_ptr<Ledger> ledger_;
  std::optional<RunCore> core_;
  std::optional<EventFile> tensorboard_;
  std::map<std::string, Member> members_;
  std::vector<std::shared_ptr<EventStream>> watchers_;
  std::vector<Event> own_events_;  // made by the loop itself, for its next turn
  int64_t last_sequence_ = 0;

  BoundedQueue<std::variant<Event, std::function<void()>>> inbox_{1 << 16};
  std::unique_ptr<Fleet> fleet_;  // last: its calls deliver into the inbox
};

}  // namespace temper::orchestrator
