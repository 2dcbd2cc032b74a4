// What a controller remembers beyond its runs: cordoned workers and answered requests.
//
// One SQLite file, DIR/controller.db, of one controller; its loop thread alone uses it. A failed
// write ends the process, as with ledgers.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/database.h"
#include "google/protobuf/message.h"

namespace temper::orchestrator {

class ControllerStore {
 public:
  // FAILED_PRECONDITION: another controller has it, or a newer program wrote it.
  static absl::StatusOr<std::unique_ptr<ControllerStore>> Open(const std::string& path);

  // Worker -> reason.
  absl::StatusOr<std::map<std::string, std::string>> Cordons();
  // Both durable in one transaction; a request id of "" is not remembered.
  absl::Status SetCordon(const std::string& worker, bool cordoned, const std::string& reason,
                         const std::string& request_id, const std::string& digest,
                         const std::string& response);

  // The answer to that request, nothing when it was never made; INVALID_ARGUMENT when the id was
  // used for another one.
  absl::StatusOr<std::optional<std::string>> FindRequest(const std::string& request_id,
                                                         const std::string& digest);
  // That the request is about to be carried out, durably; says whether it was so before: then an
  // earlier try may have been cut off between its effect and its answer.
  absl::StatusOr<bool> BeginRequest(const std::string& request_id, const std::string& digest);
  absl::Status RecordRequest(const std::string& request_id, const std::string& digest,
                             const std::string& response);

 private:
  explicit ControllerStore(std::unique_ptr<Database> database) : database_(std::move(database)) {}

  const std::unique_ptr<Database> database_;
};

// SHA-256 of a request with its type's name: what a request id stands for.
std::string RequestDigest(const google::protobuf::Message& request);

}  // namespace temper::orchestrator
