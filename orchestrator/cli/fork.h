// `temper fork`, with a place for the form that needs no controller.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "orchestrator/cli/verbs.h"
#include "temper/v1/controller.pb.h"

namespace temper::cli {

// Forks the run in a folder that no controller has; fills the answer and says where the fork is.
using OfflineForker = absl::StatusOr<std::string> (*)(const std::string& dir,
                                                      const v1::ForkRequest& request,
                                                      v1::ForkResponse& response);

// offline: null where only a controller can fork.
void AddFork(CLI::App& program, Chosen& chosen, OfflineForker offline);

}  // namespace temper::cli
