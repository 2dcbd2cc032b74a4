// What judges are asked of an answer, as inputs of a judge's graph.
//
// Judges are graphs of their own (examples/graphs/judges/<graph>.json): one call whose prompt is a
// file, so that its words can be read and changed. Pairs are always two tasks, with the places
// exchanged. Nothing here makes a call.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "agents/eval/formats/answer.h"
#include "agents/eval/formats/question.h"
#include "nlohmann/json.hpp"

namespace temper::agents {

struct JudgeTask {
  std::string graph;              // "arena_hard": the file's name without ".json"
  nlohmann::ordered_json inputs;  // of that graph, by name
  int game = 0;                   // of a pair: 0 with the baseline as A, 1 with the candidate
  int turn = 1;                   // of MT-Bench
};

// Arena-Hard, HelpSteer3: two games against `baseline` ("arena_hard", or "arena_hard_creative" for
// the category creative_writing). AlpacaEval: two games ("alpaca_eval"). MT-Bench: a grade for each
// turn ("mt_bench_turn_1", "mt_bench_turn_2"). WildBench: a grade ("wild_bench_score"), or two
// games where there is a baseline ("wild_bench_pair"). `baseline` may be null where no pair is
// judged. INVALID_ARGUMENT: a baseline is missing, or an answer has too few turns.
absl::StatusOr<std::vector<JudgeTask>> JudgeTasksOf(EvalFormat format, const EvalQuestion& question,
                                                    const EvalAnswer& candidate,
                                                    const EvalAnswer* baseline);

// A conversation as a judge reads it: one turn as it is, several as "USER: ..." and "ASSISTANT:
// ...".
std::string TranscriptOf(const nlohmann::ordered_json& messages);

}  // namespace temper::agents
