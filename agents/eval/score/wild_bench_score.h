// WildBench's WB-Score and WB-Reward.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "agents/eval/formats/wild_bench.h"
#include "agents/eval/score/score_row.h"

namespace temper::agents {

// "WB-Score": (mean grade - 5) x 2, -8 to 10 (its leaderboard prints ten times that); then a row
// for each group of tasks by name and "macro", the mean of the groups, where `groups` gives them by
// session (WildBenchGroups). Grades that are no number count as invalid. FAILED_PRECONDITION: none
// is valid.
absl::StatusOr<std::vector<ScoreRow>> ScoreWildBench(
    const std::vector<WildBenchGrade>& grades,
    const std::map<std::string, std::vector<std::string>>& groups, const BootstrapOptions& options);

struct WildBenchRewardOptions {
  // A slight win counts as a tie when the winner is more than this many characters longer; below 0:
  // length makes no difference.
  int64_t length_margin = -1;
  BootstrapOptions bootstrap;
};
// "WB-Reward" of `model` against one reference: the mean of 100, 50, 0, -50, -100 for much better
// to much worse. Pairs with another reference or without the model are passed over. A task that was
// judged in both orders has its flips counted. FAILED_PRECONDITION: no pair is valid.
absl::StatusOr<ScoreRow> RewardWildBench(const std::vector<WildBenchPair>& pairs,
                                         const std::string& model, const std::string& reference,
                                         const WildBenchRewardOptions& options);

}  // namespace temper::agents
