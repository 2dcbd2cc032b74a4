// Generative reward models of the HelpSteer3 family: their text (v1) and their JSON (v2).
//
// v1: prose, then "[The Begin of Individual Scores] \boxed{a, b} [The End of Individual Scores]"
// and
// "[The Begin of Ranking Score] \boxed{r} [The End of Ranking Score]"; of one response only
// \boxed{a}. v2: {"score_1": a, "score_2": b, "ranking": r}. Scores are 1 (worst) to 5, the ranking
// 1 (the first is much better) to 6 (the second is).
#pragma once

#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace temper::agents {

struct GenRmJudgement {
  std::vector<double> scores;  // one or two
  double ranking = 0;          // of two responses; 0 of one

  // In favour of the first: ranking 1..6 as 1, 0.8, ..., 0. Two responses.
  double Preference() const;
};

// responses: 1 or 2, as they were sent. INVALID_ARGUMENT: a part is missing, has another number of
// values, or is out of its range.
absl::StatusOr<GenRmJudgement> ReadGenRmText(std::string_view reply, int responses);
absl::StatusOr<GenRmJudgement> ReadGenRmJson(std::string_view reply, int responses);

}  // namespace temper::agents
