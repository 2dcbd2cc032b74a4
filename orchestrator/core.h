// Decides everything a run does, as a pure function: (state, events) -> (state, what to do).
//
// No clock, thread, file, network or chance in here: time comes with the events, randomness is
// Philox keyed by the run's seed, rows and the ledger's past come through interfaces. So a run can
// be simulated with crashes and delays, by seed. One thread.
//
// The carrier (the controller, or a simulation) does, in this order: commit turn.writes and
// turn.events as ONE durable transaction, tell watchers turn.events, carry out turn.actions. When
// the commit fails it stops the process and carries out nothing.
#pragma once

#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "agents/graph/graph.h"
#include "orchestrator/dataset.h"
#include "orchestrator/ledger.h"
#include "orchestrator/spec.h"
#include "temper/v1/controller.pb.h"
#include "temper/v1/learner.pb.h"
#include "temper/v1/reward.pb.h"
#include "temper/v1/rollout.pb.h"
#include "temper/v1/run.pb.h"

namespace temper::orchestrator {

// What happens. `call` and `epoch` are those of the action that is answered; an answer to a call
// that was given up is ignored, an episode under an old epoch is counted late and dropped.
struct WorkerJoined {
  v1::Role role = v1::ROLE_UNSPECIFIED;
  std::string name;
  std::string incarnation;  // a new one of the same name means that the old one is lost
  std::string address;
};
struct WorkerLost {
  std::string name;
  std::string incarnation;
  std::string reason;
  // The process ended by its own fault (SIGSEGV, SIGABRT, a non-zero exit), not by SIGKILL or
  // SIGTERM from outside and not by silence: only such losses cast doubt on its prompts.
  bool crashed = false;
};
struct LearnerStatus {
  int64_t call = 0;
  std::shared_ptr<const v1::WeightsManifest> manifest;
};
struct WeightsUpdated {
  int64_t call = 0;
  v1::UpdateWeightsResponse response;
};
struct EpisodeArrived {
  int64_t epoch = 0;
  std::shared_ptr<const v1::Episode> episode;
};
struct GenerateEnded {
  int64_t epoch = 0;
  absl::Status status;
};
struct ScoresArrived {
  int64_t call = 0;
  std::shared_ptr<const v1::ScoreResponse> response;
};
struct Trained {
  int64_t call = 0;
  std::shared_ptr<const v1::TrainResponse> response;
};
struct CheckpointSaved {
  int64_t call = 0;
  v1::SaveCheckpointResponse response;
};
// Any call but Generate ended with an error, its deadline included.
struct CallFailed {
  int64_t call = 0;
  absl::Status status;
};
// Time has passed; due at NextTick() at the latest.
struct Tick {};
// What an operator asks for; ControllerService says what each means.
struct PauseRun {};
struct ResumeRun {};
struct DrainRun {};
struct StopRun {};
struct AlterRun {
  v1::Alteration alteration;
};
struct KeepCheckpoint {};
struct QuarantinePrompt {
  std::string prompt_id;
};
struct NoteFork {  // another run was started from this one
  v1::Forked forked;
};
struct Order {
  int64_t ticket = 0;  // of the Answer; 0: nobody waits for one
  std::string who;
  std::string reason;
  std::variant<PauseRun, ResumeRun, DrainRun, StopRun, AlterRun, KeepCheckpoint, QuarantinePrompt,
               NoteFork>
      what;
};
using Event =
    std::variant<WorkerJoined, WorkerLost, LearnerStatus, WeightsUpdated, EpisodeArrived,
                 GenerateEnded, ScoresArrived, Trained, CheckpointSaved, CallFailed, Tick, Order>;

// What to do. `timeout` is the deadline of the RPC; `worker` is a name.
struct AskStatus {  // LearnerService.GetStatus -> LearnerStatus
  int64_t call = 0;
  std::string worker;
  absl::Duration timeout;
};
struct UpdateWeights {  // RolloutService.UpdateWeights -> WeightsUpdated
  int64_t call = 0;
  std::string worker;
  std::shared_ptr<const v1::WeightsManifest> manifest;
  absl::Duration timeout;
};
struct Generate {  // RolloutService.Generate -> EpisodeArrived..., GenerateEnded
  std::string worker;
  std::shared_ptr<const v1::GenerateRequest> request;  // lease_epoch inside
  absl::Duration timeout;
};
struct CancelGenerate {
  int64_t epoch = 0;
};
struct ScoreEpisodes {  // RewardService.Score -> ScoresArrived
  int64_t call = 0;
  std::string worker;
  std::shared_ptr<const v1::ScoreRequest> request;
  absl::Duration timeout;
};
struct Train {  // LearnerService.Train -> Trained
  int64_t call = 0;
  std::string worker;
  int64_t step = 0;
  // A warm-start step's request. Null: send Ledger::ReadTrainRequest(step), read after the commit.
  std::shared_ptr<const v1::TrainRequest> request;
  absl::Duration timeout;
};
struct SaveCheckpoint {  // LearnerService.SaveCheckpoint -> CheckpointSaved
  int64_t call = 0;
  std::string worker;
  v1::SaveCheckpointRequest request;
  absl::Duration timeout;
};
// The worker does not answer: forget this incarnation and end its process, if it is ours to end.
struct FenceWorker {
  std::string worker;
  std::string incarnation;
  std::string reason;
};
// Nothing more comes from the core. The event RunEnded is already among turn.events.
struct EndRun {
  v1::RunEnded ended;
};
// What became of an order: told to its caller, once what it did is durable. Every order gets one,
// KeepCheckpoint when the checkpoint is.
struct Answer {
  int64_t ticket = 0;
  absl::Status status;
  v1::RunState state = v1::RUN_STATE_UNSPECIFIED;  // after the order
  v1::Altered altered;                             // AlterRun
  v1::CheckpointKept checkpoint;                   // KeepCheckpoint
};
using Action = std::variant<AskStatus, UpdateWeights, Generate, CancelGenerate, ScoreEpisodes,
                            Train, SaveCheckpoint, FenceWorker, EndRun, Answer>;

struct Turn {
  std::vector<LedgerWrite> writes;
  // Sequence numbers are set; the carrier sets time_ms before it commits, and adds what makes an
  // uptime a time to the spans among the writes.
  std::vector<v1::RunEvent> events;
  std::vector<Action> actions;
};

// The rows that a run reads; borrowed. Null where the spec names no such file.
struct RunRows {
  const RowSource* dataset = nullptr;
  const RowSource* evaluation = nullptr;
  const RowSource* warm_start = nullptr;
  const RowSource* held_out = nullptr;
  std::shared_ptr<const agents::Graph> graph;  // of the environment
};

// The version's fingerprint (WeightsManifest): what UpdateWeights must answer.
std::string ManifestDigest(const v1::WeightsManifest& manifest);

class RunCore {
 public:
  // `recovered` is Ledger::Recover(): a new run and a resumed one start alike. The first Handle()
  // should follow at once with no events.
  RunCore(ResolvedSpec spec, RunRows rows, RecoveredRun recovered, absl::Duration uptime);
  ~RunCore();
  RunCore(RunCore&&) noexcept;

  // Several events at once make one transaction: drain the queue, then call.
  Turn Handle(const std::vector<Event>& events, absl::Duration uptime);

  // Uptime at which a Tick is due; InfiniteDuration when nothing is waited for.
  absl::Duration NextTick() const;

  // Fills state, reason, step, steps, last, waits, the spec in force, checkpoints, quarantined and
  // workers (role, name, address, connected, version, samples_out); the carrier adds the rest.
  void Describe(absl::Duration uptime, v1::GetResponse& run) const;

  bool ended() const;
  int64_t version() const;  // steps recorded, warm start included

 private:
  class State;
  std::unique_ptr<State> state_;
};

}  // namespace temper::orchestrator
