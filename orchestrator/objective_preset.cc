// The table of presets and their formulas.
#include "orchestrator/objective_preset.h"

#include <utility>

#include "base/check.h"

namespace temper::orchestrator {
namespace {

constexpr ObjectivePreset kPresets[] = {
    {"grpo", "group_norm", "sequence_mean", 0.2, 0.2},
    {"dr_grpo", "group_mean", "token_sum_constant", 0.2, 0.2},
    {"dapo", "group_norm", "token_mean", 0.2, 0.28},
    {"rloo", "leave_one_out", "token_mean", 0.2, 0.2},
    {"reinforce", "none", "token_mean", 0.2, 0.2},
};

using Formula = std::pair<std::string_view, std::string_view>;

constexpr Formula kAdvantages[] = {
    {"group_norm",
     "A = (R - mean) / (std + 1e-6) within the group, std with ddof 1; 0 where all R are equal"},
    {"group_mean", "A = R - mean within the group"},
    {"leave_one_out", "A = R - mean of the group's other samples"},
    {"none", "A = R"},
};

constexpr Formula kAggregations[] = {
    {"sequence_mean", "J = mean over episodes of (sum over tokens of j / tokens of the response)"},
    {"token_mean", "J = sum over all tokens of j / all response tokens of the batch"},
    {"token_sum_constant", "J = sum over all tokens of j / (episodes x max_tokens)"},
};

std::vector<std::string> Names(std::span<const Formula> table) {
  std::vector<std::string> names;
  for (const Formula& formula : table) names.emplace_back(formula.first);
  return names;
}

std::string_view Lookup(std::span<const Formula> table, std::string_view name) {
  for (const Formula& formula : table) {
    if (formula.first == name) return formula.second;
  }
  TEMPER_CHECK(false && "an unknown name reached the formulas");
}

}  // namespace

std::span<const ObjectivePreset> ObjectivePresets() { return kPresets; }

const ObjectivePreset* FindPreset(std::string_view algorithm) {
  for (const ObjectivePreset& preset : kPresets) {
    if (preset.algorithm == algorithm) return &preset;
  }
  return nullptr;
}

std::vector<std::string> AlgorithmNames() {
  std::vector<std::string> names;
  for (const ObjectivePreset& preset : kPresets) names.emplace_back(preset.algorithm);
  return names;
}
std::vector<std::string> AdvantageNames() { return Names(kAdvantages); }
std::vector<std::string> AggregationNames() { return Names(kAggregations); }

std::string_view AdvantageFormula(std::string_view advantage) {
  return Lookup(kAdvantages, advantage);
}
std::string_view AggregationFormula(std::string_view aggregation) {
  return Lookup(kAggregations, aggregation);
}

}  // namespace temper::orchestrator
