// A missing score is a failure that happened before; it takes no part and never becomes a number.
#include "agents/select/score_choice.h"

#include <cmath>
#include <utility>

#include "absl/strings/str_cat.h"
#include "agents/select/ranked.h"

namespace temper::agents {

absl::StatusOr<Decision> ChooseByScore(const std::vector<std::optional<double>>& scores, int keep) {
  if (scores.empty()) return absl::InvalidArgumentError("select by score: there are no candidates");
  if (keep < 1) {
    return absl::InvalidArgumentError(
        absl::StrCat("select by score: keep ", keep, ", expected at least 1"));
  }
  std::vector<std::optional<double>> finite = scores;
  for (std::optional<double>& score : finite) {
    if (score.has_value() && !std::isfinite(*score)) score.reset();
  }
  Decision decision = Ranked(std::move(finite), keep);
  if (decision.ranking.empty()) {
    return absl::FailedPreconditionError(
        absl::StrCat("select by score: none of the ", scores.size(),
                     " candidates has a score; see the failures of the node that scores them"));
  }
  return decision;
}

}  // namespace temper::agents
