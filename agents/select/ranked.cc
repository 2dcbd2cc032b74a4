// One rule for all methods: a stable sort, so that lineage decides among equals.
#include "agents/select/ranked.h"

#include <algorithm>
#include <utility>

#include "base/check.h"

namespace temper::agents {

Decision Ranked(std::vector<std::optional<double>> scores, int keep) {
  TEMPER_CHECK(keep >= 1);
  Decision decision;
  for (size_t i = 0; i < scores.size(); ++i) {
    (scores[i].has_value() ? decision.ranking : decision.out).push_back(static_cast<int>(i));
  }
  std::stable_sort(decision.ranking.begin(), decision.ranking.end(),
                   [&](int a, int b) { return *scores[a] > *scores[b]; });
  const size_t count = std::min(decision.ranking.size(), static_cast<size_t>(keep));
  decision.kept.assign(decision.ranking.begin(), decision.ranking.begin() + count);
  std::sort(decision.kept.begin(), decision.kept.end());
  decision.by_lineage = count > 0 && count < decision.ranking.size() &&
                        *scores[decision.ranking[count - 1]] == *scores[decision.ranking[count]];
  decision.scores = std::move(scores);
  return decision;
}

}  // namespace temper::agents
