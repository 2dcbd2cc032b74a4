// A run folder for the control-plane bench: a spec that never ends, a model that nobody loads.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "orchestrator/cli/control_plane_bench.h"

namespace temper::cli {

// Writes spec, config, tokenizer and problems into `folder`; the spec's path.
absl::StatusOr<std::string> WriteControlPlaneJob(const std::string& folder,
                                                 const ControlPlaneBenchOptions& options);

struct AppendRate {
  double records_per_second = 0;
  double syncs_per_second = 0;
  double mbytes_per_second = 0;
};
// Appends records of `bytes`, so many between two syncs, to a file in `folder` for a second.
absl::StatusOr<AppendRate> MeasureAppends(const std::string& folder, int64_t bytes,
                                          int records_per_sync);

}  // namespace temper::cli
