// WildBench's results:
// eval_results/<ver>/{pairwise,score}.v2/eval=<judge>/[ref=<ref>/]<model>.json.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "agents/select/judgement/verdict.h"
#include "nlohmann/json.hpp"

namespace temper::agents {

// Of one task, two answers in one order: {session_id, parsed_result, model_A, model_B, winner
// (a model's name or "tie"), extent (0, 1, 2), model_outputs: {model: text}}.
struct WildBenchPair {
  std::string session_id;
  std::string model_a, model_b;
  std::string output_a, output_b;
  std::optional<Verdict> verdict;  // nothing: none could be read; such records are not in a file
  nlohmann::ordered_json parsed_result;
};
// `pair` has a verdict.
nlohmann::ordered_json WildBenchPairRecord(const WildBenchPair& pair);
absl::StatusOr<std::vector<WildBenchPair>> ReadWildBenchPairs(std::string_view text,
                                                              const std::string& path);

// Of one task, one answer: {session_id, parsed_result, model_test, score, model_output}.
struct WildBenchGrade {
  std::string session_id;
  std::string model;
  std::string output;
  std::optional<double> score;  // 1 to 10
  nlohmann::ordered_json parsed_result;
};
// `grade` has a score.
nlohmann::ordered_json WildBenchGradeRecord(const WildBenchGrade& grade);
absl::StatusOr<std::vector<WildBenchGrade>> ReadWildBenchGrades(std::string_view text,
                                                                const std::string& path);

// The five groups that WildBench's tags fall into; "" for a tag it does not know.
std::string_view WildBenchGroup(std::string_view tag);
// Of a question's raw record: the groups of its primary_tag and secondary_tags, in this order, one
// for each tag (a group may stand several times, and counts so).
std::vector<std::string> WildBenchGroups(const nlohmann::ordered_json& question);

}  // namespace temper::agents
