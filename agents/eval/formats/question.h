// Questions of the benchmarks, whatever file they came from.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "nlohmann/json.hpp"

namespace temper::agents {

enum class EvalFormat {
  kArenaHardV01,  // question_id, category, cluster, turns: [{content}]
  kArenaHardV2,   // uid, category, subcategory or cluster, prompt
  kMtBench,       // question_id, category, turns: [text, ...], reference
  kAlpacaEval,    // instruction, dataset; known by their place in the file
  kWildBench,     // session_id, conversation_input: [{role, content}], checklist, primary_tag
  kHelpSteer3,    // context: [{role, content}], domain; known by their place, or by id
};
std::string_view EvalFormatName(EvalFormat format);
// "arena_hard_v2", ...; INVALID_ARGUMENT lists them.
absl::StatusOr<EvalFormat> ParseEvalFormat(std::string_view name);

struct EvalQuestion {
  std::string id;  // unique in its file
  std::string category;
  std::string subcategory;               // cluster, subcategory, language
  nlohmann::ordered_json messages;       // the conversation that is to be answered
  std::vector<std::string> later_turns;  // of the user, each after an answer
  std::vector<std::string> references;   // of MT-Bench, a text for each turn
  nlohmann::ordered_json raw;            // the record as it was
};

struct EvalQuestions {
  EvalFormat format = EvalFormat::kArenaHardV2;
  std::vector<EvalQuestion> questions;  // in the order of the file
};

// The format is told from the first record's keys where none is given. INVALID_ARGUMENT with the
// place: unknown keys, a record without a question, an id that stands twice.
absl::StatusOr<EvalQuestions> ReadQuestions(std::string_view text, const std::string& path,
                                            std::optional<EvalFormat> format = std::nullopt);

}  // namespace temper::agents
