// What a model's service refuses is our failure, not the problem's: it is counted and tried again.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace temper::reward {

// With the service's name before its words; INVALID_ARGUMENT, which would blame the problem,
// becomes FAILED_PRECONDITION.
inline absl::Status OurFailure(const std::string& service, const absl::Status& status) {
  const absl::StatusCode code = status.code() == absl::StatusCode::kInvalidArgument
                                    ? absl::StatusCode::kFailedPrecondition
                                    : status.code();
  return absl::Status(code, absl::StrCat(service, ": ", std::string(status.message())));
}

}  // namespace temper::reward
