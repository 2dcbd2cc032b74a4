// From finished executions to lines of training data; whoever calls writes them out, one a line.
//
//   sft   {"messages": [...], "response": "...", "score": 4.5}
//         what was asked and what came out (each of them where the output is a list); "score" where
//         there is one. A data file of `warm_start` as it is.
//   pref  {"messages": [...], "chosen": "...", "rejected": "...", "margin": 1.5}
//         two answers to what was asked, feedback not among them; margin: the difference of their
//         scores, above `margin_min`. Scores are the verifiers', else those of the graph's newest
//         judgement: a score node's, a selection's, a contest's strengths. Answers without a score
//         are left out, answers with the same text meet once.
//   rl    {"execution": 0, "role": "editor", "node": "edit", "lineage": "draft=3", "sample": 1,
//          "group": "0/edit[draft=3]", "messages": [...], "response": "...", "finish": "stop",
//          "prompt_tokens": [...], "tokens": [...], "logprobs": [...], "version": 12,
//          "score": 1, "reward": 0.5, "advantage": 0.71}
//         one transition for each sample of a role that learns. Tokens, log-probabilities and
//         version are there where the server told them; score and reward where they are known.
//         "left_out" says why a group teaches nothing ("no variance", "alone"); its advantages
//         are 0.
//
// Pure; any thread.
#pragma once

#include <memory>
#include <vector>

#include "absl/status/statusor.h"
#include "agents/run/execution.h"
#include "agents/train/credit.h"
#include "nlohmann/json.hpp"

namespace temper::agents {

using Lines = std::vector<nlohmann::ordered_json>;

// Of an execution that is done; none where it failed.
Lines SftLines(const Execution& execution);

enum class PairChoice {
  kBestAndWorst,  // one pair of an execution
  kAll,           // every pair
};
struct PairOptions {
  PairChoice choice = PairChoice::kBestAndWorst;
  double margin_min = 0;
};
// In the order of the samples: the chosen one's, then the rejected one's.
Lines PreferenceLines(const Execution& execution, const PairOptions& options);

// The executions are one step: roles are normalised over all of them. INVALID_ARGUMENT as of
// AssignCredit.
absl::StatusOr<Lines> TransitionLines(const std::vector<const Execution*>& executions,
                                      const CreditOptions& options);

}  // namespace temper::agents
