// The tables of a graph's folder.
#include "agents/run/store.h"

#include <sys/stat.h>

#include "absl/strings/str_cat.h"
#include "base/file.h"
#include "base/status_macros.h"

namespace temper::agents {
namespace {

constexpr int64_t kApplicationId = 0x746d7067;  // "tmpg"
constexpr int64_t kSchemaVersion = 1;
// calls.state: 0 open, 1 done, 2 failed, 3 lost with its process.
constexpr char kSchema[] = R"sql(
BEGIN;
CREATE TABLE meta (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE executions (
  number INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE, input TEXT NOT NULL,
  outcome TEXT NOT NULL, output TEXT NOT NULL, active_ms INTEGER NOT NULL DEFAULT 0);
CREATE TABLE results (
  id INTEGER PRIMARY KEY, key BLOB NOT NULL UNIQUE, execution INTEGER NOT NULL,
  call INTEGER NOT NULL, path TEXT NOT NULL, lineage TEXT NOT NULL, sample INTEGER NOT NULL,
  result BLOB NOT NULL);
CREATE TABLE failures (
  key BLOB PRIMARY KEY, execution INTEGER NOT NULL, path TEXT NOT NULL, lineage TEXT NOT NULL,
  sample INTEGER NOT NULL, error TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE calls (
  id INTEGER PRIMARY KEY, execution INTEGER NOT NULL, role TEXT NOT NULL, endpoint TEXT NOT NULL,
  path TEXT NOT NULL, lineage TEXT NOT NULL, samples INTEGER NOT NULL, state INTEGER NOT NULL,
  tokens INTEGER NOT NULL, usd REAL NOT NULL, requests INTEGER NOT NULL DEFAULT 0,
  tokens_in INTEGER NOT NULL DEFAULT 0, tokens_out INTEGER NOT NULL DEFAULT 0,
  tokens_wasted INTEGER NOT NULL DEFAULT 0, error TEXT NOT NULL DEFAULT '',
  from_ms INTEGER NOT NULL, to_ms INTEGER NOT NULL DEFAULT 0);
CREATE INDEX calls_by_execution ON calls (execution);
CREATE TABLE intents (key BLOB PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE events (
  sequence INTEGER PRIMARY KEY, time_ms INTEGER NOT NULL, execution INTEGER NOT NULL,
  kind TEXT NOT NULL, path TEXT NOT NULL, lineage TEXT NOT NULL, sample INTEGER NOT NULL,
  detail TEXT NOT NULL);
PRAGMA application_id = 1953329255;
PRAGMA user_version = 1;
COMMIT;
)sql";
static_assert(kApplicationId == 1953329255);

absl::Status CheckKind(Database& database) {
  return CheckSchema(database, kApplicationId, kSchemaVersion, "the store of a temper graph");
}

RecordedExecution ExecutionOf(const Database::Rows& rows) {
  return {.number = rows.Int(0),
          .id = rows.Bytes(1),
          .input = rows.Bytes(2),
          .outcome = rows.Bytes(3),
          .output = rows.Bytes(4),
          .active_ms = rows.Int(5)};
}

}  // namespace

absl::StatusOr<std::unique_ptr<GraphStore>> GraphStore::Open(const std::string& path) {
  TEMPER_ASSIGN_OR_RETURN(std::unique_ptr<Database> database,
                          Database::Open(path, Database::Mode::kOwn));
  TEMPER_ASSIGN_OR_RETURN(const int64_t tables,
                          database->Count("SELECT count(*) FROM sqlite_master"));
  if (tables == 0) {
    TEMPER_RETURN_IF_ERROR(database->Script(kSchema));
    // Prompts and answers are its owner's business.
    if (chmod(path.c_str(), S_IRUSR | S_IWUSR) != 0) return ErrnoStatus(path, "chmod");
    TEMPER_RETURN_IF_ERROR(SyncDirectory(Dirname(path)));
  }
  TEMPER_RETURN_IF_ERROR(CheckKind(*database));
  std::unique_ptr<GraphStore> store(new GraphStore(std::move(database)));
  // What was open when the last process ended may have been paid for.
  TEMPER_RETURN_IF_ERROR(
      store->database_->Run("UPDATE calls SET state = 3 WHERE state = 0").status());
  TEMPER_RETURN_IF_ERROR(store->Prepare());
  return store;
}

absl::StatusOr<std::unique_ptr<GraphStore>> GraphStore::OpenReadOnly(const std::string& path) {
  if (!Exists(path)) {
    return absl::NotFoundError(absl::StrCat(path, ": nothing was run in this folder"));
  }
  TEMPER_ASSIGN_OR_RETURN(std::unique_ptr<Database> database,
                          Database::Open(path, Database::Mode::kRead));
  TEMPER_RETURN_IF_ERROR(CheckKind(*database));
  std::unique_ptr<GraphStore> store(new GraphStore(std::move(database)));
  TEMPER_RETURN_IF_ERROR(store->Prepare());
  return store;
}

absl::Status GraphStore::Prepare() {
  TEMPER_ASSIGN_OR_RETURN(next_call_, database_->Count("SELECT max(id) FROM calls"));
  TEMPER_ASSIGN_OR_RETURN(next_execution_, database_->Count("SELECT max(number) FROM executions"));
  TEMPER_ASSIGN_OR_RETURN(next_sequence_, database_->Count("SELECT max(sequence) FROM events"));
  ++next_call_, ++next_execution_, ++next_sequence_;
  return absl::OkStatus();
}

absl::Status GraphStore::Commit(StoreBatch& batch) {
  if (failed_) {
    return absl::FailedPreconditionError(
        absl::StrCat(path(), ": an earlier commit failed; nothing is written until a new start"));
  }
  if (batch.empty()) return absl::OkStatus();
  absl::Status status = database_->Script("BEGIN IMMEDIATE;");
  if (status.ok()) status = Write(batch);
  if (status.ok()) status = database_->Script("COMMIT;");
  if (!status.ok()) {
    failed_ = true;
    database_->Script("ROLLBACK;").IgnoreError();
  }
  return status;
}

absl::Status GraphStore::Write(StoreBatch& batch) {
  for (const RecordedExecution& one : batch.executions) {
    TEMPER_RETURN_IF_ERROR(
        database_
            ->Run("INSERT INTO executions (number, id, input, outcome, output, active_ms) "
                  "VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (number) DO UPDATE SET "
                  "outcome = excluded.outcome, output = excluded.output, "
                  "active_ms = max(active_ms, excluded.active_ms)",
                  {one.number, one.id, one.input, one.outcome, one.output, one.active_ms})
            .status());
    next_execution_ = std::max(next_execution_, one.number + 1);
  }
  for (const NewResult& one : batch.results) {
    const std::string bytes = one.result == nullptr ? "" : ToBytes(*one.result);
    TEMPER_RETURN_IF_ERROR(
        database_
            ->Run("INSERT INTO results (key, execution, call, path, lineage, sample, result) "
                  "VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT (key) DO UPDATE SET "
                  "call = excluded.call, result = excluded.result WHERE length(result) = 0",
                  {Blob{one.key}, one.execution, one.call, one.path, one.lineage, one.sample,
                   Blob{bytes}})
            .status());
    TEMPER_RETURN_IF_ERROR(
        database_->Run("DELETE FROM failures WHERE key = ?", {Blob{one.key}}).status());
  }
  for (const NewFailure& one : batch.failures) {
    TEMPER_RETURN_IF_ERROR(
        database_
            ->Run("INSERT OR REPLACE INTO failures (key, execution, path, lineage, sample, error) "
                  "VALUES (?, ?, ?, ?, ?, ?)",
                  {Blob{one.key}, one.execution, one.path, one.lineage, one.sample, one.error})
            .status());
  }
  for (const OpenedCall& one : batch.opened) {
    TEMPER_RETURN_IF_ERROR(
        database_
            ->Run("INSERT INTO calls (id, execution, role, endpoint, path, lineage, samples, "
                  "state, tokens, usd, from_ms) VALUES (?, ?, ?, ?, ?, ?, ?, 0, ?, ?, ?)",
                  {one.id, one.execution, one.role, one.endpoint, one.path, one.lineage,
                   one.samples, one.reserved.tokens, one.reserved.usd, one.time_ms})
            .status());
    next_call_ = std::max(next_call_, one.id + 1);
  }
  for (const SettledCall& one : batch.settled) {
    TEMPER_RETURN_IF_ERROR(
        database_
            ->Run(
                "UPDATE calls SET state = ?, tokens = ?, usd = ?, requests = ?, tokens_in = ?, "
                "tokens_out = ?, tokens_wasted = ?, error = ?, to_ms = ? WHERE id = ?",
                {int64_t{one.ok ? 1 : 2}, one.cost.tokens, one.cost.usd, one.requests,
                 one.tokens_in, one.tokens_out, one.tokens_wasted, one.error, one.time_ms, one.id})
            .status());
  }
  for (const std::string& key : batch.intents) {
    TEMPER_RETURN_IF_ERROR(
        database_->Run("INSERT OR IGNORE INTO intents (key) VALUES (?)", {Blob{key}}).status());
  }
  for (const auto& [execution, ms] : batch.active_ms) {
    TEMPER_RETURN_IF_ERROR(
        database_->Run("UPDATE executions SET active_ms = ? WHERE number = ?", {ms, execution})
            .status());
  }
  for (StoreEvent& one : batch.events) {
    one.sequence = next_sequence_++;
    TEMPER_RETURN_IF_ERROR(
        database_
            ->Run("INSERT INTO events (sequence, time_ms, execution, kind, path, lineage, sample, "
                  "detail) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                  {one.sequence, one.time_ms, one.execution, one.kind, one.path, one.lineage,
                   one.sample, one.detail})
            .status());
  }
  return absl::OkStatus();
}

absl::StatusOr<std::optional<Result>> GraphStore::Find(const std::string& key) {
  TEMPER_ASSIGN_OR_RETURN(
      Database::Rows rows,
      database_->Query("SELECT result FROM results WHERE key = ?", {Blob{key}}));
  TEMPER_ASSIGN_OR_RETURN(const bool any, rows.Next());
  if (!any) return std::nullopt;
  Result result;
  const std::string bytes = rows.Bytes(0);
  if (bytes.empty()) {
    result.status = absl::CancelledError("enough were there");
  } else if (absl::Status status = FromBytes(bytes, result); !status.ok()) {
    return absl::DataLossError(absl::StrCat(path(), ": ", std::string(status.message())));
  }
  return result;
}

absl::StatusOr<std::string> GraphStore::FailureOf(const std::string& key) {
  TEMPER_ASSIGN_OR_RETURN(
      Database::Rows rows,
      database_->Query("SELECT error FROM failures WHERE key = ?", {Blob{key}}));
  TEMPER_ASSIGN_OR_RETURN(const bool any, rows.Next());
  return any ? rows.Bytes(0) : std::string();
}

absl::StatusOr<bool> GraphStore::HasIntent(const std::string& key) {
  TEMPER_ASSIGN_OR_RETURN(
      const int64_t count,
      database_->Count("SELECT count(*) FROM intents WHERE key = ?", {Blob{key}}));
  return count > 0;
}

absl::StatusOr<std::vector<RecordedExecution>> GraphStore::Executions() {
  TEMPER_ASSIGN_OR_RETURN(
      Database::Rows rows,
      database_->Query("SELECT number, id, input, outcome, output, active_ms FROM executions "
                       "ORDER BY number"));
  std::vector<RecordedExecution> all;
  for (;;) {
    TEMPER_ASSIGN_OR_RETURN(const bool any, rows.Next());
    if (!any) return all;
    all.push_back(ExecutionOf(rows));
  }
}

absl::StatusOr<std::optional<RecordedExecution>> GraphStore::FindExecution(const std::string& id) {
  TEMPER_ASSIGN_OR_RETURN(
      Database::Rows rows,
      database_->Query("SELECT number, id, input, outcome, output, active_ms FROM executions "
                       "WHERE id = ?",
                       {id}));
  TEMPER_ASSIGN_OR_RETURN(const bool any, rows.Next());
  if (!any) return std::nullopt;
  return ExecutionOf(rows);
}

absl::StatusOr<std::map<std::string, RoleUsage>> GraphStore::Usage(int64_t execution) {
  TEMPER_ASSIGN_OR_RETURN(
      Database::Rows rows,
      execution < 0
          ? database_->Query("SELECT role, count(*), sum(requests), sum(samples), sum(state = 2), "
                             "sum(state = 3), sum(tokens_in), sum(tokens_out), "
                             "sum(tokens_wasted), sum(usd) FROM calls GROUP BY role")
          : database_->Query("SELECT role, count(*), sum(requests), sum(samples), sum(state = 2), "
                             "sum(state = 3), sum(tokens_in), sum(tokens_out), "
                             "sum(tokens_wasted), sum(usd) FROM calls WHERE execution = ? "
                             "GROUP BY role",
                             {execution}));
  std::map<std::string, RoleUsage> all;
  for (;;) {
    TEMPER_ASSIGN_OR_RETURN(const bool any, rows.Next());
    if (!any) return all;
    all[rows.Bytes(0)] = {.calls = rows.Int(1),
                          .requests = rows.Int(2),
                          .samples = rows.Int(3),
                          .failed = rows.Int(4),
                          .lost = rows.Int(5),
                          .tokens_in = rows.Int(6),
                          .tokens_out = rows.Int(7),
                          .tokens_wasted = rows.Int(8),
                          .usd = rows.Real(9)};
  }
}

absl::StatusOr<Cost> GraphStore::Spent(int64_t execution) {
  TEMPER_ASSIGN_OR_RETURN(
      Database::Rows rows,
      execution < 0 ? database_->Query("SELECT sum(tokens), sum(usd), count(*) FROM calls")
                    : database_->Query("SELECT sum(tokens), sum(usd), count(*) FROM calls "
                                       "WHERE execution = ?",
                                       {execution}));
  TEMPER_ASSIGN_OR_RETURN(const bool any, rows.Next());
  if (!any) return Cost{};
  return Cost{.tokens = rows.Int(0), .usd = rows.Real(1), .calls = rows.Int(2)};
}

absl::StatusOr<std::vector<StoreEvent>> GraphStore::Events(int64_t after, int64_t count) {
  TEMPER_ASSIGN_OR_RETURN(
      Database::Rows rows,
      database_->Query("SELECT sequence, time_ms, execution, kind, path, lineage, sample, detail "
                       "FROM events WHERE sequence > ? ORDER BY sequence LIMIT ?",
                       {after, count}));
  std::vector<StoreEvent> all;
  for (;;) {
    TEMPER_ASSIGN_OR_RETURN(const bool any, rows.Next());
    if (!any) return all;
    all.push_back({.sequence = rows.Int(0),
                   .time_ms = rows.Int(1),
                   .execution = rows.Int(2),
                   .kind = rows.Bytes(3),
                   .path = rows.Bytes(4),
                   .lineage = rows.Bytes(5),
                   .sample = rows.Int(6),
                   .detail = rows.Bytes(7)});
  }
}

absl::StatusOr<int64_t> GraphStore::Results() {
  return database_->Count("SELECT count(*) FROM results");
}

absl::StatusOr<std::vector<std::string>> GraphStore::Keys() {
  TEMPER_ASSIGN_OR_RETURN(Database::Rows rows, database_->Query("SELECT key FROM results"));
  std::vector<std::string> keys;
  for (;;) {
    TEMPER_ASSIGN_OR_RETURN(const bool any, rows.Next());
    if (!any) return keys;
    keys.push_back(rows.Bytes(0));
  }
}

absl::Status GraphStore::BeginFork(const std::string& seed) {
  TEMPER_RETURN_IF_ERROR(
      database_->Script("BEGIN; DELETE FROM calls; DELETE FROM failures; DELETE FROM events; "
                        "UPDATE executions SET outcome = '', output = '', active_ms = 0; COMMIT;"));
  return SetMeta("fork_seed", seed);
}

absl::Status GraphStore::Forget(const std::string& path, const std::optional<std::string>& lineage,
                                const std::optional<int64_t>& sample) {
  return database_
      ->Run(
          "DELETE FROM results WHERE path = ? AND (? = 0 OR lineage = ?) AND (? = 0 OR sample = "
          "?)",
          {path, int64_t{lineage.has_value()}, std::string_view(lineage ? *lineage : path),
           int64_t{sample.has_value()}, sample.value_or(0)})
      .status();
}

absl::StatusOr<std::string> GraphStore::Meta(const std::string& key) {
  TEMPER_ASSIGN_OR_RETURN(Database::Rows rows,
                          database_->Query("SELECT value FROM meta WHERE key = ?", {key}));
  TEMPER_ASSIGN_OR_RETURN(const bool any, rows.Next());
  return any ? rows.Bytes(0) : std::string();
}

absl::Status GraphStore::SetMeta(const std::string& key, const std::string& value) {
  return database_->Run("INSERT OR REPLACE INTO meta (key, value) VALUES (?, ?)", {key, value})
      .status();
}

}  // namespace temper::agents
