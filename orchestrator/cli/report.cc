// How every verb ends.
#include <cstdio>
#include <string>

#include "orchestrator/cli/verbs.h"

namespace temper::cli {

int Report(const absl::Status& status) {
  if (status.ok()) return kDone;
  std::fprintf(stderr, "temper: %s\n", std::string(status.message()).c_str());
  switch (status.code()) {
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kNotFound:
    case absl::StatusCode::kOutOfRange:
    case absl::StatusCode::kAlreadyExists:
    case absl::StatusCode::kFailedPrecondition:
    case absl::StatusCode::kPermissionDenied:
    case absl::StatusCode::kUnauthenticated:
      return kWrong;
    default:
      return kFailed;
  }
}

}  // namespace temper::cli
