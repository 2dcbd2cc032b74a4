// MT-Bench's judgements: grades of a turn, and pairs in both orders, as FastChat's scripts have
// them.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "nlohmann/json.hpp"

namespace temper::agents {

// model_judgment/<judge>_single.jsonl: question_id, model, judge: [name, prompt], user_prompt,
// judgment, score (-1: none could be read), turn, tstamp.
struct MtBenchGrade {
  nlohmann::ordered_json question_id;  // a number in its file; kept as it is
  std::string model;
  std::string judge;
  std::string judge_prompt;  // the template's name: "single-v1", "single-math-v1-multi-turn"
  std::string user_prompt;
  std::string judgement;
  std::optional<double> score;
  int turn = 1;
  double tstamp = 0;
};
nlohmann::ordered_json MtBenchGradeRecord(const MtBenchGrade& grade);
absl::StatusOr<std::vector<MtBenchGrade>> ReadMtBenchGrades(std::string_view text,
                                                            const std::string& path);

// model_judgment/<judge>_pair.jsonl: question_id, model_1, model_2, g1_winner, g2_winner
// ("model_1", "model_2", "tie", "error"), judge, g1_user_prompt, g1_judgment, ..., turn, tstamp. In
// game 1 model_1 is A, in game 2 it is B.
struct MtBenchPair {
  enum class Winner { kModel1, kModel2, kTie, kError };
  nlohmann::ordered_json question_id;
  std::string model_1, model_2;
  Winner winner_1 = Winner::kError;  // of game 1
  Winner winner_2 = Winner::kError;  // of game 2
  std::string judge;
  std::string judge_prompt;
  std::string user_prompt_1, user_prompt_2;
  std::string judgement_1, judgement_2;
  int turn = 1;
  double tstamp = 0;
};
nlohmann::ordered_json MtBenchPairRecord(const MtBenchPair& pair);
absl::StatusOr<std::vector<MtBenchPair>> ReadMtBenchPairs(std::string_view text,
                                                          const std::string& path);

// How warm an answer to a question of this category is drawn: 0.7 for writing and roleplay, 0 for
// extraction, math, coding and reasoning, 0.1 for stem, humanities; nothing for another one.
std::optional<double> MtBenchTemperature(std::string_view category);
// Whether the judge is shown a reference: math, reasoning, coding.
bool MtBenchNeedsReference(std::string_view category);

}  // namespace temper::agents
