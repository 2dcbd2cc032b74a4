// A fork made from the folder of a run that nobody has open.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "orchestrator/fork.h"

namespace temper::cli {

struct OfflineFork {
  std::string dir;                    // of the parent
  int64_t step = 0;                   // its policy step
  std::string name;                   // "": the parent's, "-at-" and the step
  std::vector<std::string> settings;  // "a.b=value"
  std::string root;                   // "": beside the parent's folder
};

// Prepares the fork and tells the parent's ledger of it. As PrepareFork (fork.h) says, and
// FAILED_PRECONDITION where a controller has the run open: it makes the fork then.
absl::StatusOr<orchestrator::PreparedFork> ForkOffline(const OfflineFork& wanted);

}  // namespace temper::cli
