// Who helped: one reward for each sample that an execution generated.
//
// An execution that fans out holds its own counterfactuals: siblings with another draft, feedback
// or edit. No call is made and nothing is estimated by another model.
//
//   Final(s)   mean score of LeavesOf(s): the answers that became of it
//   gain       of an edit: score(edit) - score(subject). Of a feedback: mean gain of the edits that
//              used it minus mean gain of the others of the same subject; where every edit used it,
//              the mean gain itself (pooled: siblings share one credit, counted); where none did,
//              there is none
//   calibrated 1 - |level - score(subject)|, level: what the text says of its subject (TrainRule's
//              levels), scores in [0, 1]; a text that says nothing gets 0. A critic that is only
//              paid for refinement helps and does not discriminate (Critique-RL, arXiv 2510.24320)
//
// A rule's expression gives the reward; of roles whose rule has none:
//   draft      Final(s); the group's baseline takes the siblings' mean away
//   feedback   gain; 0.5 gain + 0.5 calibrated where a sibling says a level
//   edit       gain, less `unchanged_penalty` where it gave its subject back (byte-equal but for
//              white space around) though there was something to mend. The feedback-edit system
//              saw 30 % of edits unchanged before it trained on such pairs (arXiv 2503.04378)
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "agents/run/execution.h"
#include "agents/train/sample_tree.h"

namespace temper::agents {

struct CreditOptions {
  double unchanged_penalty = 0.1;
  // A subject with this score has nothing to mend. Absent: there always is something.
  std::optional<double> full_score;
};

struct Transition {
  Sample sample;
  std::string path;              // of the node: "refine/critic"
  std::optional<double> reward;  // absent: nothing says how good it was
  bool unchanged = false;        // an edit that is its subject
  bool pooled = false;           // its gain is its siblings' too
};

// Of one role, over an execution; sums, to be added up over a step.
struct RoleCredit {
  int64_t samples = 0, scored = 0, rewarded = 0, unchanged = 0, pooled = 0;
  double score_sum = 0, reward_sum = 0;
  // How far the leaves' scores spread by the choice among siblings, over this role's groups:
  //   effect  sum over siblings s of leaves(s) (mean leaf of s - mean leaf of all siblings)^2
  //   within  sum over leaves of s of (score - mean leaf of s)^2
  // and their degrees of freedom. In a tree the roles' effects add up to the spread of all leaves.
  double effect = 0, within = 0;
  int64_t effect_freedom = 0, within_freedom = 0;

  void Add(const RoleCredit& other);
};

struct Credit {
  std::vector<Transition> transitions;  // as SamplesOf: siblings lie together
  std::vector<RoleCredit> roles;        // by Graph::roles
  double spread = 0;                    // sum over leaves of (score - mean)^2
};

// The part of `spread` that comes with this role's choices, less what chance alone would give:
// (effect - effect_freedom x within / within_freedom) / spread, at least 0 (omega squared, but for
// its small denominator). A role whose share stays near 0 while others' do not may be idle (lazy
// agents, arXiv 2511.02303). 0 where nothing spreads.
double CausalShare(const RoleCredit& role, double spread);

// INVALID_ARGUMENT: an expression that cannot be worked out, with its place.
absl::StatusOr<Credit> AssignCredit(const Execution& execution, const CreditOptions& options);

}  // namespace temper::agents
