// The tables of controller.db.
#include "orchestrator/controller/controller_store.h"

#include <sys/stat.h>

#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "base/digest.h"
#include "base/file.h"
#include "base/status_macros.h"
#include "google/protobuf/io/coded_stream.h"
#include "google/protobuf/io/zero_copy_stream_impl_lite.h"
#include "orchestrator/answered_requests.h"

namespace temper::orchestrator {
namespace {

constexpr int64_t kApplicationId = 0x746d7063;  // "tmpc"
constexpr int64_t kSchemaVersion = 1;
constexpr char kSchema[] = R"sql(
BEGIN;
CREATE TABLE cordons (worker TEXT PRIMARY KEY, reason TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE requests (
  request_id TEXT PRIMARY KEY, digest BLOB NOT NULL, response BLOB NOT NULL) WITHOUT ROWID;
CREATE TABLE begun (request_id TEXT PRIMARY KEY, digest BLOB NOT NULL) WITHOUT ROWID;
PRAGMA application_id = 1953329251;
PRAGMA user_version = 1;
COMMIT;
)sql";
static_assert(kApplicationId == 1953329251);

}  // namespace

absl::StatusOr<std::unique_ptr<ControllerStore>> ControllerStore::Open(const std::string& path) {
  const bool fresh = !Exists(path);
  TEMPER_ASSIGN_OR_RETURN(std::unique_ptr<Database> database,
                          Database::Open(path, Database::Mode::kOwn));
  TEMPER_ASSIGN_OR_RETURN(const int64_t tables,
                          database->Count("SELECT count(*) FROM sqlite_master"));
  if (tables == 0) {
    TEMPER_RETURN_IF_ERROR(database->Script(kSchema));
    if (fresh) {
      chmod(path.c_str(), S_IRUSR | S_IWUSR);
      TEMPER_RETURN_IF_ERROR(SyncDirectory(Dirname(path)));
    }
  }
  TEMPER_RETURN_IF_ERROR(
      CheckSchema(*database, kApplicationId, kSchemaVersion, "the memory of a temper controller"));
  return std::unique_ptr<ControllerStore>(new ControllerStore(std::move(database)));
}

absl::StatusOr<std::map<std::string, std::string>> ControllerStore::Cordons() {
  TEMPER_ASSIGN_OR_RETURN(auto rows, database_->Query("SELECT worker, reason FROM cordons"));
  std::map<std::string, std::string> cordons;
  for (;;) {
    TEMPER_ASSIGN_OR_RETURN(const bool more, rows.Next());
    if (!more) return cordons;
    cordons[rows.Bytes(0)] = rows.Bytes(1);
  }
}

absl::Status ControllerStore::SetCordon(const std::string& worker, bool cordoned,
                                        const std::string& reason, const std::string& request_id,
                                        const std::string& digest, const std::string& response) {
  absl::Status status = database_->Script("BEGIN IMMEDIATE;");
  if (status.ok()) {
    status = cordoned ? database_
                            ->Run("INSERT OR REPLACE INTO cordons (worker, reason) VALUES (?, ?)",
                                  {worker, reason})
                            .status()
                      : database_->Run("DELETE FROM cordons WHERE worker = ?", {worker}).status();
  }
  if (status.ok()) status = RecordRequest(request_id, digest, response);
  if (status.ok()) status = database_->Script("COMMIT;");
  if (!status.ok()) database_->Script("ROLLBACK;").IgnoreError();
  return status;
}

absl::StatusOr<std::optional<std::string>> ControllerStore::FindRequest(
    const std::string& request_id, const std::string& digest) {
  if (request_id.empty()) return std::nullopt;
  return FindAnswer(*database_, request_id, digest);
}

absl::StatusOr<bool> ControllerStore::BeginRequest(const std::string& request_id,
                                                   const std::string& digest) {
  if (request_id.empty()) return false;
  TEMPER_ASSIGN_OR_RETURN(
      const int64_t made,
      database_->Run("INSERT OR IGNORE INTO begun (request_id, digest) VALUES (?, ?)",
                     {request_id, Blob{digest}}));
  if (made > 0) return false;
  TEMPER_ASSIGN_OR_RETURN(
      const int64_t same,
      database_->Count("SELECT count(*) FROM begun WHERE request_id = ? AND digest = ?",
                       {request_id, Blob{digest}}));
  if (same > 0) return true;
  return absl::InvalidArgumentError(absl::StrCat(
      "request_id: \"", request_id, "\" was used for another request; choose a new one"));
}

absl::Status ControllerStore::RecordRequest(const std::string& request_id,
                                            const std::string& digest,
                                            const std::string& response) {
  if (request_id.empty()) return absl::OkStatus();
  return database_
      ->Run("INSERT OR REPLACE INTO requests (request_id, digest, response) VALUES (?, ?, ?)",
            {request_id, Blob{digest}, Blob{response}})
      .status();
}

std::string RequestDigest(const google::protobuf::Message& request) {
  std::string bytes = absl::StrCat(request.GetDescriptor()->name(), "\n");
  google::protobuf::io::StringOutputStream stream(&bytes);  // appends
  google::protobuf::io::CodedOutputStream coded(&stream);
  coded.SetSerializationDeterministic(true);  // maps in order
  TEMPER_CHECK(request.SerializeToCodedStream(&coded));
  coded.Trim();
  return Sha256Hex(bytes);
}

}  // namespace temper::orchestrator
