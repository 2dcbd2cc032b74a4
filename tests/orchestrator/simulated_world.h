// A whole run without processes, by seed: fake time, a network that loses, delays, repeats and
// reorders, and workers and a controller that die.
//
// The ledger and the learner's checkpoints survive; everything else is lost with its process. What
// the workers compute is a pure function of what they are given, as it is with the real ones.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <queue>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "orchestrator/core.h"
#include "orchestrator/dataset.h"
#include "orchestrator/ledger.h"
#include "orchestrator/spec.h"

namespace temper::orchestrator {

// Rows from memory.
class FakeRows : public RowSource {
 public:
  explicit FakeRows(std::vector<Row> rows) : rows_(std::move(rows)) {}
  int64_t size() const override { return static_cast<int64_t>(rows_.size()); }
  absl::StatusOr<Row> Read(int64_t index) const override {
    return rows_[static_cast<size_t>(index)];
  }

 private:
  std::vector<Row> rows_;
};

// How the world behaves; all zero: nothing ever goes wrong. Shares of 1.
struct Disturbance {
  uint64_t seed = 0;
  double crash_per_second = 0;   // of each worker and of the controller
  double lost = 0;               // messages
  double repeated = 0;           // episodes
  double late = 0;               // messages that take a hundred times as long
  double score_error = 0;        // scores that are our own failure
  double crash_in_turn = 0;      // the controller dies inside a turn: before or after the commit
  double orders_per_second = 0;  // an operator pauses, resumes and asks for checkpoints
  std::string poison;            // a prompt that crashes whoever generates for it
  bool crash_is_own_fault = false;
};

class SimulatedWorld {
 public:
  SimulatedWorld(ResolvedSpec spec, Disturbance disturbance, int rollout_workers);
  ~SimulatedWorld();

  // Until the run has ended, or for `longest` of simulated time.
  void Run(absl::Duration longest);

  bool ended() const { return ended_.state() != v1::RUN_STATE_UNSPECIFIED; }
  const v1::RunEnded& result() const { return ended_; }
  Ledger& ledger() { return *ledger_; }
  // Bytes of the request of each step; a repetition with other bytes is a failure below.
  const std::map<int64_t, std::string>& train_requests() const { return train_requests_; }
  const std::vector<std::string>& failures() const { return failures_; }
  const std::string& final_weights() const { return final_weights_; }
  int64_t turns() const { return turns_; }
  int64_t crashes() const { return crashes_; }
  int64_t pauses() const { return pauses_; }
  absl::Duration now() const { return now_; }

 private:
  struct Process {
    v1::Role role;
    std::string name;
    int start = 0;  // counts its lives
    bool alive = false;
    // Rollout workers and the learner.
    int64_t version = 0;
    std::string weights;
    bool has_weights = false;
    // The learner: the answer to the newest step, for repetitions.
    std::string last_request;
  };
  using Task = std::function<void()>;

  void After(absl::Duration delay, Task task);
  absl::Duration Delay();
  bool Chance(double share);
  // Runs the task on the process after a network delay, if that life of it still goes on.
  void Send(const std::string& name, Task task);
  // Tells the controller after a network delay, if that life of it still goes on.
  void Answer(Event event);
  void Fail(std::string what) { failures_.push_back(std::move(what)); }

  void StartController();
  void StopController();
  void Deliver(Event event);
  void Turn_(const std::vector<Event>& events);
  void ScheduleTick();
  void StartProcess(const std::string& name);
  void Join(Process& process);
  void KillProcess(const std::string& name, bool own_fault);
  void MaybeCrash();
  void GiveOrder();
  bool Paused() const;

  void Act(const AskStatus& action);
  void Act(const UpdateWeights& action);
  void Act(const Generate& action);
  void Act(const CancelGenerate& action);
  void Act(const ScoreEpisodes& action);
  void Act(const Train& action);
  void Act(const SaveCheckpoint& action);
  void Act(const FenceWorker& action);
  void Act(const EndRun& action);
  void Act(const orchestrator::Answer& action);

  v1::WeightsManifest ManifestOf(int64_t version, const std::string& weights) const;
  std::shared_ptr<v1::Episode> MakeEpisode(const v1::GenerateRequest& request, int sample,
                                           const std::string& weights) const;

  const ResolvedSpec spec_;
  const Disturbance disturbance_;
  FakeRows dataset_, evaluation_, warm_start_;
  std::shared_ptr<const agents::Graph> graph_;  // of the environment; null where there is none
  std::unique_ptr<Ledger> ledger_;
  std::unique_ptr<RunCore> core_;
  int controller_life_ = 0;
  std::map<std::string, Process> processes_;
  std::map<int64_t, std::string> checkpoints_;  // version -> weights
  std::set<int64_t> cancelled_;

  struct Due {
    absl::Duration at;
    int64_t order;
    Task task;
    bool operator>(const Due& other) const {
      return at != other.at ? at > other.at : order > other.order;
    }
  };
  std::priority_queue<Due, std::vector<Due>, std::greater<Due>> due_;
  absl::Duration now_ = absl::Seconds(1000);
  int64_t order_ = 0;
  std::mt19937_64 random_;

  v1::RunEnded ended_;
  std::map<int64_t, std::string> train_requests_;
  std::map<int64_t, std::string> weights_of_;  // version -> weights, as first made
  std::string final_weights_;
  std::vector<std::string> failures_;
  int64_t turns_ = 0;
  int64_t crashes_ = 0;
  int64_t pauses_ = 0;
};

// A small run: a warm start, policy steps, evaluations, checkpoints.
ResolvedSpec SimulatedSpec();
// The same with an environment: a file of tests/data/environment.
ResolvedSpec SimulatedSpec(const std::string& graph);

}  // namespace temper::orchestrator
