// The state behind RunCore: what happened goes in by On, what follows is found by Advance.
//
// run_state.cc has the events, orders.cc what operators ask for, milestones.cc what is recorded
// when something is complete (of an environment: graph_milestones.cc), run_view.cc what people see.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "orchestrator/board.h"
#include "orchestrator/core.h"
#include "orchestrator/gathering.h"
#include "orchestrator/learner_seat.h"

namespace temper::orchestrator {

class RunCore::State {
 public:
  State(ResolvedSpec spec, RunRows rows, RecoveredRun recovered, absl::Duration uptime);

  Turn Handle(const std::vector<Event>& events, absl::Duration uptime);
  absl::Duration NextTick() const;
  void Describe(absl::Duration uptime, v1::GetResponse& run) const;
  bool ended() const { return ended_; }
  int64_t version() const { return board_.version; }

 private:
  // Events.
  void On(const WorkerJoined& event);
  void On(const WorkerLost& event);
  void On(const LearnerStatus& event);
  void On(const WeightsUpdated& event);
  void On(const EpisodeArrived& event) { gathering_.OnEpisode(event); }
  void On(const GenerateEnded& event) { gathering_.OnGenerateEnded(event); }
  void On(const ScoresArrived& event);
  void On(const Trained& event);
  void On(const CheckpointSaved& event);
  void On(const CallFailed& event);
  void On(const Tick&) {}
  void On(const Order& order);

  // Orders; each says what became of it. No answer yet: empty.
  using Outcome = std::optional<Answer>;
  Outcome Obey(const PauseRun&, const Order& order);
  Outcome Obey(const ResumeRun&, const Order& order);
  Outcome Obey(const DrainRun&, const Order& order);
  Outcome Obey(const StopRun&, const Order& order);
  Outcome Obey(const AlterRun& alter, const Order& order);
  Outcome Obey(const KeepCheckpoint&, const Order& order);
  Outcome Obey(const QuarantinePrompt& quarantine, const Order& order);
  Outcome Obey(const NoteFork& fork, const Order& order);
  void ChangeState(v1::RunState state, const std::string& who, const std::string& reason);
  // Something of the step that trains board.version has been done or is under way.
  bool StepBegun() const;
  void AdvanceDrain();
  void AnswerCheckpointOrders();

  void Start();
  void LoseWorker(const std::string& name, const std::string& reason, bool crashed);
  void LoseFenced();
  void FindOverdue();
  void FindStalls();
  void Fail(const Call& call, const absl::Status& status);

  // What follows from the state; each may be called at any time.
  void Advance();
  void AdvanceGathering();
  void OpenGathering();
  void AdvanceUpdates();
  void CheckAbsences();
  absl::Duration AbsenceMax() const;
  bool EvaluationDue() const;
  bool StepReady() const;
  bool NeedsRollout() const;
  bool Needs(v1::Role role) const;
  void FixBatchOfStep();
  void FixGraphBatch();
  void MeasureStep();
  void MeasureTimes();
  void FinishEvaluation();
  void RecordTrained(const v1::TrainResponse& response);
  void FinishRun();
  void End(v1::RunState state, const std::string& reason, const std::string& model_dir,
           const std::string& who = "");

  Board board_;
  Gathering gathering_;
  LearnerSeat learner_;
  RecoveredRun recovered_;  // its groups are taken up by the first gathering they belong to
  bool started_ = false;
  bool ended_ = false;
  bool batch_fixed_;
  std::set<int64_t> evaluated_;
  int skipped_in_a_row_;
  v1::RunState run_state_ = v1::RUN_STATE_UNSPECIFIED;
  std::string reason_;
  std::vector<Order> checkpoint_orders_;  // wait for the checkpoint
  // The step being made.
  v1::StepMetrics step_;
  v1::StepMetrics last_;
  absl::Duration step_from_;
  absl::Duration scored_at_;
  std::map<v1::Role, absl::Duration> absent_since_;
};

}  // namespace temper::orchestrator
