// From the scores of one group to the advantage of each of its samples.
#pragma once

#include <span>
#include <string_view>
#include <vector>

namespace temper {

// `kind`: "group_norm", "group_mean", "leave_one_out" or "none";
// orchestrator/objective_preset.h has the formulas. scores: finite, at least one. Sums run in the
// order given, so the same scores give the same bits. Never NaN: a group whose scores are all equal
// gives exactly 0 (but for "none").
std::vector<double> Advantages(std::string_view kind, std::span<const double> scores);

// All scores equal: such a group teaches a group baseline nothing.
bool WithoutSignal(std::span<const double> scores);

}  // namespace temper
