// What a complete gathering with an environment comes to: a batch, metrics, an evaluation. Pure.
//
// Everything is in one order: row slots, instances by number (which is the order of groups' ids),
// samples. So sums have the same bits whoever answered first.
#pragma once

#include <cstdint>
#include <deque>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "orchestrator/gathered_group.h"
#include "orchestrator/graph_environment.h"
#include "orchestrator/ledger.h"
#include "temper/v1/run.pb.h"

namespace temper::orchestrator {

struct GraphStep {
  std::vector<BatchEntry> entries;
  // Scored, but left out of the batch: they would teach nothing.
  std::vector<DropGroup> left_out;
  // Rewards, lengths, groups without signal, roles; not the times.
  v1::StepMetrics metrics;
};

// Rewards by the graph's rules from the scores (agents/train/credit.h), advantages by role
// (agents/train/role_advantages.h). Where no group would teach anything, those of roles that learn
// are kept with advantages of 0. INVALID_ARGUMENT: a rule that cannot be worked out.
absl::StatusOr<GraphStep> ConcludeStep(const GraphEnvironment& environment,
                                       const std::deque<GatheredGroup>& groups);

// problems, accuracy (of the outputs; an execution whose samples chose nothing counts as 0),
// length_mean (tokens of all samples of a row), roles. Rows of which a group was dropped are left
// out: our failure is nobody's wrong answer.
v1::EvaluationResult ConcludeEvaluation(const GraphEnvironment& environment,
                                        const std::deque<GatheredGroup>& groups);

}  // namespace temper::orchestrator
