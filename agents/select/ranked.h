// From numbers to a decision: sorting, the line after the kept, ties that lineage decides.
#pragma once

#include <optional>
#include <vector>

#include "agents/select/decision.h"

namespace temper::agents {

// Ranks candidates by `scores`, higher first, equal ones in lineage order, and keeps `keep` of
// them (fewer where fewer have a score). Those without a score are out. keep >= 1.
Decision Ranked(std::vector<std::optional<double>> scores, int keep);

}  // namespace temper::agents
