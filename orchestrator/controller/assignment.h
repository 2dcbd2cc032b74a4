// Decides which worker serves which run. A pure function.
//
// Reward workers serve every run. A run has one learner, and keeps the one it has while that is
// there. Rollout workers serve as many runs as they can hold, those with the fewest workers first.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "temper/v1/run.pb.h"

namespace temper::orchestrator {

struct AssignableWorker {
  std::string name;
  v1::Role role = v1::ROLE_UNSPECIFIED;
  int runs_max = 1;
  std::set<std::string> runs;  // that it serves now
};

// runs: those that need workers, the oldest first. Workers that are lost or cordoned are left out.
// Worker -> its runs.
std::map<std::string, std::set<std::string>> AssignRuns(
    const std::vector<AssignableWorker>& workers, const std::vector<std::string>& runs);

}  // namespace temper::orchestrator
