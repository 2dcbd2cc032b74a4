// One line of a report: a number, and everything one must know to believe it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "agents/eval/score/estimate.h"
#include "nlohmann/json.hpp"

namespace temper::agents {

struct ScoreRow {
  std::string name;   // "win rate against o3-mini", "hard_prompt", "turn 2"
  std::string scale;  // "%", "1-10", "-10..10": what `value` is in
  Estimate estimate;
  int64_t n = 0;        // questions that it is over
  int64_t invalid = 0;  // left out: no verdict could be read
  int repeats = 1;      // of each question; the number is the mean over them
  // Of pairs judged in both orders: how many had another winner when the order changed.
  std::optional<double> flip_rate;
  std::optional<double> mean_length;
  std::string length_unit;         // "tokens", "characters"
  std::optional<double> usd;       // what it cost, where the caller knows
  std::string interval_over;       // what was resampled: "questions", "battles"
  std::vector<std::string> notes;  // what a reader must be told
};

// A table, and below it the notes, each with its row's name.
std::string ToMarkdown(const std::vector<ScoreRow>& rows);
nlohmann::ordered_json ToJson(const std::vector<ScoreRow>& rows);

}  // namespace temper::agents
