// Opens ledgers and writes to them; ledger_read.cc reads them back.
#include "orchestrator/ledger.h"

#include <sys/stat.h>

#include <cstring>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "base/digest.h"
#include "base/file.h"
#include "base/json_config.h"
#include "base/status_macros.h"
#include "orchestrator/ledger_schema.h"

namespace temper::orchestrator {
namespace {

template <class Field>
std::string_view BytesOf(const Field& field) {
  return {reinterpret_cast<const char*>(field.data()),
          static_cast<size_t>(field.size()) * sizeof(*field.data())};
}

int64_t Stored(SampleState state) { return static_cast<int64_t>(state); }

// A write that the core must never ask for.
absl::Status Expect(const absl::StatusOr<int64_t>& changed, int64_t rows, const char* what) {
  if (!changed.ok()) return changed.status();
  if (*changed == rows) return absl::OkStatus();
  return absl::InternalError(
      absl::StrCat("ledger: ", what, " changed ", *changed, " rows, expected ", rows));
}

class Writer {
 public:
  explicit Writer(Database& database) : database_(database) {}

  absl::Status operator()(const OpenGroup& write) {
    const v1::Group& group = write.group;
    TEMPER_RETURN_IF_ERROR(Expect(
        database_.Run("INSERT INTO groups (id, step, evaluation, prompt_id, prompt, chat, answer, "
                      "metadata, size) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                      {group.id(), group.step(), int64_t{write.evaluation}, group.prompt().id(),
                       group.prompt().text(), group.prompt().chat_json(), group.answer(),
                       group.metadata_json(), int64_t{write.samples}}),
        1, "opening a group"));
    for (int64_t number = 0; number < write.samples; ++number) {
      TEMPER_RETURN_IF_ERROR(
          Expect(database_.Run("INSERT INTO samples (group_id, number, state) VALUES (?, ?, ?)",
                               {group.id(), number, Stored(SampleState::kIssued)}),
                 1, "issuing a sample"));
    }
    return absl::OkStatus();
  }

  absl::Status operator()(const LeaseSamples& write) {
    TEMPER_RETURN_IF_ERROR(Expect(
        database_.Run("INSERT INTO leases (epoch, group_id, worker, samples) VALUES (?, ?, ?, ?)",
                      {write.epoch, write.group_id, write.worker,
                       static_cast<int64_t>(write.samples.size())}),
        1, "a lease"));
    for (const int number : write.samples) {
      TEMPER_RETURN_IF_ERROR(
          Expect(database_.Run("UPDATE samples SET epoch = ?, worker = ? WHERE group_id = ? AND "
                               "number = ? AND state = ? AND epoch < ?",
                               {write.epoch, write.worker, write.group_id, int64_t{number},
                                Stored(SampleState::kIssued), write.epoch}),
                 1, "leasing a sample"));
    }
    return absl::OkStatus();
  }

  absl::Status operator()(const RecordEpisode& write) {
    const v1::Episode& episode = *write.episode;
    const std::string_view prompt_tokens = BytesOf(episode.prompt_tokens());
    const std::string_view tokens = BytesOf(episode.tokens());
    const std::string_view logprobs = BytesOf(episode.logprobs());
    const std::string_view versions = BytesOf(episode.versions());
    const std::string_view forced = BytesOf(episode.forced());
    const std::string checksum =
        EpisodeChecksum({prompt_tokens, tokens, logprobs, versions, forced, episode.text()});
    TEMPER_RETURN_IF_ERROR(
        Expect(database_.Run(
                   "INSERT INTO episodes (group_id, number, finish, entropy_sum, checksum, "
                   "prompt_tokens, tokens, logprobs, versions, forced, text) VALUES (?, ?, ?, "
                   "?, ?, ?, ?, ?, ?, ?, ?)",
                   {episode.group_id(), int64_t{episode.sample()}, int64_t{episode.finish_reason()},
                    episode.entropy_sum(), Blob{checksum}, Blob{prompt_tokens}, Blob{tokens},
                    Blob{logprobs}, Blob{versions}, Blob{forced}, episode.text()}),
               1, "keeping an episode"));
    return Expect(
        database_.Run("UPDATE samples SET state = ?, episode = last_insert_rowid() WHERE "
                      "group_id = ? AND number = ? AND state = ? AND epoch = ?",
                      {Stored(SampleState::kGenerated), episode.group_id(),
                       int64_t{episode.sample()}, Stored(SampleState::kIssued), write.epoch}),
        1, "recording an episode");
  }

