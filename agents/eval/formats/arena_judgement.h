// Arena-Hard's judgements: two games a question, with the places exchanged, in its own files.
//
// Game 0 shows the baseline as A, game 1 the candidate. v2: model_judgment/<judge>/<model>.jsonl
// with uid, category, judge, model, baseline, games[2]{score, judgment, prompt}, a game or its
// score null where there is none. v0.1: question_id, model, judge, games[2]{user_prompt, judgment,
// score}.
#pragma once

#include <array>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "agents/eval/formats/question.h"
#include "agents/select/judgement/verdict.h"
#include "nlohmann/json.hpp"

namespace temper::agents {

struct ArenaGame {
  std::optional<Verdict> verdict;  // of A and B as they were shown; nothing: none could be read
  std::string judgement;           // what the judge wrote
  nlohmann::ordered_json prompt;   // the messages that it was asked
};

struct ArenaJudgement {
  std::string question_id;
  std::string category;
  std::string judge;
  std::string model;
  std::string baseline;
  std::array<ArenaGame, 2> games;
};

// What stands as A and as B in a game.
struct ArenaSides {
  std::string_view a;
  std::string_view b;
};
ArenaSides SidesOf(int game, std::string_view baseline, std::string_view candidate);

// How the candidate fared: the verdict of game 0 turned round, so that A is the candidate in both.
std::optional<Verdict> CandidateVerdict(const ArenaJudgement& judgement, int game);

// `format`: kArenaHardV01 or kArenaHardV2.
nlohmann::ordered_json ArenaJudgementRecord(EvalFormat format, const ArenaJudgement& judgement);

// Either format, told by each record's keys. A label that is none counts as no verdict.
// INVALID_ARGUMENT with the place: no id, not two games.
absl::StatusOr<std::vector<ArenaJudgement>> ReadArenaJudgements(std::string_view text,
                                                                const std::string& path);

}  // namespace temper::agents
