// Asking, training, saving: one call at a time.
#include "orchestrator/learner_seat.h"

#include "absl/strings/str_cat.h"
#include "base/weights_fingerprint.h"
#include "orchestrator/request_rules.h"

namespace temper::orchestrator {
namespace {

constexpr int kCrashesMax = 5;
constexpr absl::Duration kStatusTimeout = absl::Seconds(30);
constexpr absl::Duration kTrainTimeout = absl::Hours(2);
constexpr absl::Duration kSaveTimeout = absl::Minutes(30);

}  // namespace

std::string ManifestDigest(const v1::WeightsManifest& manifest) {
  return WeightsFingerprint(manifest);
}

LearnerSeat::LearnerSeat(Board& board, const RecoveredRun& recovered)
    : board_(board), digests_(recovered.weights_digests), checkpoints_(recovered.checkpoints) {}

std::string LearnerSeat::StepNameOf(int64_t step) const {
  const int64_t warm_start = board_.spec.warm_start_steps();
  return step < warm_start ? absl::StrCat("warm-start step ", step + 1)
                           : absl::StrCat("step ", step - warm_start + 1);
}

std::shared_ptr<const v1::WeightsManifest> LearnerSeat::CurrentWeights() const {
  return held_ != nullptr && held_->version() == board_.version ? held_ : nullptr;
}

bool LearnerSeat::CheckpointDue() const {
  if (checkpoints_.contains(board_.version) || board_.InWarmStart()) return false;
  const int64_t step = board_.policy_step();
  if (board_.LastVersion()) return true;
  if (step == 0) return board_.spec.warm_start_steps() > 0;
  return step % board_.spec.spec.checkpoint().every() == 0;
}

void LearnerSeat::Advance(bool step_ready, bool keep, bool may_begin) {
  CoreWorker* worker = board_.Find(worker_);
  if (worker == nullptr || !board_.Ready(*worker) || worker->calls_out > 0) return;
  if (held_ == nullptr) return Ask(*worker);
  const int64_t held = held_->version();
  if (held < board_.version) return Train(*worker, held);
  const auto saved = checkpoints_.find(board_.version);
  const bool pinned = saved != checkpoints_.end() && saved->second.pinned;
  if (held == board_.version && (CheckpointDue() || (keep && !pinned))) return Save(*worker, keep);
  if (held == board_.version && step_ready && may_begin) return Train(*worker, held);
  if (held == board_.version) return;
  // One ahead: it trained and the answer was lost; asked again, it tells what it did.
  if (held == board_.version + 1 && step_ready) return Train(*worker, board_.version);
  board_.Fail(absl::StrCat(worker_, " holds version ", held, " but the ledger ends at version ",
                           board_.version,
                           ": the checkpoints belong to another ledger than this one"));
}

void LearnerSeat::Ask(CoreWorker& worker) {
  const int64_t call = board_.Begin(
      {.kind = Call::Kind::kStatus,
       .worker = worker.name,
       .waits_for = absl::StrCat(board_.StepName(), " waits for the status of ", worker.name)},
      kStatusTimeout);
  board_.Do(AskStatus{call, worker.name, kStatusTimeout});
}

void LearnerSeat::Train(CoreWorker& worker, int64_t step) {
  std::shared_ptr<const v1::TrainRequest> request;
  if (step < board_.spec.warm_start_steps()) {
    request = WarmStartRequest(step);
    if (request == nullptr) return;
  }
  const int64_t call =
      board_.Begin({.kind = Call::Kind::kTrain,
                    .worker = worker.name,
                    .waits_for = absl::StrCat(StepNameOf(step), " waits for ", worker.name,
                                              " to train", step < board_.version ? " again" : ""),
                    .version = step},
                   kTrainTimeout);
  board_.Do(orchestrator::Train{call, worker.name, step, std::move(request), kTrainTimeout});
}

void LearnerSeat::Save(CoreWorker& worker, bool pin) {
  v1::SaveCheckpointRequest request;
  request.set_version(board_.version);
  request.set_run(board_.spec.spec.name());
  request.set_keep(board_.spec.spec.checkpoint().keep());
  for (const auto& [version, checkpoint] : checkpoints_) {
    if (checkpoint.pinned) request.add_pinned(version);
  }
  if (pin) request.add_pinned(board_.version);
  const int64_t call = board_.Begin(
      {.kind = Call::Kind::kCheckpoint,
       .worker = worker.name,
       .waits_for = absl::StrCat(board_.StepName(), " waits for the checkpoint of version ",
                                 board_.version, " on ", worker.name),
       .version = board_.version},
      kSaveTimeout);
  board_.Do(SaveCheckpoint{call, worker.name, std::move(request), kSaveTimeout});
}

std::shared_ptr<const v1::TrainRequest> LearnerSeat::WarmStartRequest(int64_t step) {
  absl::StatusOr<v1::TrainRequest> request =
      WarmStartRequestAt(board_.spec, {board_.rows.warm_start, board_.rows.held_out}, step);
  if (request.ok()) return std::make_shared<v1::TrainRequest>(*std::move(request));
  board_.Fail(std::string(request.status().message()));
  return nullptr;
}

// A fork may go on on another kind of device: then the version it was given, which its checkpoint
// vouches for, has a fingerprint of another kind. What was made again has not.
void LearnerSeat::Hold(const v1::WeightsManifest& manifest, bool made_now) {
  const auto recorded = digests_.find(manifest.version());
  const std::string digest = ManifestDigest(manifest);
  if (recorded != digests_.end() &&
      (made_now ? recorded->second != digest : FingerprintsContradict(recorded->second, digest))) {
    board_.Fail(absl::StrCat(worker_, " holds version ", manifest.version(),
                             " with other weights than were recorded when it was made first"));
    return;
  }
  held_ = std::make_shared<v1::WeightsManifest>(manifest);
}

void LearnerSeat::OnJoined(const std::string& worker) {
  worker_ = worker;
  held_ = nullptr;
}

void LearnerSeat::OnLost(const std::string& worker, const std::string& reason, bool crashed) {
  if (worker != worker_) return;
  held_ = nullptr;
  if (crashed && ++crashes_ >= kCrashesMax) {
    board_.Fail(absl::StrCat(worker, " crashed ", kCrashesMax, " times in a row at ",
                             board_.StepName(), ", last: ", reason));
  }
}

// Not a success yet: a learner that answers this but never trains must not be asked for ever.
void LearnerSeat::OnStatus(const LearnerStatus& event) {
  Hold(*event.manifest, /*made_now=*/false);
  if (held_ != nullptr && held_->version() < board_.version) {
    board_.Note(absl::StrCat(worker_, " holds version ", held_->version(), ": steps up to version ",
                             board_.version, " are made again"));
  }
}

std::optional<v1::TrainResponse> LearnerSeat::OnTrained(const Call& call,
                                                        const v1::TrainResponse& response) {
  board_.Succeeded(call.worker);
  crashes_ = 0;
  if (response.version() != call.version + 1 || response.manifest().version() != call.version + 1) {
    board_.Fail(absl::StrCat(call.worker, " answered ", StepNameOf(call.version), " with version ",
                             response.version(), ", expected ", call.version + 1));
    return std::nullopt;
  }
  Hold(response.manifest(), /*made_now=*/true);
  if (!board_.failure.empty() || call.version < board_.version) return std::nullopt;
  return response;
}

void LearnerSeat::OnSaved(const Call& call, const v1::SaveCheckpointResponse& response,
                          bool pinned) {
  board_.Succeeded(call.worker);
  const RecoveredCheckpoint& kept =
      checkpoints_[call.version] = {response.path(), response.sha256(), pinned};
  board_.Record(RecordCheckpoint{call.version, response.path(), response.sha256(), pinned});
  v1::RunEvent event;
  *event.mutable_checkpoint() = KeptOf(call.version, board_.spec.warm_start_steps(), kept);
  board_.Publish(std::move(event));
}

void LearnerSeat::OnFailed(const Call& call, const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kUnavailable:
    case absl::StatusCode::kCancelled:
    case absl::StatusCode::kAborted:
    case absl::StatusCode::kUnknown:
    case absl::StatusCode::kInternal:
    case absl::StatusCode::kFailedPrecondition:  // an older version: it will say which
      held_ = nullptr;
      board_.Failed(call.worker, status);
      return;
    case absl::StatusCode::kDeadlineExceeded:
      held_ = nullptr;
      if (const CoreWorker* worker = board_.Find(call.worker);
          worker != nullptr && worker->connected) {
        board_.Fence(call.worker, absl::StrCat("no answer in time: ", call.waits_for));
      }
      return;
    default:
      board_.Fail(absl::StrCat(
          call.kind == Call::Kind::kTrain ? StepNameOf(call.version) : board_.StepName(), ": ",
          call.worker, ": ", std::string(status.message())));
  }
}

}  // namespace temper::orchestrator