  absl::Status operator()(const RecordScore& write) {
    v1::Score parts = write.score;
    parts.clear_value();
    parts.clear_reason();
    const std::string bytes = parts.SerializeAsString();
    return Expect(
        database_.Run(
            "UPDATE samples SET state = ?, score = ?, score_reason = ?, score_parts = ? "
            "WHERE group_id = ? AND number = ? AND state = ?",
            {Stored(SampleState::kScored), write.score.value(), write.score.reason(), Blob{bytes},
             write.group_id, int64_t{write.sample}, Stored(SampleState::kGenerated)}),
        1, "recording a score");
  }

  absl::Status operator()(const DropGroup& write) {
    TEMPER_RETURN_IF_ERROR(
        Expect(database_.Run("UPDATE groups SET dropped_reason = ? WHERE id = ? AND "
                             "dropped_reason IS NULL",
                             {write.reason, write.group_id}),
               1, "dropping a group"));
    return database_
        .Run("UPDATE samples SET state = ? WHERE group_id = ? AND state < ?",
             {Stored(SampleState::kDropped), write.group_id, Stored(SampleState::kTrained)})
        .status();
  }

  absl::Status operator()(const FixBatch& write) {
    const std::string options = write.options.SerializeAsString();
    const std::string digest = BatchDigest(options, write.entries);
    TEMPER_RETURN_IF_ERROR(
        Expect(database_.Run("INSERT INTO batches (step, options, digest) VALUES (?, ?, ?)",
                             {write.step, Blob{options}, Blob{digest}}),
               1, "fixing a batch"));
    int64_t position = 0;
    for (const BatchEntry& entry : write.entries) {
      TEMPER_RETURN_IF_ERROR(
          Expect(database_.Run("INSERT INTO batch_entries (step, position, group_id, number, "
                               "advantage) SELECT ?, ?, group_id, number, ? FROM samples WHERE "
                               "group_id = ? AND number = ? AND state = ?",
                               {write.step, position++, entry.advantage, entry.group_id,
                                int64_t{entry.sample}, Stored(SampleState::kScored)}),
                 1, "entering a sample into a batch"));
    }
    return absl::OkStatus();
  }

  absl::Status operator()(const RecordStep& write) {
    TEMPER_RETURN_IF_ERROR(
        Expect(database_.Run("INSERT INTO steps (step, metrics, weights_digest, skipped) SELECT "
                             "?1, ?2, ?3, ?4 WHERE ?1 = (SELECT count(*) FROM steps) + (SELECT "
                             "coalesce(max(CAST(value AS INTEGER)), 0) FROM meta WHERE key = "
                             "'base_version')",
                             {write.step, ToJson(write.metrics, JsonStyle::kLine),
                              Blob{write.weights_digest}, int64_t{write.skipped}}),
               1, "recording a step"));
    TEMPER_ASSIGN_OR_RETURN(
        const int64_t entries,
        database_.Count("SELECT count(*) FROM batch_entries WHERE step = ?", {write.step}));
    return Expect(
        database_.Run("UPDATE samples SET state = ? WHERE state = ? AND (group_id, number) IN "
                      "(SELECT group_id, number FROM batch_entries WHERE step = ?)",
                      {Stored(SampleState::kTrained), Stored(SampleState::kScored), write.step}),
        entries, "marking samples trained");
  }

  absl::Status operator()(const RecordEvaluation& write) {
    return Expect(database_.Run("INSERT INTO evaluations (version, result) VALUES (?, ?)",
                                {write.result.version(), ToJson(write.result, JsonStyle::kLine)}),
                  1, "recording an evaluation");
  }

  absl::Status operator()(const RecordCheckpoint& write) {
    return database_
        .Run(
            "INSERT INTO checkpoints (version, path, sha256, pinned) VALUES (?, ?, ?, ?) ON "
            "CONFLICT (version) DO UPDATE SET path = excluded.path, sha256 = excluded.sha256, "
            "pinned = max(pinned, excluded.pinned)",
            {write.version, write.path, write.sha256, int64_t{write.pinned}})
        .status();
  }

