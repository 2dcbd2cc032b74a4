// What a run has come to, for the person who waited for it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "orchestrator/cli/run_folder.h"
#include "orchestrator/progress.h"
#include "temper/v1/controller.pb.h"

namespace temper::cli {

struct ProcessUse {
  std::string name;
  int64_t peak_memory = 0;  // bytes
  int restarts = 0;
};

// Accuracy before and after, curves, sampled solutions, places. Reads the ledger: no controller may
// hold it.
absl::Status PrintRunReport(const RunFolder& folder, const v1::RunEnded& ended,
                            const orchestrator::Progress& progress,
                            const std::vector<ProcessUse>& uses);

}  // namespace temper::cli
