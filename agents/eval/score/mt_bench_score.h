// MT-Bench's mean grades, by turn and by category; and its pairs.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "agents/eval/formats/mt_bench.h"
#include "agents/eval/score/score_row.h"

namespace temper::agents {

// Rows "all", "turn 1", "turn 2", then one for each category by name (of `categories`, by
// question id; may be empty). A grade of -1 is invalid and left out. A turn of a question that was
// graded several times counts with its mean. FAILED_PRECONDITION: not one grade is valid.
absl::StatusOr<std::vector<ScoreRow>> ScoreMtBench(
    const std::vector<MtBenchGrade>& grades, const std::map<std::string, std::string>& categories,
    const BootstrapOptions& options);

// How often `model` wins, a tie being half: it wins a pair when it wins both games; a pair whose
// games disagree is a tie, and one with an error is invalid. Pairs without `model` are passed over.
// FAILED_PRECONDITION: no pair is valid.
absl::StatusOr<ScoreRow> ScoreMtBenchPairs(const std::vector<MtBenchPair>& pairs,
                                           const std::string& model,
                                           const BootstrapOptions& options);

}  // namespace temper::agents
