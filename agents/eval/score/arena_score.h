// Arena-Hard's score: the share of battles that a candidate wins against a baseline.
//
// A question is two games with the places exchanged. A slight win is one battle won, a great one
// three; a tie is half a battle. v2 drops a question of which either game has no verdict, v0.1 the
// game alone. v0.1 fits Bradley and Terry's model to the battles: with one baseline, whose strength
// is fixed, that is the same mean.
//
// Where a question was judged several times, the score is the mean over repeats, each scored by
// itself. (The best verdict of several would be a score of best-of-n.)
#pragma once

#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "agents/eval/formats/answer.h"
#include "agents/eval/formats/arena_judgement.h"
#include "agents/eval/score/estimate.h"
#include "agents/eval/score/score_row.h"

namespace temper::agents {

struct ArenaScoreOptions {
  enum class Nulls { kDropQuestion, kDropGame };  // v2, v0.1
  Nulls nulls = Nulls::kDropQuestion;
  int weight = 3;  // battles of a great win
  // What the interval resamples. Arena-Hard's scripts resample battles, as if the two games and the
  // three battles of a great win were independent; whole questions are the honest unit, and wider.
  enum class Unit { kQuestions, kBattles };
  Unit unit = Unit::kQuestions;
  BootstrapOptions bootstrap;
};

// A candidate's battles on one question in one game.
struct ArenaBattles {
  double outcome = 0;  // of each: 1 won, 0.5 tied, 0 lost
  int count = 0;       // 1, or `weight`
};
ArenaBattles BattlesOf(Verdict candidate_verdict, int weight);

// What style control needs: the styles of a model's answers by question.
using StylesByQuestion = std::map<std::string, AnswerStyle>;
// Styles as the file says them; where it does not, counted, with the token length that it has.
StylesByQuestion StylesOf(const std::vector<EvalAnswer>& answers);

// Of one model's judgements against one baseline; in %. `styles`, of the model, gives the mean
// length; may be empty. FAILED_PRECONDITION: not one game has a verdict.
absl::StatusOr<ScoreRow> ScoreArena(const std::vector<ArenaJudgement>& judgements,
                                    const StylesByQuestion& styles,
                                    const ArenaScoreOptions& options);
// The same for each category, in the order of their first judgement; a category in which no game
// has a verdict is an error.
absl::StatusOr<std::vector<ScoreRow>> ScoreArenaByCategory(
    const std::vector<ArenaJudgement>& judgements, const StylesByQuestion& styles,
    const ArenaScoreOptions& options);

}  // namespace temper::agents
