// The memory of a folder of executions: every result, what every call cost, and what happened, in
// one SQLite file (base/database.h).
//
// A turn of the runner is one transaction: results are durable before anything that follows from
// them is asked for, and a call's price is reserved, durably, before the call. A call that was open
// when its process died may have been paid for: it is booked with its whole reservation. One
// thread; one process at a time.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "agents/run/result.h"
#include "base/database.h"

namespace temper::agents {

// What calls have cost, or may cost.
struct Cost {
  int64_t tokens = 0;
  double usd = 0;
  int64_t calls = 0;
  void Add(const Cost& other) { tokens += other.tokens, usd += other.usd, calls += other.calls; }
};

struct RecordedExecution {
  int64_t number = 0;  // counts up in the order of submission
  std::string id;
  std::string input;    // JSON
  std::string outcome;  // "" while it is open; "done", "failed", "budget_exhausted", "cancelled"
  std::string output;   // JSON; "" while it is open
  int64_t active_ms = 0;
};

// What one role's calls came to.
struct RoleUsage {
  int64_t calls = 0, requests = 0, samples = 0, failed = 0, lost = 0;
  int64_t tokens_in = 0, tokens_out = 0, tokens_wasted = 0;
  double usd = 0;
};

struct OpenedCall {
  int64_t id = 0;
  int64_t execution = 0;
  std::string role, endpoint, path, lineage;
  int64_t samples = 0;
  Cost reserved;
  int64_t time_ms = 0;
};
struct SettledCall {
  int64_t id = 0;
  bool ok = false;
  int64_t requests = 0, tokens_in = 0, tokens_out = 0, tokens_wasted = 0;
  Cost cost;
  std::string error;
  int64_t time_ms = 0;
};
struct NewResult {
  std::string key;
  int64_t execution = 0;
  int64_t call = 0;
  std::string path, lineage;
  int64_t sample = 0;
  // Borrowed until the commit. Null: enough were there without it; what comes later all the same
  // takes its place.
  const Result* result = nullptr;
};
struct NewFailure {
  std::string key;
  int64_t execution = 0;
  std::string path, lineage;
  int64_t sample = 0;
  std::string error;
};
struct StoreEvent {
  int64_t sequence = 0;  // set by Commit
  int64_t time_ms = 0;
  int64_t execution = 0;
  std::string kind;  // "result", "failure", "ended"
  std::string path, lineage;
  int64_t sample = 0;
  std::string detail;
};

// What one turn writes.
struct StoreBatch {
  std::vector<RecordedExecution> executions;  // new ones, and those that ended
  std::vector<NewResult> results;
  std::vector<NewFailure> failures;
  std::vector<OpenedCall> opened;
  std::vector<SettledCall> settled;
  std::vector<std::string> intents;      // keys of tools whose effect may happen once only
  std::map<int64_t, int64_t> active_ms;  // by execution
  std::vector<StoreEvent> events;
  bool empty() const {
    return executions.empty() && results.empty() && failures.empty() && opened.empty() &&
           settled.empty() && intents.empty() && events.empty();
  }
};

class GraphStore {
 public:
  // Makes the file where there is none. FAILED_PRECONDITION: another process has it open, or it has
  // another schema; DATA_LOSS: a page is damaged.
  static absl::StatusOr<std::unique_ptr<GraphStore>> Open(const std::string& path);
  // Nothing can be changed.
  static absl::StatusOr<std::unique_ptr<GraphStore>> OpenReadOnly(const std::string& path);

  // One durable transaction; sequence numbers are set. After an error nothing more is written.
  absl::Status Commit(StoreBatch& batch);

  // With status CANCELLED where enough were there without it.
  absl::StatusOr<std::optional<Result>> Find(const std::string& key);
  // Why it failed the last time; empty: it did not.
  absl::StatusOr<std::string> FailureOf(const std::string& key);
  absl::StatusOr<bool> HasIntent(const std::string& key);

  absl::StatusOr<std::vector<RecordedExecution>> Executions();
  absl::StatusOr<std::optional<RecordedExecution>> FindExecution(const std::string& id);
  absl::StatusOr<std::map<std::string, RoleUsage>> Usage(int64_t execution);
  // What its calls cost, open and lost ones with their reservations; -1: of all.
  absl::StatusOr<Cost> Spent(int64_t execution);
  absl::StatusOr<std::vector<StoreEvent>> Events(int64_t after, int64_t count);
  absl::StatusOr<int64_t> Results();
  // Every key, for a plan of what a changed graph finds again.
  absl::StatusOr<std::vector<std::string>> Keys();

  // For a copy that goes its own way: nothing is paid for or ended here yet.
  absl::Status BeginFork(const std::string& seed);
  // The results of a node go, all or those at a lineage and of a sample. What followed from them
  // is found again only where the new ones say the same.
  absl::Status Forget(const std::string& path, const std::optional<std::string>& lineage,
                      const std::optional<int64_t>& sample);

  absl::StatusOr<std::string> Meta(const std::string& key);
  absl::Status SetMeta(const std::string& key, const std::string& value);

  int64_t next_call() const { return next_call_; }
  int64_t next_execution() const { return next_execution_; }
  const std::string& path() const { return database_->path(); }

 private:
  explicit GraphStore(std::unique_ptr<Database> database) : database_(std::move(database)) {}
  absl::Status Prepare();
  absl::Status Write(StoreBatch& batch);

  const std::unique_ptr<Database> database_;
  int64_t next_call_ = 1;
  int64_t next_execution_ = 1;
  int64_t next_sequence_ = 1;
  bool failed_ = false;
};

}  // namespace temper::agents
