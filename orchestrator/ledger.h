// The durable memory of a run: every sample, step, event and checkpoint, in one SQLite file.
//
// One writer: the controller's loop thread. Commit() is one durable transaction; after it failed
// the process must stop (a failed fsync is never tried again). Reading back is for recovery,
// watchers and the audit. Not thread-safe.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/database.h"
#include "temper/v1/episode.pb.h"
#include "temper/v1/learner.pb.h"
#include "temper/v1/run.pb.h"

namespace temper::orchestrator {

// Where a sample stands. Evaluation samples end as kScored, the others as kTrained or kDropped.
enum class SampleState { kIssued, kGenerated, kScored, kTrained, kDropped };
std::string_view SampleStateName(SampleState state);

// What one transaction may do. Group ids are unique in a run, evaluation groups included.
struct OpenGroup {
  v1::Group group;
  int samples = 0;
  bool evaluation = false;
};
struct LeaseSamples {
  int64_t group_id = 0;
  std::vector<int> samples;
  int64_t epoch = 0;
  std::string worker;
};
struct RecordEpisode {
  int64_t epoch = 0;
  std::shared_ptr<const v1::Episode> episode;
};
struct RecordScore {
  int64_t group_id = 0;
  int sample = 0;
  v1::Score score;
};
struct DropGroup {
  int64_t group_id = 0;
  std::string reason;
};
struct BatchEntry {
  int64_t group_id = 0;
  int sample = 0;
  double advantage = 0;
};
// Fixes the batch of a policy step, in the order of the arithmetic.
struct FixBatch {
  int64_t step = 0;
  v1::TrainOptions options;
  std::vector<BatchEntry> entries;
};
// Train step `step` made version `step + 1`: the samples of its batch become kTrained.
struct RecordStep {
  int64_t step = 0;
  v1::StepMetrics metrics;
  std::string weights_digest;  // ManifestDigest of the version made
  bool skipped = false;
};
struct RecordEvaluation {
  v1::EvaluationResult result;
};
struct RecordCheckpoint {
  int64_t version = 0;
  std::string path;
  std::string sha256;
  bool pinned = false;  // asked for by name: never pruned
};
struct RecordState {
  v1::RunState state = v1::RUN_STATE_UNSPECIFIED;
  std::string reason;
  std::string model_dir;
};
// Episodes that came after their lease was taken back.
struct RecordLate {
  int64_t episodes = 0;
};
// In force from the policy step that trains version `from_version` on.
struct RecordAlteration {
  int64_t from_version = 0;
  v1::Alteration alteration;
};
struct RecordQuarantine {
  std::string prompt_id;
  std::string reason;
};
// What was answered to a request, so that its repetition is answered alike.
struct RecordRequest {
  std::string request_id;
  std::string digest;  // of the method and the request
  std::string response;
};
// `span` of the step that trains `version`; the core gives uptimes, the carrier makes them times.
struct RecordSpan {
  int64_t version = 0;
  v1::Span span;
};
// What is known of the step being made once its batch is fixed, where samples alone do not tell it
// again. Replaces the last one.
struct RecordMeasured {
  v1::StepMetrics metrics;
};
using LedgerWrite =
    std::variant<OpenGroup, LeaseSamples, RecordEpisode, RecordScore, DropGroup, FixBatch,
                 RecordStep, RecordEvaluation, RecordCheckpoint, RecordState, RecordLate,
                 RecordAlteration, RecordQuarantine, RecordRequest, RecordSpan, RecordMeasured>;

// What a controller needs to go on where the ledger ends.
struct RecoveredSample {
  SampleState state = SampleState::kIssued;
  int number = 0;
  double score = 0;
  bool scored = false;     // a dropped one may be, too
  int64_t tokens = 0;      // response tokens; from kGenerated on
  double entropy_sum = 0;  // from kGenerated on
  std::string text;        // from kGenerated on
  v1::FinishReason finish = v1::FINISH_REASON_UNSPECIFIED;
};
struct RecoveredGroup {
  v1::Group group;
  bool evaluation = false;
  std::vector<RecoveredSample> samples;
};
struct RecoveredAlteration {
  int64_t from_version = 0;
  v1::Alteration alteration;
};
struct RecoveredCheckpoint {
  std::string path;
  std::string sha256;
  bool pinned = false;
};
// As people see it. A run's version counts its warm-start steps too, a policy step does not.
v1::CheckpointKept KeptOf(int64_t version, int64_t warm_start_steps,
                          const RecoveredCheckpoint& checkpoint);
struct RecoveredRun {
  int64_t version = 0;      // the fork's first version and the steps recorded
  int64_t lease_epoch = 0;  // the largest ever given
  int64_t sequence = 0;     // of the last event; 0: none
  v1::RunState state = v1::RUN_STATE_UNSPECIFIED;
  std::string reason;
  std::string model_dir;
  std::vector<RecoveredGroup> groups;  // of step `version` and of an unfinished evaluation
  bool batch_fixed = false;            // of step `version`
  std::set<int64_t> evaluated;         // versions
  std::map<int64_t, std::string> weights_digests;      // version -> digest
  std::map<int64_t, RecoveredCheckpoint> checkpoints;  // by version; the files may be pruned
  std::vector<RecoveredAlteration> alterations;        // in the order they were accepted
  std::map<std::string, std::string> quarantined;      // prompt id -> reason
  int skipped_in_a_row = 0;
  v1::StepMetrics last;
  v1::StepMetrics measured;  // of step `version` where batch_fixed, else of an earlier one
};

// Where a forked run comes from. Its ledger begins with the version it starts from.
struct ForkOrigin {
  std::string parent;  // "": not a fork
  int64_t parent_step = 0;
  int64_t version = 0;
  std::string weights_digest;  // ManifestDigest of that version
};

// What a ledger belongs to; a resumed run must bring the same.
struct LedgerIdentity {
  std::string spec_json;  // the resolved spec
  ForkOrigin origin;
  // Digests of the files, "" where there is none.
  std::string dataset_digest;
  std::string evaluation_digest;
  std::string warm_start_digest;
  std::string held_out_digest;
  std::string environment_digest;
};

class Ledger {
 public:
  // Opens or creates. FAILED_PRECONDITION: another process holds it, or it has a newer schema;
  // RESOURCE_EXHAUSTED: disk full; DATA_LOSS: not a ledger. ":memory:" lives as long as the object.
  static absl::StatusOr<std::unique_ptr<Ledger>> Open(const std::string& path);
  // NOT_FOUND when absent; nothing can be committed.
  static absl::StatusOr<std::unique_ptr<Ledger>> OpenReadOnly(const std::string& path);
  ~Ledger() = default;

