// Rows travel by ATTACH: no byte of them passes through this program.
#include "orchestrator/replay/bundle.h"

#include <functional>
#include <utility>
#include <vector>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "base/file.h"
#include "base/status_macros.h"
#include "orchestrator/folder_links.h"
#include "orchestrator/kept_checkpoints.h"

namespace temper::orchestrator {
namespace {

constexpr char kReferenceFolder[] = "reference";

// Rows of no step.
absl::Status CopyMarks(Database& database, int64_t from, int64_t version) {
  for (const char* sql : {"INSERT INTO bundle.meta SELECT * FROM main.meta",
                          "INSERT INTO bundle.alterations SELECT * FROM main.alterations",
                          "INSERT INTO bundle.checkpoints SELECT * FROM main.checkpoints"}) {
    TEMPER_RETURN_IF_ERROR(database.Run(sql).status());
  }
  // Step s made version s + 1.
  return database
      .Run("INSERT INTO bundle.steps SELECT * FROM main.steps WHERE step BETWEEN ? AND ?",
           {from - 1, version})
      .status();
}

absl::Status CopyStep(Database& database, int64_t version) {
  for (const char* sql :
       {"INSERT OR IGNORE INTO bundle.groups SELECT * FROM main.groups WHERE id IN (SELECT "
        "group_id FROM main.batch_entries WHERE step = ?1 UNION SELECT id FROM main.groups WHERE "
        "evaluation = 0 AND step = ?1)",
        "INSERT OR IGNORE INTO bundle.episodes SELECT * FROM main.episodes WHERE id IN (SELECT "
        "episode FROM main.samples WHERE group_id IN (SELECT group_id FROM main.batch_entries "
        "WHERE step = ?1 UNION SELECT id FROM main.groups WHERE evaluation = 0 AND step = ?1))",
        "INSERT OR IGNORE INTO bundle.samples SELECT * FROM main.samples WHERE group_id IN (SELECT "
        "group_id FROM main.batch_entries WHERE step = ?1 UNION SELECT id FROM main.groups WHERE "
        "evaluation = 0 AND step = ?1)",
        "INSERT INTO bundle.batches SELECT * FROM main.batches WHERE step = ?1",
        "INSERT INTO bundle.batch_entries SELECT * FROM main.batch_entries WHERE step = ?1"}) {
    TEMPER_RETURN_IF_ERROR(database.Run(sql, {version}).status());
  }
  return absl::OkStatus();
}

// Runs `copy` in a transaction with the file at `path` as database "bundle". It can be written
// again from the ledger, so nothing waits for the disk.
absl::Status WithBundle(Database& database, const std::string& path,
                        const std::function<absl::Status()>& copy) {
  TEMPER_RETURN_IF_ERROR(
      database.Run("ATTACH DATABASE ? AS bundle", {std::string_view(path)}).status());
  absl::Status status = database.Script(
      "PRAGMA bundle.synchronous = OFF; PRAGMA bundle.journal_mode = MEMORY; BEGIN;");
  if (status.ok()) {
    status = copy();
    if (status.ok()) status = database.Script("COMMIT;");
    if (!status.ok()) database.Script("ROLLBACK;").IgnoreError();
  }
  const absl::Status detached = database.Script("DETACH DATABASE bundle;");
  return status.ok() ? detached : status;
}

// The newest kept checkpoint at or before `version`; the run's first version where there is none.
int64_t StartFor(const std::string& dir, const ForkOrigin& origin, int64_t version) {
  int64_t start = -1;
  for (const int64_t kept : KeptCheckpoints(dir)) {
    if (kept <= version && kept >= origin.version) start = kept;
  }
  return start;
}

absl::Status CheckStep(const BundleWriter::Wanted& wanted, const ForkOrigin& origin,
                       int64_t newest) {
  const int64_t first = origin.version - wanted.warm_start_steps + 1;
  if (wanted.step >= 1 && wanted.step < first) {
    return absl::OutOfRangeError(
        absl::StrCat("step: found ", wanted.step, "; this run begins with step ", first,
                     ", replay the steps before it in run ", origin.parent));
  }
  const int64_t last = newest - wanted.warm_start_steps;
  if (wanted.step >= 1 && wanted.step <= last) return absl::OkStatus();
  if (last < 1) {
    return absl::OutOfRangeError(
        absl::StrCat("step: found ", wanted.step, "; no policy step is made yet"));
  }
  return absl::OutOfRangeError(
      absl::StrCat("step: found ", wanted.step, ", expected 1 to ", last, ", the newest made"));
}

// Version 0 is the model folder; every other needs a checkpoint.
absl::Status LinkStart(const BundleWriter::Wanted& wanted, int64_t start) {
  TEMPER_RETURN_IF_ERROR(MakeDirectories(wanted.folder));
  if (start > 0) {
    const std::string to = CheckpointPath(wanted.folder, start);
    TEMPER_RETURN_IF_ERROR(MakeDirectories(Dirname(to)));
    TEMPER_RETURN_IF_ERROR(LinkFolder(CheckpointPath(wanted.dir, start), to));
  }
  const std::string reference = JoinPath(wanted.dir, kReferenceFolder);
  if (!Exists(reference)) return absl::OkStatus();
  return LinkFolder(reference, JoinPath(wanted.folder, kReferenceFolder));
}

}  // namespace

absl::StatusOr<std::unique_ptr<BundleWriter>> BundleWriter::Begin(Ledger& ledger,
                                                                  const Wanted& wanted) {
  TEMPER_ASSIGN_OR_RETURN(const LedgerIdentity identity, ledger.Identity());
  TEMPER_ASSIGN_OR_RETURN(const int64_t made,
                          ledger.database().Count("SELECT count(*) FROM steps"));
  const ForkOrigin& origin = identity.origin;
  TEMPER_RETURN_IF_ERROR(CheckStep(wanted, origin, origin.version + made));
  const int64_t version = wanted.warm_start_steps + wanted.step - 1;
  int64_t start = StartFor(wanted.dir, origin, version);
  if (start < 0 && origin.version > 0) {
    return absl::NotFoundError(absl::StrCat(
        wanted.dir, ": no checkpoint at or before step ", wanted.step,
        " is kept, and a fork cannot be made again from the model folder; replay a later step"));
  }
  if (start < 0) start = 0;
  if (version - start > kStepsMax) {
    return absl::ResourceExhaustedError(absl::StrCat(
        "step ", wanted.step, ": the newest kept checkpoint before it is of version ", start, ", ",
        version - start, " steps would be trained again, more than ", kStepsMax,
        "; replay a step nearer to a checkpoint, or keep more (checkpoint.keep)"));
  }
  if (Exists(wanted.folder)) {
    return absl::AlreadyExistsError(absl::StrCat(wanted.folder, ": is there already"));
  }
  auto remove_folder = absl::MakeCleanup([&] { RemoveAll(wanted.folder).IgnoreError(); });
  TEMPER_RETURN_IF_ERROR(LinkStart(wanted, start));
  const std::string path = JoinPath(wanted.folder, "ledger.db");
  TEMPER_RETURN_IF_ERROR(Ledger::Open(path).status());  // makes the tables
  std::move(remove_folder).Cancel();
  return std::unique_ptr<BundleWriter>(new BundleWriter(ledger, path, start, version));
}

absl::StatusOr<bool> BundleWriter::Next() {
  Database& database = ledger_.database();
  TEMPER_RETURN_IF_ERROR(WithBundle(database, path_, [&] {
    if (!marked_) TEMPER_RETURN_IF_ERROR(CopyMarks(database, from_, version_));
    return CopyStep(database, next_);
  }));
  marked_ = true;
  return ++next_ <= version_;
}

absl::Status WriteReplayBundle(Ledger& ledger, const BundleWriter::Wanted& wanted) {
  TEMPER_ASSIGN_OR_RETURN(const std::unique_ptr<BundleWriter> writer,
                          BundleWriter::Begin(ledger, wanted));
  for (;;) {
    const absl::StatusOr<bool> more = writer->Next();
    if (!more.ok()) RemoveAll(wanted.folder).IgnoreError();
    TEMPER_RETURN_IF_ERROR(more.status());
    if (!*more) return absl::OkStatus();
  }
}

}  // namespace temper::orchestrator
