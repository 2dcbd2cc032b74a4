// One look into the table.
#include "orchestrator/answered_requests.h"

#include "absl/strings/str_cat.h"
#include "base/status_macros.h"

namespace temper::orchestrator {

absl::StatusOr<std::optional<std::string>> FindAnswer(Database& database,
                                                      const std::string& request_id,
                                                      const std::string& digest) {
  TEMPER_ASSIGN_OR_RETURN(
      auto rows,
      database.Query("SELECT digest, response FROM requests WHERE request_id = ?", {request_id}));
  TEMPER_ASSIGN_OR_RETURN(const bool any, rows.Next());
  if (!any) return std::nullopt;
  if (rows.Bytes(0) == digest) return std::optional<std::string>(rows.Bytes(1));
  return absl::InvalidArgumentError(absl::StrCat(
      "request_id: \"", request_id, "\" was used for another request; choose a new one"));
}

}  // namespace temper::orchestrator
