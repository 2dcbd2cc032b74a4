// Requests that were answered: a repeated one gets the first one's answer.
//
// A ledger and a controller's database each have the table `requests`.
#pragma once

#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "base/database.h"

namespace temper::orchestrator {

// The bytes of the answer to that request, nothing when it was never made; INVALID_ARGUMENT when
// the id was used for another one: `digest` is of the method and the request.
absl::StatusOr<std::optional<std::string>> FindAnswer(Database& database,
                                                      const std::string& request_id,
                                                      const std::string& digest);

}  // namespace temper::orchestrator
