// Select by score: the highest recorded numbers win; nobody is asked anything.
#pragma once

#include <optional>
#include <vector>

#include "absl/status/statusor.h"
#include "agents/select/decision.h"

namespace temper::agents {

// Equal scores go to the earlier lineage and are flagged. A candidate without a score, or with one
// that is no finite number, is out and counted. INVALID_ARGUMENT: no candidates, keep below 1.
// FAILED_PRECONDITION: none has a score.
absl::StatusOr<Decision> ChooseByScore(const std::vector<std::optional<double>>& scores, int keep);

}  // namespace temper::agents
