// A model's answers in each benchmark's own files, so that its scripts can judge them.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "agents/eval/formats/question.h"
#include "agents/eval/formats/style.h"
#include "nlohmann/json.hpp"

namespace temper::agents {

struct EvalAnswer {
  std::string question_id;
  std::string answer_id;
  std::string model;
  std::vector<std::string> turns;    // the assistant's texts
  std::vector<int64_t> token_lens;   // of each turn, where they are known
  double tstamp = 0;                 // seconds since 1970
  std::optional<AnswerStyle> style;  // read from the file; writers count anew
};

// A record of model_answer/<model>.jsonl (Arena-Hard, MT-Bench) or of the array that AlpacaEval and
// WildBench want; HelpSteer3 has no such file: {id, context, response, generator}. `answer` belongs
// to `question` and has at least one turn. What a benchmark keys by number stays a number.
nlohmann::ordered_json AnswerRecord(EvalFormat format, const EvalQuestion& question,
                                    const EvalAnswer& answer);
// Records as that benchmark's file holds them: lines, or an array.
std::string AnswerFile(EvalFormat format, const std::vector<nlohmann::ordered_json>& records);

// Any of these files, told by the keys of each record. INVALID_ARGUMENT with the place.
absl::StatusOr<std::vector<EvalAnswer>> ReadAnswers(std::string_view text, const std::string& path);

}  // namespace temper::agents
