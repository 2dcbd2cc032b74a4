// From judges' replies to a benchmark's own records, and from those to its scores.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "agents/eval/judging/judge_task.h"
#include "agents/eval/score/alpaca_score.h"
#include "agents/eval/score/arena_score.h"
#include "agents/eval/score/score_row.h"

namespace temper::agents {

// Everything about one judged answer. `baseline` may be null, as for JudgeTasksOf.
struct JudgedAnswer {
  const EvalQuestion& question;
  const EvalAnswer& candidate;
  const EvalAnswer* baseline;
  std::string judge;  // the judge's model
  double tstamp = 0;
};

// A reply of a judge: what it wrote and was asked; nothing: the call failed.
struct JudgeReply {
  std::string text;
  nlohmann::ordered_json prompt;  // the messages; may be null
};

struct JudgedRecords {
  std::vector<nlohmann::ordered_json> records;  // of the benchmark's judgement file
  int invalid = 0;                    // replies without a verdict, failed calls among them
  std::vector<std::string> problems;  // of each, in words
};

// replies: one for each of `tasks`, which JudgeTasksOf gave. A failed reply becomes what the
// benchmark has for it: a null score, -1, a null preference; WildBench leaves the record out.
// AlpacaEval's two games become one preference, their mean: 1.5 where the order decided.
JudgedRecords RecordsOf(EvalFormat format, const JudgedAnswer& judged,
                        const std::vector<JudgeTask>& tasks,
                        const std::vector<std::optional<JudgeReply>>& replies);
// As that benchmark's file holds them: lines, or an array.
std::string JudgementFile(EvalFormat format, const std::vector<nlohmann::ordered_json>& records);

struct EvalScoreOptions {
  ArenaScoreOptions arena;     // of v0.1 the rule for null games is set by the format
  BootstrapOptions bootstrap;  // of the others
  AlpacaTables alpaca;
  int64_t length_margin = -1;  // of WildBench's pairs
  std::string model;           // whose score it is, where a file holds pairs of several
  std::string reference;       // of WildBench's and MT-Bench's pairs
};

// The scores of a judgement file. `answers` (of the model) give lengths, `questions` categories;
// both may be empty. INVALID_ARGUMENT: not such a file; FAILED_PRECONDITION: nothing in it counts.
absl::StatusOr<std::vector<ScoreRow>> ScoreJudgements(EvalFormat format, std::string_view text,
                                                      const std::string& path,
                                                      const std::vector<EvalQuestion>& questions,
                                                      const std::vector<EvalAnswer>& answers,
                                                      const EvalScoreOptions& options);

}  // namespace temper::agents