  // Empty strings in a new ledger.
  absl::StatusOr<LedgerIdentity> Identity();
  absl::Status SetIdentity(const LedgerIdentity& identity);

  // All or nothing, durable when it returns OK. Events carry their sequence number and time.
  absl::Status Commit(const std::vector<LedgerWrite>& writes,
                      const std::vector<v1::RunEvent>& events);

  absl::StatusOr<RecoveredRun> Recover();
  // The answer to that request, nothing when it was never made; INVALID_ARGUMENT when the id was
  // used for another one.
  absl::StatusOr<std::optional<std::string>> FindRequest(const std::string& request_id,
                                                         const std::string& digest);
  // Of the step that trains `version`; by beginning.
  absl::StatusOr<std::vector<v1::Span>> ReadSpans(int64_t version);
  // The newest version that has spans; -1: none.
  absl::StatusOr<int64_t> NewestSpans();
  // The request of a policy step whose batch is fixed; the same bits each time. DATA_LOSS when a
  // checksum differs.
  absl::StatusOr<v1::TrainRequest> ReadTrainRequest(int64_t step);
  absl::StatusOr<std::vector<v1::RunEvent>> ReadEvents(int64_t from_sequence, int limit);
  // In order; eval_accuracy is filled in.
  absl::StatusOr<std::vector<v1::StepMetrics>> ReadSteps();
  absl::StatusOr<std::vector<v1::EvaluationResult>> ReadEvaluations();

  // For the audit.
  Database& database() { return *database_; }

 private:
  explicit Ledger(std::unique_ptr<Database> database) : database_(std::move(database)) {}
  absl::Status Write(const LedgerWrite& write);

  const std::unique_ptr<Database> database_;
  bool failed_ = false;
};

// Checks of stored bytes, shared with the audit. `blobs` in the order of the columns.
std::string EpisodeChecksum(const std::vector<std::string_view>& blobs);
std::string BatchDigest(const std::string& options, const std::vector<BatchEntry>& entries);

}  // namespace temper::orchestrator
