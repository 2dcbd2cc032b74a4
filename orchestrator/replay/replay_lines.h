// The words between a replaying child and whoever started it: one line of text each.
//
//   {...}                 a ReplayResponse as JSON; the report is the last line
//   error CODE MESSAGE    instead of a report; CODE is absl's number, MESSAGE has no line breaks
#pragma once

#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "temper/v1/controller.pb.h"

namespace temper::orchestrator {

std::string ReplayLine(const v1::ReplayResponse& response);
std::string ErrorLine(const absl::Status& status);

// The status of an error line; INTERNAL for what is neither.
absl::StatusOr<v1::ReplayResponse> ParseReplayLine(std::string_view line);

}  // namespace temper::orchestrator