  absl::Status operator()(const RecordState& write) {
    TEMPER_RETURN_IF_ERROR(SetMeta("state", absl::StrCat(static_cast<int>(write.state))));
    TEMPER_RETURN_IF_ERROR(SetMeta("reason", write.reason));
    return SetMeta("model_dir", write.model_dir);
  }

  absl::Status operator()(const RecordLate& write) {
    return database_
        .Run(
            "INSERT INTO meta (key, value) VALUES ('late', ?1) ON CONFLICT (key) DO UPDATE SET "
            "value = value + ?1",
            {write.episodes})
        .status();
  }

  absl::Status operator()(const RecordAlteration& write) {
    return Expect(database_.Run("INSERT INTO alterations (from_version, alteration) VALUES (?, ?)",
                                {write.from_version, ToJson(write.alteration, JsonStyle::kLine)}),
                  1, "recording an alteration");
  }

  absl::Status operator()(const RecordQuarantine& write) {
    return database_
        .Run("INSERT OR REPLACE INTO quarantined (prompt_id, reason) VALUES (?, ?)",
             {write.prompt_id, write.reason})
        .status();
  }

  absl::Status operator()(const RecordRequest& write) {
    return Expect(
        database_.Run("INSERT INTO requests (request_id, digest, response) VALUES (?, ?, ?)",
                      {write.request_id, Blob{write.digest}, Blob{write.response}}),
        1, "recording a request");
  }

  absl::Status operator()(const RecordSpan& write) {
    const v1::Span& span = write.span;
    return Expect(
        database_.Run("INSERT INTO spans (version, worker, kind, name, from_us, to_us, error) "
                      "VALUES (?, ?, ?, ?, ?, ?, ?)",
                      {write.version, span.worker(), span.kind(), span.name(), span.from_us(),
                       span.to_us(), span.error()}),
        1, "recording a span");
  }

  absl::Status operator()(const RecordMeasured& write) {
    return SetMeta("measured", ToJson(write.metrics, JsonStyle::kLine));
  }

  absl::Status SetMeta(std::string_view key, std::string_view value) {
    return database_.Run("INSERT OR REPLACE INTO meta (key, value) VALUES (?, ?)", {key, value})
        .status();
  }

  absl::Status Append(const v1::RunEvent& event) {
    return Expect(
        database_.Run("INSERT INTO events (sequence, time_ms, event) SELECT ?1, ?2, ?3 WHERE ?1 = "
                      "1 + (SELECT coalesce(max(sequence), 0) FROM events)",
                      {event.sequence(), event.time_ms(), EventJson(event)}),
        1, "appending an event");
  }

 private:
  static std::string EventJson(const v1::RunEvent& event) {
    return ToJson(event, JsonStyle::kLine);
  }

  Database& database_;
};

absl::Status CheckKind(Database& database) {
  return CheckSchema(database, kLedgerApplicationId, kLedgerSchemaVersion, "a ledger of temper");
}

absl::Status MakeTables(Database& database) {
  return database.Script(absl::StrCat("BEGIN; ", kLedgerSchema,
                                      "PRAGMA application_id = ", kLedgerApplicationId,
                                      "; PRAGMA user_version = ", kLedgerSchemaVersion, "; COMMIT;")
                             .c_str());
}

// A ledger is there whole or not at all, so one without tables is a damaged one.
absl::Status CreateWhole(const std::string& path) {
  const std::string unfinished = path + ".new";
  {
    TEMPER_ASSIGN_OR_RETURN(const std::unique_ptr<Database> database,
                            Database::Open(unfinished, Database::Mode::kOwn));
    TEMPER_ASSIGN_OR_RETURN(const int64_t tables,
                            database->Count("SELECT count(*) FROM sqlite_master"));
    if (tables == 0) TEMPER_RETURN_IF_ERROR(MakeTables(*database));
  }
  if (chmod(unfinished.c_str(), S_IRUSR | S_IWUSR) != 0) {
    return ErrnoStatus(unfinished, "cannot set the permissions of");
  }
  if (rename(unfinished.c_str(), path.c_str()) != 0) return ErrnoStatus(path, "cannot rename to");
  return SyncDirectory(Dirname(path));
}

}  // namespace

