// From the rewards of a step to what each sample is trained with.
//
// A group is one instance: the same role, the same rendered prompt, siblings along the last axis
// (groups per agent and turn: AT-GRPO, arXiv 2510.11062). Within a group the rule's baseline:
//   grpo     a = (R - mean) / (std + 1e-6), std with ddof 1
//   dr_grpo  a = R - mean;  rloo  a = R - mean of the others;  none  a = R
// (base/advantage.h). Then, because roles differ in how far their rewards spread, every role with
// its own statistics over the whole step (Dr. MAS, arXiv 2602.08847):
//   A = (a - mean_role(a)) / (std_role(a) + 1e-6), std with ddof 1; 0 where std_role is 0
// A group whose rewards are all equal teaches nothing and is left out, but for "none"; so is a
// group with fewer than two rewards.
#pragma once

#include <optional>
#include <vector>

#include "agents/graph/graph.h"

namespace temper::agents {

struct RewardGroup {
  int role = -1;
  std::vector<std::optional<double>> rewards;  // by sample
};

struct GroupAdvantages {
  enum class Outcome {
    kLearns,
    kNoRule,      // the role does not learn
    kNoVariance,  // all rewards are equal
    kAlone,       // fewer than two rewards
  };
  Outcome outcome = Outcome::kNoRule;
  std::vector<double> advantages;  // by sample; 0 where it has no reward or the group is left out
};

// The answer is in the order of the groups.
std::vector<GroupAdvantages> RoleAdvantages(const Graph& graph,
                                            const std::vector<RewardGroup>& groups);

}  // namespace temper::agents
