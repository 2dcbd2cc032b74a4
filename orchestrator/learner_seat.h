// The core's side of the learner: what it holds, which step it is asked for, what is saved.
//
// A learner that comes back with an older version is led forward by the recorded batches; every
// version made again must have the digest that was recorded when it was made first.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "orchestrator/board.h"
#include "orchestrator/core.h"

namespace temper::orchestrator {

class LearnerSeat {
 public:
  LearnerSeat(Board& board, const RecoveredRun& recovered);

  // `step_ready`: the batch of step board.version may be trained now. `keep`: a checkpoint of
  // board.version is wanted, also where none would be due.
  // `may_begin`: false in a paused run, where only what the learner has already done is asked for.
  void Advance(bool step_ready, bool keep, bool may_begin = true);

  // The weights of board.version; null until the learner holds exactly them.
  std::shared_ptr<const v1::WeightsManifest> CurrentWeights() const;
  bool CheckpointDue() const;
  // Recorded ones, by version; the files of older ones may have been pruned.
  const std::map<int64_t, RecoveredCheckpoint>& checkpoints() const { return checkpoints_; }

  void OnJoined(const std::string& worker);
  void OnLost(const std::string& worker, const std::string& reason, bool crashed);
  void OnStatus(const LearnerStatus& event);
  // What the step being made gave, when this answers it; empty for an old step made again.
  std::optional<v1::TrainResponse> OnTrained(const Call& call, const v1::TrainResponse& response);
  // `pinned`: somebody asked for it.
  void OnSaved(const Call& call, const v1::SaveCheckpointResponse& response, bool pinned);
  void OnFailed(const Call& call, const absl::Status& status);
  // The step was recorded: its digest becomes the one to compare with.
  void Remember(int64_t version, const std::string& digest) { digests_[version] = digest; }

  std::string StepNameOf(int64_t step) const;

 private:
  void Ask(CoreWorker& worker);
  void Train(CoreWorker& worker, int64_t step);
  void Save(CoreWorker& worker, bool pin);
  void Hold(const v1::WeightsManifest& manifest, bool made_now);
  std::shared_ptr<const v1::TrainRequest> WarmStartRequest(int64_t step);

  Board& board_;
  std::string worker_;                               // the name of the learner that joined last
  std::shared_ptr<const v1::WeightsManifest> held_;  // null: unknown
  std::map<int64_t, std::string> digests_;           // version -> digest
  std::map<int64_t, RecoveredCheckpoint> checkpoints_;
  int crashes_ = 0;  // in a row, without a step between
};

}  // namespace temper::orchestrator