std::string_view SampleStateName(SampleState state) {
  static constexpr std::string_view kNames[] = {"issued", "generated", "scored", "trained",
                                                "dropped"};
  return kNames[static_cast<int>(state)];
}

std::string EpisodeChecksum(const std::vector<std::string_view>& blobs) {
  std::string joined;
  for (const std::string_view blob : blobs) {
    const uint64_t size = blob.size();
    joined.append(reinterpret_cast<const char*>(&size), sizeof(size));
    joined.append(blob);
  }
  return Xxh3Digest(joined);
}

std::string BatchDigest(const std::string& options, const std::vector<BatchEntry>& entries) {
  std::string joined = options;
  for (const BatchEntry& entry : entries) {
    const int64_t sample = entry.sample;
    joined.append(reinterpret_cast<const char*>(&entry.group_id), sizeof(entry.group_id));
    joined.append(reinterpret_cast<const char*>(&sample), sizeof(sample));
    joined.append(reinterpret_cast<const char*>(&entry.advantage), sizeof(entry.advantage));
  }
  return Xxh3Digest(joined);
}

absl::StatusOr<std::unique_ptr<Ledger>> Ledger::Open(const std::string& path) {
  if (path != ":memory:" && !Exists(path)) TEMPER_RETURN_IF_ERROR(CreateWhole(path));
  TEMPER_ASSIGN_OR_RETURN(std::unique_ptr<Database> database,
                          Database::Open(path, Database::Mode::kOwn));
  if (path == ":memory:") TEMPER_RETURN_IF_ERROR(MakeTables(*database));
  TEMPER_RETURN_IF_ERROR(CheckKind(*database));
  return std::unique_ptr<Ledger>(new Ledger(std::move(database)));
}

absl::StatusOr<std::unique_ptr<Ledger>> Ledger::OpenReadOnly(const std::string& path) {
  if (!Exists(path)) return absl::NotFoundError(absl::StrCat(path, ": there is no ledger"));
  TEMPER_ASSIGN_OR_RETURN(std::unique_ptr<Database> database,
                          Database::Open(path, Database::Mode::kRead));
  TEMPER_RETURN_IF_ERROR(CheckKind(*database));
  return std::unique_ptr<Ledger>(new Ledger(std::move(database)));
}

absl::Status Ledger::SetIdentity(const LedgerIdentity& identity) {
  TEMPER_RETURN_IF_ERROR(database_->Script("BEGIN IMMEDIATE;"));
  Writer writer(*database_);
  for (const auto& [key, value] : std::initializer_list<std::pair<const char*, std::string>>{
           {"spec", identity.spec_json},
           {"parent", identity.origin.parent},
           {"parent_step", absl::StrCat(identity.origin.parent_step)},
           {"base_version", absl::StrCat(identity.origin.version)},
           {"base_digest", absl::BytesToHexString(identity.origin.weights_digest)},
           {"dataset_digest", identity.dataset_digest},
           {"evaluation_digest", identity.evaluation_digest},
           {"warm_start_digest", identity.warm_start_digest},
           {"held_out_digest", identity.held_out_digest},
           {"environment_digest", identity.environment_digest}}) {
    if (absl::Status status = writer.SetMeta(key, value); !status.ok()) {
      database_->Script("ROLLBACK;").IgnoreError();
      return status;
    }
  }
  return database_->Script("COMMIT;");
}

absl::Status Ledger::Write(const LedgerWrite& write) {
  return std::visit(Writer(*database_), write);
}

absl::Status Ledger::Commit(const std::vector<LedgerWrite>& writes,
                            const std::vector<v1::RunEvent>& events) {
  if (failed_) {
    return absl::FailedPreconditionError(absl::StrCat(
        database_->path(), ": an earlier commit failed; nothing is written until a new start"));
  }
  if (writes.empty() && events.empty()) return absl::OkStatus();
  absl::Status status = database_->Script("BEGIN IMMEDIATE;");
  for (size_t i = 0; status.ok() && i < writes.size(); ++i) status = Write(writes[i]);
  Writer writer(*database_);
  for (size_t i = 0; status.ok() && i < events.size(); ++i) status = writer.Append(events[i]);
  if (status.ok()) status = database_->Script("COMMIT;");
  if (status.ok()) return status;
  failed_ = true;
  database_->Script("ROLLBACK;").IgnoreError();
  return status;
}

}  // namespace temper::orchestrator
