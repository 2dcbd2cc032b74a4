// Reads a ledger back: for recovery, for watchers, for `temper metrics`.
#include <cstring>

#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "base/digest.h"
#include "base/status_macros.h"
#include "google/protobuf/util/json_util.h"
#include "orchestrator/answered_requests.h"
#include "orchestrator/ledger.h"
#include "orchestrator/ledger_rows.h"

namespace temper::orchestrator {
namespace {

// Our own writing, so that a failure means damage.
absl::Status Parse(const std::string& json, std::string_view what,
                   google::protobuf::Message& message) {
  const auto status = google::protobuf::util::JsonStringToMessage(json, &message);
  if (status.ok()) return absl::OkStatus();
  return absl::DataLossError(
      absl::StrCat("ledger: ", std::string(what), " does not parse: ", status.ToString()));
}

template <class T, class Field>
absl::Status Unpack(const std::string& bytes, std::string_view what, Field* field) {
  if (bytes.size() % sizeof(T) != 0) {
    return absl::DataLossError(absl::StrCat("ledger: ", std::string(what), " has ", bytes.size(),
                                            " bytes, expected a multiple of ", sizeof(T)));
  }
  field->Resize(static_cast<int>(bytes.size() / sizeof(T)), T());
  if (!bytes.empty()) std::memcpy(field->mutable_data(), bytes.data(), bytes.size());
  return absl::OkStatus();
}

absl::StatusOr<std::string> Meta(Database& database, std::string_view key) {
  TEMPER_ASSIGN_OR_RETURN(auto rows, database.Query("SELECT value FROM meta WHERE key = ?", {key}));
  TEMPER_ASSIGN_OR_RETURN(const bool any, rows.Next());
  return any ? rows.Bytes(0) : std::string();
}

absl::StatusOr<int64_t> MetaNumber(Database& database, std::string_view key) {
  TEMPER_ASSIGN_OR_RETURN(const std::string text, Meta(database, key));
  int64_t number = 0;
  if (text.empty() || absl::SimpleAtoi(text, &number)) return number;
  return absl::DataLossError(
      absl::StrCat("ledger: ", std::string(key), " is \"", text, "\", expected a number"));
}

absl::StatusOr<ForkOrigin> ReadOrigin(Database& database) {
  ForkOrigin origin;
  TEMPER_ASSIGN_OR_RETURN(origin.parent, Meta(database, "parent"));
  TEMPER_ASSIGN_OR_RETURN(origin.parent_step, MetaNumber(database, "parent_step"));
  TEMPER_ASSIGN_OR_RETURN(origin.version, MetaNumber(database, "base_version"));
  TEMPER_ASSIGN_OR_RETURN(const std::string digest, Meta(database, "base_digest"));
  origin.weights_digest = absl::HexStringToBytes(digest);
  return origin;
}

// A fork begins with the weights of its parent.
absl::Status RecoverOrigin(Database& database, RecoveredRun& run) {
  TEMPER_ASSIGN_OR_RETURN(const ForkOrigin origin, ReadOrigin(database));
  run.version = origin.version;
  if (!origin.weights_digest.empty()) run.weights_digests[origin.version] = origin.weights_digest;
  return absl::OkStatus();
}

absl::Status RecoverSteps(Database& database, RecoveredRun& run) {
  TEMPER_ASSIGN_OR_RETURN(
      auto rows, database.Query("SELECT step, weights_digest, skipped FROM steps ORDER BY step"));
  for (;;) {
    TEMPER_ASSIGN_OR_RETURN(const bool more, rows.Next());
    if (!more) break;
    run.version = rows.Int(0) + 1;
    run.weights_digests[run.version] = rows.Bytes(1);
    run.skipped_in_a_row = rows.Int(2) != 0 ? run.skipped_in_a_row + 1 : 0;
  }
  TEMPER_ASSIGN_OR_RETURN(auto last,
                          database.Query("SELECT metrics FROM steps ORDER BY step DESC LIMIT 1"));
  TEMPER_ASSIGN_OR_RETURN(const bool any, last.Next());
  if (!any) return absl::OkStatus();
  return Parse(last.Bytes(0), "the last step's metrics", run.last);
}

absl::Status RecoverMarks(Database& database, RecoveredRun& run) {
  TEMPER_ASSIGN_OR_RETURN(auto evaluations, database.Query("SELECT version FROM evaluations"));
  for (;;) {
    TEMPER_ASSIGN_OR_RETURN(const bool more, evaluations.Next());
    if (!more) break;
    run.evaluated.insert(evaluations.Int(0));
  }
  TEMPER_ASSIGN_OR_RETURN(auto checkpoints,
                          database.Query("SELECT version, path, sha256, pinned FROM checkpoints"));
  for (;;) {
    TEMPER_ASSIGN_OR_RETURN(const bool more, checkpoints.Next());
    if (!more) break;
    run.checkpoints[checkpoints.Int(0)] = {checkpoints.Bytes(1), checkpoints.Bytes(2),
                                           checkpoints.Int(3) != 0};
  }
  TEMPER_ASSIGN_OR_RETURN(run.lease_epoch,
                          database.Count("SELECT coalesce(max(epoch), 0) FROM leases"));
  TEMPER_ASSIGN_OR_RETURN(run.sequence,
                          database.Count("SELECT coalesce(max(sequence), 0) FROM events"));
  TEMPER_ASSIGN_OR_RETURN(
      const int64_t fixed,
      database.Count("SELECT count(*) FROM batches WHERE step = ?", {run.version}));
  run.batch_fixed = fixed > 0;
  return absl::OkStatus();
}

absl::Status RecoverOrders(Database& database, RecoveredRun& run) {
  TEMPER_ASSIGN_OR_RETURN(
      auto alterations,
      database.Query("SELECT from_version, alteration FROM alterations ORDER BY id"));
  for (;;) {
    TEMPER_ASSIGN_OR_RETURN(const bool more, alterations.Next());
    if (!more) break;
    RecoveredAlteration& one = run.alterations.emplace_back();
    one.from_version = alterations.Int(0);
    TEMPER_RETURN_IF_ERROR(Parse(alterations.Bytes(1), "an alteration", one.alteration));
  }
  TEMPER_ASSIGN_OR_RETURN(auto prompts,
                          database.Query("SELECT prompt_id, reason FROM quarantined"));
  for (;;) {
    TEMPER_ASSIGN_OR_RETURN(const bool more, prompts.Next());
    if (!more) return absl::OkStatus();
    run.quarantined[prompts.Bytes(0)] = prompts.Bytes(1);
  }
}

absl::Status RecoverSamples(Database& database, RecoveredGroup& group) {
  TEMPER_ASSIGN_OR_RETURN(
      auto rows,
      database.Query("SELECT s.number, state, score, length(tokens), entropy_sum, text, finish, "
                     "score IS NOT NULL FROM "
                     "samples s LEFT JOIN episodes e ON e.id = s.episode WHERE s.group_id = ? "
                     "ORDER BY s.number",
                     {group.group.id()}));
  for (;;) {
    TEMPER_ASSIGN_OR_RETURN(const bool more, rows.Next());
    if (!more) return absl::OkStatus();
    group.samples.push_back({.state = static_cast<SampleState>(rows.Int(1)),
                             .number = static_cast<int>(rows.Int(0)),
                             .score = rows.Real(2),
                             .scored = rows.Int(7) != 0,
                             .tokens = rows.Int(3) / static_cast<int64_t>(sizeof(int32_t)),
                             .entropy_sum = rows.Real(4),
                             .text = rows.Bytes(5),
                             .finish = static_cast<v1::FinishReason>(rows.Int(6))});
  }
}

absl::Status RecoverGroups(Database& database, RecoveredRun& run) {
  {
    TEMPER_ASSIGN_OR_RETURN(
        auto rows,
        database.Query(
            "SELECT id, step, evaluation, prompt_id, prompt, answer, metadata, chat FROM "
            "groups WHERE evaluation IN (0, 1) AND step = ?1 AND (evaluation = 0 OR NOT EXISTS "
            "(SELECT 1 FROM evaluations WHERE version = ?1)) ORDER BY id",
            {run.version}));
    for (;;) {
      TEMPER_ASSIGN_OR_RETURN(const bool more, rows.Next());
      if (!more) break;
      RecoveredGroup& group = run.groups.emplace_back();
      group.group.set_id(rows.Int(0));
      group.group.set_step(rows.Int(1));
      group.evaluation = rows.Int(2) != 0;
      group.group.mutable_prompt()->set_id(rows.Bytes(3));
      group.group.mutable_prompt()->set_text(rows.Bytes(4));
      group.group.set_answer(rows.Bytes(5));
      group.group.set_metadata_json(rows.Bytes(6));
      group.group.mutable_prompt()->set_chat_json(rows.Bytes(7));
    }
  }
  for (RecoveredGroup& group : run.groups) {
    TEMPER_RETURN_IF_ERROR(RecoverSamples(database, group));
  }
  return absl::OkStatus();
}

}  // namespace

absl::Status UnpackEpisode(const Database::Rows& rows, v1::Episode& episode) {
  const std::string prompt = rows.Bytes(0), tokens = rows.Bytes(1), logprobs = rows.Bytes(2),
                    versions = rows.Bytes(3), forced = rows.Bytes(4), text = rows.Bytes(5);
  if (EpisodeChecksum({prompt, tokens, logprobs, versions, forced, text}) != rows.Bytes(6)) {
    return absl::DataLossError(absl::StrCat("ledger: the bytes of group ", episode.group_id(),
                                            " sample ", episode.sample(),
                                            " differ from their checksum"));
  }
  TEMPER_RETURN_IF_ERROR(Unpack<int32_t>(prompt, "prompt tokens", episode.mutable_prompt_tokens()));
  TEMPER_RETURN_IF_ERROR(Unpack<int32_t>(tokens, "tokens", episode.mutable_tokens()));
  TEMPER_RETURN_IF_ERROR(Unpack<float>(logprobs, "log-probs", episode.mutable_logprobs()));
  TEMPER_RETURN_IF_ERROR(Unpack<int64_t>(versions, "versions", episode.mutable_versions()));
  TEMPER_RETURN_IF_ERROR(Unpack<int32_t>(forced, "forced tokens", episode.mutable_forced()));
  episode.set_text(text);
  return absl::OkStatus();
}

absl::StatusOr<LedgerIdentity> Ledger::Identity() {
  LedgerIdentity identity;
  TEMPER_ASSIGN_OR_RETURN(identity.spec_json, Meta(*database_, "spec"));
  TEMPER_ASSIGN_OR_RETURN(identity.origin, ReadOrigin(*database_));
  TEMPER_ASSIGN_OR_RETURN(identity.dataset_digest, Meta(*database_, "dataset_digest"));
  TEMPER_ASSIGN_OR_RETURN(identity.evaluation_digest, Meta(*database_, "evaluation_digest"));
  TEMPER_ASSIGN_OR_RETURN(identity.warm_start_digest, Meta(*database_, "warm_start_digest"));
  TEMPER_ASSIGN_OR_RETURN(identity.held_out_digest, Meta(*database_, "held_out_digest"));
  TEMPER_ASSIGN_OR_RETURN(identity.environment_digest, Meta(*database_, "environment_digest"));
  return identity;
}

absl::StatusOr<RecoveredRun> Ledger::Recover() {
  RecoveredRun run;
  TEMPER_ASSIGN_OR_RETURN(const std::string state, Meta(*database_, "state"));
  run.state = state.empty() ? v1::RUN_STATE_UNSPECIFIED
                            : static_cast<v1::RunState>(std::atoi(state.c_str()));
  TEMPER_ASSIGN_OR_RETURN(run.reason, Meta(*database_, "reason"));
  TEMPER_ASSIGN_OR_RETURN(run.model_dir, Meta(*database_, "model_dir"));
  TEMPER_ASSIGN_OR_RETURN(const std::string measured, Meta(*database_, "measured"));
  if (!measured.empty()) {
    TEMPER_RETURN_IF_ERROR(Parse(measured, "what was measured of a step", run.measured));
  }
  TEMPER_RETURN_IF_ERROR(RecoverOrigin(*database_, run));
  TEMPER_RETURN_IF_ERROR(RecoverSteps(*database_, run));
  TEMPER_RETURN_IF_ERROR(RecoverMarks(*database_, run));
  TEMPER_RETURN_IF_ERROR(RecoverOrders(*database_, run));
  TEMPER_RETURN_IF_ERROR(RecoverGroups(*database_, run));
  return run;
}

absl::StatusOr<v1::TrainRequest> Ledger::ReadTrainRequest(int64_t step) {
  v1::TrainRequest request;
  request.set_step(step);
  std::string digest, options;
  {
    TEMPER_ASSIGN_OR_RETURN(
        auto batch, database_->Query("SELECT options, digest FROM batches WHERE step = ?", {step}));
    TEMPER_ASSIGN_OR_RETURN(const bool any, batch.Next());
    if (!any) return absl::NotFoundError(absl::StrCat("ledger: step ", step, " has no batch"));
    options = batch.Bytes(0);
    digest = batch.Bytes(1);
  }
  TEMPER_ASSIGN_OR_RETURN(
      auto rows,
      database_->Query(
          "SELECT prompt_tokens, tokens, logprobs, versions, forced, text, checksum, s.group_id, "
          "s.number, finish, entropy_sum, advantage FROM batch_entries b JOIN samples s ON "
          "s.group_id = b.group_id AND s.number = b.number JOIN episodes e ON e.id = s.episode "
          "WHERE b.step = ? ORDER BY b.position",
          {step}));
  std::vector<BatchEntry> entries;
  for (;;) {
    TEMPER_ASSIGN_OR_RETURN(const bool more, rows.Next());
    if (!more) break;
    v1::TrainEpisode& entry = *request.mutable_policy()->add_episodes();
    v1::Episode& episode = *entry.mutable_episode();
    episode.set_group_id(rows.Int(7));
    episode.set_sample(static_cast<int32_t>(rows.Int(8)));
    episode.set_finish_reason(static_cast<v1::FinishReason>(rows.Int(9)));
    episode.set_entropy_sum(rows.Real(10));
    entry.set_advantage(rows.Real(11));
    TEMPER_RETURN_IF_ERROR(UnpackEpisode(rows, episode));
    entries.push_back({episode.group_id(), episode.sample(), entry.advantage()});
  }
  if (BatchDigest(options, entries) != digest ||
      !request.mutable_options()->ParseFromString(options)) {
    return absl::DataLossError(
        absl::StrCat("ledger: the batch of step ", step, " differs from its digest"));
  }
  return request;
}

absl::StatusOr<std::vector<v1::RunEvent>> Ledger::ReadEvents(int64_t from_sequence, int limit) {
  TEMPER_ASSIGN_OR_RETURN(
      auto rows, database_->Query("SELECT sequence, event FROM events WHERE sequence >= ? ORDER BY "
                                  "sequence LIMIT ?",
                                  {from_sequence, int64_t{limit}}));
  std::vector<v1::RunEvent> events;
  for (;;) {
    TEMPER_ASSIGN_OR_RETURN(const bool more, rows.Next());
    if (!more) return events;
    TEMPER_RETURN_IF_ERROR(
        Parse(rows.Bytes(1), absl::StrCat("event ", rows.Int(0)), events.emplace_back()));
  }
}

v1::CheckpointKept KeptOf(int64_t version, int64_t warm_start_steps,
                          const RecoveredCheckpoint& checkpoint) {
  v1::CheckpointKept kept;
  kept.set_version(version);
  kept.set_step(version - warm_start_steps);
  kept.set_path(checkpoint.path);
  kept.set_sha256(checkpoint.sha256);
  return kept;
}

absl::StatusOr<std::optional<std::string>> Ledger::FindRequest(const std::string& request_id,
                                                               const std::string& digest) {
  return FindAnswer(*database_, request_id, digest);
}

absl::StatusOr<std::vector<v1::Span>> Ledger::ReadSpans(int64_t version) {
  TEMPER_ASSIGN_OR_RETURN(
      auto rows, database_->Query("SELECT worker, kind, name, from_us, to_us, error FROM spans "
                                  "WHERE version = ? ORDER BY from_us, id",
                                  {version}));
  std::vector<v1::Span> spans;
  for (;;) {
    TEMPER_ASSIGN_OR_RETURN(const bool more, rows.Next());
    if (!more) return spans;
    v1::Span& span = spans.emplace_back();
    span.set_worker(rows.Bytes(0));
    span.set_kind(rows.Bytes(1));
    span.set_name(rows.Bytes(2));
    span.set_from_us(rows.Int(3));
    span.set_to_us(rows.Int(4));
    span.set_error(rows.Bytes(5));
  }
}

absl::StatusOr<int64_t> Ledger::NewestSpans() {
  return database_->Count("SELECT coalesce(max(version), -1) FROM spans");
}

absl::StatusOr<std::vector<v1::EvaluationResult>> Ledger::ReadEvaluations() {
  TEMPER_ASSIGN_OR_RETURN(
      auto rows, database_->Query("SELECT version, result FROM evaluations ORDER BY version"));
  std::vector<v1::EvaluationResult> results;
  for (;;) {
    TEMPER_ASSIGN_OR_RETURN(const bool more, rows.Next());
    if (!more) return results;
    TEMPER_RETURN_IF_ERROR(
        Parse(rows.Bytes(1), absl::StrCat("evaluation ", rows.Int(0)), results.emplace_back()));
  }
}

absl::StatusOr<std::vector<v1::StepMetrics>> Ledger::ReadSteps() {
  TEMPER_ASSIGN_OR_RETURN(const std::vector<v1::EvaluationResult> evaluations, ReadEvaluations());
  std::map<int64_t, double> accuracy;
  for (const v1::EvaluationResult& result : evaluations) {
    accuracy[result.version()] = result.accuracy();
  }
  TEMPER_ASSIGN_OR_RETURN(auto rows,
                          database_->Query("SELECT step, metrics FROM steps ORDER BY step"));
  std::vector<v1::StepMetrics> steps;
  for (;;) {
    TEMPER_ASSIGN_OR_RETURN(const bool more, rows.Next());
    if (!more) return steps;
    v1::StepMetrics& step = steps.emplace_back();
    TEMPER_RETURN_IF_ERROR(
        Parse(rows.Bytes(1), absl::StrCat("the metrics of step ", rows.Int(0)), step));
    if (const auto it = accuracy.find(step.version()); it != accuracy.end()) {
      step.set_eval_accuracy(it->second);
    }
  }
}

}  // namespace temper::orchestrator
