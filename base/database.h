// SQLite with our manners: static SQL, prepared once, errors as Status that name the file.
//
// One connection, one thread. SQL is always a string literal; values are always bound.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

struct sqlite3;
struct sqlite3_stmt;

namespace temper {

struct Blob {
  std::string_view bytes;
};
// Text and blobs are borrowed until the statement has run.
using SqlValue = std::variant<int64_t, double, std::string_view, Blob>;

class Database {
 public:
  enum class Mode {
    kOwn,   // created when absent, locked for this process alone until it is closed
    kRead,  // must exist; nothing can be changed but the rollback of a torn transaction
  };
  static absl::StatusOr<std::unique_ptr<Database>> Open(const std::string& path, Mode mode);
  ~Database();

  // Runs a statement that returns no rows; answers how many rows it changed.
  absl::StatusOr<int64_t> Run(const char* sql, const std::vector<SqlValue>& values = {});

  // The rows of a query, one at a time. Reset when it goes out of scope.
  class Rows {
   public:
    Rows(Rows&& other) noexcept : database_(other.database_), statement_(other.statement_) {
      other.statement_ = nullptr;
    }
    ~Rows();
    // True while there is a row.
    absl::StatusOr<bool> Next();
    int64_t Int(int column) const;
    double Real(int column) const;
    std::string Bytes(int column) const;  // text or blob; "" for NULL

   private:
    friend class Database;
    Rows(Database& database, sqlite3_stmt* statement)
        : database_(&database), statement_(statement) {}
    Database* database_;
    sqlite3_stmt* statement_;
  };
  absl::StatusOr<Rows> Query(const char* sql, const std::vector<SqlValue>& values = {});

  // The first column of the only row; 0 when there is none.
  absl::StatusOr<int64_t> Count(const char* sql, const std::vector<SqlValue>& values = {});

  // Rows that all statements so far stepped over without an index; for tests of speed at size.
  int64_t FullScanSteps() const;

  // Several statements without values, e.g. a schema.
  absl::Status Script(const char* sql);

  const std::string& path() const { return path_; }

 private:
  Database(std::string path, sqlite3* connection) : path_(std::move(path)), sqlite_(connection) {}
  absl::StatusOr<sqlite3_stmt*> Prepared(const char* sql, const std::vector<SqlValue>& values);
  absl::Status Failure(int code, std::string_view doing) const;

  const std::string path_;
  sqlite3* const sqlite_;
  std::map<const char*, sqlite3_stmt*> prepared_;  // by the literal's address
};

// Whether the file is of this kind and schema. DATA_LOSS: "is not <kind>"; FAILED_PRECONDITION:
// another schema.
absl::Status CheckSchema(Database& database, int64_t application_id, int64_t schema,
                         std::string_view kind);

}  // namespace temper
