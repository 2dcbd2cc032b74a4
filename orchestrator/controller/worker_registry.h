// The workers of a controller: who is there, what each can do, for which runs it works.
//
// One thread: the controller's loop. What follows from a change is told through Outside: runs learn
// who joined and who was lost.
#pragma once

#include <functional>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "orchestrator/core.h"
#include "temper/v1/controller.pb.h"
#include "temper/v1/fleet.pb.h"
#include "temper/v1/run.pb.h"

namespace temper::orchestrator {

class WorkerRegistry {
 public:
  struct Outside {
    // False: the run does not listen now; it is told again at the worker's next beat.
    std::function<bool(const std::string& run, const WorkerJoined&)> on_joined;
    std::function<void(const std::string& run, const WorkerLost&)> on_lost;
  };
  struct Options {
    int heartbeat_ms = 500;
    absl::Duration silence_max = absl::Seconds(10);  // who says nothing for so long is lost
    std::string host_id;  // of this process: workers of this host can be ended by us
  };

  WorkerRegistry(Options options, Outside outside);

  absl::Status Register(const v1::RegisterRequest& request, absl::Duration uptime,
                        v1::RegisterResponse& response);
  absl::Status Heartbeat(const v1::HeartbeatRequest& request, absl::Duration uptime,
                         v1::HeartbeatResponse& response);
  void ReportExit(const v1::ReportExitRequest& request);
  void FindSilent(absl::Duration uptime);
  // A run gave it up: its process is ended when it is ours to end.
  void Fence(const FenceWorker& fence);

  // A run that needs workers, with what each must know of it (run_dir is for learners).
  void AddRun(const v1::Assignment& assignment);
  void RemoveRun(const std::string& run);

  // NOT_FOUND names the nearest. Also of a worker that is not there now, once it was.
  absl::Status Cordon(const std::string& worker, bool cordoned, const std::string& reason);
  void RememberCordon(const std::string& worker, const std::string& reason) {
    cordons_[worker] = reason;
  }

  std::vector<v1::Worker> Describe(absl::Duration uptime) const;
  // Of that worker, for a run's view: pid, restarts, capabilities, cordon.
  void Complete(v1::Worker& worker, absl::Duration uptime) const;
  // What workers said they wait for, and what is assigned and not yet open.
  void AddWaits(absl::Duration uptime, v1::ListWaitsResponse& response) const;

 private:
  struct Member {
    v1::RegisterRequest registration;
    absl::Duration last_beat;
    int restarts = 0;
    bool lost = true;
    int64_t progress = 0;
    std::map<std::string, absl::Duration> runs;  // assigned -> since when
    std::set<std::string> told;                  // runs that know of this life
    std::map<std::string, std::string> failed;   // runs that it cannot open
    std::vector<v1::Wait> waits;
  };

  void Assign(absl::Duration uptime);
  void TellLost(Member& member, const std::string& run, const std::string& reason, bool crashed);
  void Lose(Member& member, const std::string& reason, bool crashed);
  template <class Response>
  void AddAssignments(const Member& member, Response& response) const;

  const Options options_;
  const Outside outside_;
  std::map<std::string, Member> members_;
  std::map<std::string, std::string> cordons_;  // worker -> reason
  std::vector<v1::Assignment> runs_;            // in the order they came
  absl::Duration now_ = absl::ZeroDuration();
};

}  // namespace temper::orchestrator
