// AlpacaEval's annotations, and the two tables that its length control stands on.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "nlohmann/json.hpp"

namespace temper::agents {

// annotations.json: an array of {instruction, output_1, generator_1, output_2, generator_2,
// preference, annotator, ...}; output_1 is the baseline's, output_2 the model's; preference 1 (the
// baseline is better) to 2 (the model is), 1.5 or 0 a tie, null: none.
struct AlpacaAnnotation {
  int64_t index = 0;  // of the instruction: "index" where it is there, else its place in the file
  std::string instruction;
  std::string output_1, generator_1;
  std::string output_2, generator_2;
  std::string annotator;
  std::optional<double> preference;  // for the model, in [0, 1]
};
nlohmann::ordered_json AlpacaAnnotationRecord(const AlpacaAnnotation& annotation);
absl::StatusOr<std::vector<AlpacaAnnotation>> ReadAlpacaAnnotations(std::string_view text,
                                                                    const std::string& path);

// instruction_difficulty.csv: a number for each instruction, by its place from 0.
absl::StatusOr<std::map<int64_t, double>> ReadInstructionDifficulty(std::string_view csv,
                                                                    const std::string& path);

// df_gamed.csv: annotations of two baselines that were told to be terse or verbose, which pull the
// length term to what it should be.
struct GamedRow {
  double preference = 0;     // in [0, 1]
  double std_delta_len = 0;  // length difference, in standard deviations
  double difficulty = 0;     // of the instruction
  bool not_gamed_baseline = false;
};
absl::StatusOr<std::vector<GamedRow>> ReadGamedRows(std::string_view csv, const std::string& path);

}  // namespace temper::agents
