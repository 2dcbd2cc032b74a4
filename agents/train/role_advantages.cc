// Group baselines, then every role by its own statistics.
#include "agents/train/role_advantages.h"

#include <algorithm>
#include <cmath>
#include <string_view>

#include "base/advantage.h"

namespace temper::agents {
namespace {

using Outcome = GroupAdvantages::Outcome;

constexpr double kEpsilon = 1e-6;

// The names of rules are the papers', those of the formulas say what they do.
std::string_view FormulaOf(std::string_view rule) {
  if (rule == "grpo") return "group_norm";
  if (rule == "rloo") return "leave_one_out";
  if (rule == "dr_grpo") return "group_mean";
  return "none";
}

GroupAdvantages InGroup(const TrainRule* rule, const RewardGroup& group) {
  GroupAdvantages result;
  result.advantages.resize(group.rewards.size(), 0);
  if (rule == nullptr) return result;
  std::vector<double> rewards;
  for (const std::optional<double>& reward : group.rewards) {
    if (reward.has_value()) rewards.push_back(*reward);
  }
  const bool baseline = rule->advantage != "none";
  result.outcome = rewards.empty() || (baseline && rewards.size() < 2) ? Outcome::kAlone
                   : baseline && WithoutSignal(rewards)                ? Outcome::kNoVariance
                                                                       : Outcome::kLearns;
  if (result.outcome != Outcome::kLearns) return result;
  const std::vector<double> advantages = Advantages(FormulaOf(rule->advantage), rewards);
  auto next = advantages.begin();
  for (size_t i = 0; i < group.rewards.size(); ++i) {
    if (group.rewards[i].has_value()) result.advantages[i] = *next++;
  }
  return result;
}

void Normalise(std::vector<double*>& values) {
  double mean = 0, squares = 0;
  for (const double* value : values) mean += *value;
  mean /= static_cast<double>(values.size());
  for (const double* value : values) squares += (*value - mean) * (*value - mean);
  const double deviation =
      values.size() < 2 ? 0 : std::sqrt(squares / static_cast<double>(values.size() - 1));
  for (double* value : values) {
    *value = deviation == 0 ? 0 : (*value - mean) / (deviation + kEpsilon);
  }
}

}  // namespace

std::vector<GroupAdvantages> RoleAdvantages(const Graph& graph,
                                            const std::vector<RewardGroup>& groups) {
  std::vector<const TrainRule*> rules(graph.roles.size(), nullptr);
  for (const TrainRule& rule : graph.train) rules[static_cast<size_t>(rule.role)] = &rule;
  std::vector<GroupAdvantages> results;
  for (const RewardGroup& group : groups) {
    results.push_back(
        InGroup(group.role < 0 ? nullptr : rules[static_cast<size_t>(group.role)], group));
  }
  for (int role = 0; role < static_cast<int>(graph.roles.size()); ++role) {
    std::vector<double*> values;
    for (size_t g = 0; g < groups.size(); ++g) {
      if (groups[g].role != role || results[g].outcome != Outcome::kLearns) continue;
      for (size_t i = 0; i < groups[g].rewards.size(); ++i) {
        if (groups[g].rewards[i].has_value()) values.push_back(&results[g].advantages[i]);
      }
    }
    if (!values.empty()) Normalise(values);
  }
  return results;
}

}  // namespace temper::agents
