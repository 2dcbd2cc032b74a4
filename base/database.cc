// The one place that speaks to SQLite.
#include "base/database.h"

#include <cerrno>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "base/checked_pages.h"
#include "base/status_macros.h"
#include "sqlite3.h"

namespace temper {
namespace {

absl::StatusCode CodeOf(int code, int system_errno) {
  if (code == SQLITE_IOERR_DATA) return absl::StatusCode::kDataLoss;
  switch (code & 0xff) {
    case SQLITE_FULL:
      return absl::StatusCode::kResourceExhausted;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
      return absl::StatusCode::kFailedPrecondition;
    case SQLITE_NOTADB:
    case SQLITE_CORRUPT:
      return absl::StatusCode::kDataLoss;
    case SQLITE_READONLY:
    case SQLITE_PERM:
    case SQLITE_AUTH:
      return absl::StatusCode::kPermissionDenied;
    case SQLITE_CANTOPEN:
      return system_errno == ENOENT ? absl::StatusCode::kNotFound
                                    : absl::StatusCode::kPermissionDenied;
    case SQLITE_IOERR:
      return system_errno == ENOSPC || system_errno == EDQUOT ? absl::StatusCode::kResourceExhausted
                                                              : absl::StatusCode::kUnavailable;
    default:
      return absl::StatusCode::kInternal;
  }
}

const char* AdviceFor(absl::StatusCode code) {
  switch (code) {
    case absl::StatusCode::kResourceExhausted:
      return "; make room on the disk and run again to resume";
    case absl::StatusCode::kFailedPrecondition:
      return "; another process holds this file: stop it first";
    case absl::StatusCode::kDataLoss:
      return "; the file is damaged: put a copy of it in its place, or start a new run whose "
             "\"model\" is one of this run's checkpoints";
    default:
      return "";
  }
}

// For people: what a statement is about.
std::string TableOf(const char* sql) {
  for (const std::string_view before : {" FROM ", "INTO ", "UPDATE "}) {
    const std::string_view text = sql;
    const size_t at = text.find(before);
    if (at == std::string_view::npos) continue;
    const std::string_view rest = text.substr(at + before.size());
    return std::string(rest.substr(0, rest.find_first_of(" ,();")));
  }
  return sql;
}

int BindValue(sqlite3_stmt* statement, int index, const SqlValue& value) {
  if (const auto* integer = std::get_if<int64_t>(&value)) {
    return sqlite3_bind_int64(statement, index, *integer);
  }
  if (const auto* real = std::get_if<double>(&value)) {
    return sqlite3_bind_double(statement, index, *real);
  }
  if (const auto* text = std::get_if<std::string_view>(&value)) {
    return sqlite3_bind_text64(statement, index, text->data() == nullptr ? "" : text->data(),
                               text->size(), SQLITE_STATIC, SQLITE_UTF8);
  }
  const std::string_view bytes = std::get<Blob>(value).bytes;
  if (bytes.empty()) return sqlite3_bind_zeroblob(statement, index, 0);
  return sqlite3_bind_blob64(statement, index, bytes.data(), bytes.size(), SQLITE_STATIC);
}

}  // namespace

absl::StatusOr<std::unique_ptr<Database>> Database::Open(const std::string& path, Mode mode) {
  const int flags =
      SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | (mode == Mode::kOwn ? SQLITE_OPEN_CREATE : 0);
  sqlite3* connection = nullptr;
  const int code = sqlite3_open_v2(path.c_str(), &connection, flags, CheckedPages());
  TEMPER_CHECK(connection != nullptr);  // out of memory
  std::unique_ptr<Database> database(new Database(path, connection));
  if (code != SQLITE_OK) return database->Failure(code, "opening");
  sqlite3_extended_result_codes(connection, 1);
  if (mode == Mode::kRead) {
    TEMPER_RETURN_IF_ERROR(database->Script("PRAGMA query_only = ON;"));
    // Touches the file, so that a lock or a foreign file is told here.
    TEMPER_RETURN_IF_ERROR(database->Count("SELECT count(*) FROM sqlite_master").status());
    return database;
  }
  int checksum_bytes = kPageChecksumBytes;  // of a new file
  TEMPER_CHECK(sqlite3_file_control(connection, "main", SQLITE_FCNTL_RESERVE_BYTES,
                                    &checksum_bytes) == SQLITE_OK);
  TEMPER_RETURN_IF_ERROR(
      database->Script(absl::StrCat("PRAGMA page_size = ", kPageBytes, ";").c_str()));
  // With the exclusive lock a commit ends by zeroing and syncing the journal's header, so FULL is
  // durable against power loss. BEGIN EXCLUSIVE takes the lock now, not at the first write.
  TEMPER_RETURN_IF_ERROR(
      database->Script("PRAGMA locking_mode = EXCLUSIVE; PRAGMA journal_mode = DELETE;"
                       "PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON;"
                       "BEGIN EXCLUSIVE; COMMIT;"));
  return database;
}

Database::~Database() {
  for (auto& [sql, statement] : prepared_) sqlite3_finalize(statement);
  sqlite3_close(sqlite_);
}

absl::Status Database::Failure(int code, std::string_view doing) const {
  const int system_errno = sqlite3_system_errno(sqlite_);
  const absl::StatusCode status = CodeOf(code, system_errno);
  std::string message = absl::StrCat(path_, ": ", std::string(doing), ": ");
  if (code == SQLITE_IOERR_DATA)
    return absl::Status(status, absl::StrCat(message, PageDamage(), AdviceFor(status)));
  absl::StrAppend(&message, sqlite3_errmsg(sqlite_));
  if (system_errno != 0 && (code & 0xff) != SQLITE_BUSY) {
    absl::StrAppend(&message, " (", std::strerror(system_errno), ")");
  }
  return absl::Status(status, absl::StrCat(message, AdviceFor(status)));
}

absl::Status Database::Script(const char* sql) {
  const int code = sqlite3_exec(sqlite_, sql, nullptr, nullptr, nullptr);
  return code == SQLITE_OK ? absl::OkStatus() : Failure(code, "preparing");
}

absl::StatusOr<sqlite3_stmt*> Database::Prepared(const char* sql,
                                                 const std::vector<SqlValue>& values) {
  sqlite3_stmt*& statement = prepared_[sql];
  if (statement == nullptr) {
    const int code =
        sqlite3_prepare_v3(sqlite_, sql, -1, SQLITE_PREPARE_PERSISTENT, &statement, nullptr);
    if (code != SQLITE_OK) {
      prepared_.erase(sql);
      return Failure(code, "preparing");
    }
  }
  TEMPER_CHECK(sqlite3_bind_parameter_count(statement) == static_cast<int>(values.size()));
  for (size_t i = 0; i < values.size(); ++i) {
    const int code = BindValue(statement, static_cast<int>(i) + 1, values[i]);
    if (code != SQLITE_OK) return Failure(code, "binding");
  }
  return statement;
}

absl::StatusOr<int64_t> Database::Run(const char* sql, const std::vector<SqlValue>& values) {
  TEMPER_ASSIGN_OR_RETURN(sqlite3_stmt * statement, Prepared(sql, values));
  const int code = sqlite3_step(statement);
  absl::Status status = absl::OkStatus();
  if (code != SQLITE_DONE && code != SQLITE_ROW) {
    status = Failure(code, absl::StrCat("writing ", TableOf(sql)));
  }
  sqlite3_reset(statement);
  sqlite3_clear_bindings(statement);
  if (!status.ok()) return status;
  return sqlite3_changes64(sqlite_);
}

absl::StatusOr<Database::Rows> Database::Query(const char* sql,
                                               const std::vector<SqlValue>& values) {
  TEMPER_ASSIGN_OR_RETURN(sqlite3_stmt * statement, Prepared(sql, values));
  return Rows(*this, statement);
}

absl::StatusOr<int64_t> Database::Count(const char* sql, const std::vector<SqlValue>& values) {
  TEMPER_ASSIGN_OR_RETURN(Rows rows, Query(sql, values));
  TEMPER_ASSIGN_OR_RETURN(const bool any, rows.Next());
  return any ? rows.Int(0) : 0;
}

int64_t Database::FullScanSteps() const {
  int64_t steps = 0;
  for (const auto& [sql, statement] : prepared_) {
    steps += sqlite3_stmt_status(statement, SQLITE_STMTSTATUS_FULLSCAN_STEP, /*resetFlg=*/0);
  }
  return steps;
}

Database::Rows::~Rows() {
  if (statement_ == nullptr) return;
  sqlite3_reset(statement_);
  sqlite3_clear_bindings(statement_);
}

absl::StatusOr<bool> Database::Rows::Next() {
  const int code = sqlite3_step(statement_);
  if (code == SQLITE_ROW) return true;
  if (code == SQLITE_DONE) return false;
  return database_->Failure(code, absl::StrCat("reading ", TableOf(sqlite3_sql(statement_))));
}

int64_t Database::Rows::Int(int column) const { return sqlite3_column_int64(statement_, column); }
double Database::Rows::Real(int column) const { return sqlite3_column_double(statement_, column); }
std::string Database::Rows::Bytes(int column) const {
  const void* bytes = sqlite3_column_blob(statement_, column);
  const int size = sqlite3_column_bytes(statement_, column);
  return bytes == nullptr ? std::string()
                          : std::string(static_cast<const char*>(bytes), static_cast<size_t>(size));
}

absl::Status CheckSchema(Database& database, int64_t application_id, int64_t schema,
                         std::string_view kind) {
  TEMPER_ASSIGN_OR_RETURN(const int64_t application, database.Count("PRAGMA application_id"));
  if (application != application_id) {
    return absl::DataLossError(absl::StrCat(database.path(), ": is not ", std::string(kind)));
  }
  TEMPER_ASSIGN_OR_RETURN(const int64_t version, database.Count("PRAGMA user_version"));
  if (version == schema) return absl::OkStatus();
  return absl::FailedPreconditionError(absl::StrCat(database.path(), ": has schema ", version,
                                                    ", this program reads ", schema,
                                                    "; use the version of temper that made it"));
}

}  // namespace temper
