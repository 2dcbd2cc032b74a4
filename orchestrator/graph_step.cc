// From executions to a batch and its figures.
#include "orchestrator/graph_step.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <optional>
#include <tuple>
#include <utility>

#include "absl/strings/str_cat.h"
#include "agents/train/credit.h"
#include "agents/train/role_advantages.h"
#include "agents/train/sample_tree.h"
#include "base/check.h"
#include "base/status_macros.h"

namespace temper::orchestrator {
namespace {

using agents::GroupAdvantages;
using agents::RewardGroup;
using Outcome = GroupAdvantages::Outcome;

// A sample right in everything; no rubric gives more.
constexpr double kFullScore = 1;

std::vector<const GatheredGroup*> InOrder(const std::deque<GatheredGroup>& groups) {
  std::vector<const GatheredGroup*> sorted;
  for (const GatheredGroup& group : groups) sorted.push_back(&group);
  std::sort(sorted.begin(), sorted.end(), [](const GatheredGroup* a, const GatheredGroup* b) {
    return a->group.id() < b->group.id();
  });
  return sorted;
}

// Of what came out; 0 where the samples chose nothing.
double OutputScore(const agents::Execution& execution) {
  if (!execution.done() || execution.output().failed || execution.output().items.empty()) return 0;
  return agents::ScoreOf(execution.output().items.front()).value_or(0);
}

std::string ReasonOf(Outcome outcome, const agents::Role& role) {
  switch (outcome) {
    case Outcome::kNoRule:
      return absl::StrCat("the role ", role.name, " does not learn");
    case Outcome::kNoVariance:
      return "teaches nothing: all its rewards are equal";
    case Outcome::kAlone:
      return "teaches nothing: it has fewer than two rewards";
    case Outcome::kLearns:
      break;
  }
  TEMPER_CHECK(false && "a group that learns was left out");
}

struct Moments {
  double mean = 0, deviation = 0;  // of the population
};

Moments MomentsOf(const std::vector<double>& values) {
  Moments moments;
  if (values.empty()) return moments;
  for (const double value : values) moments.mean += value / static_cast<double>(values.size());
  double squares = 0;
  for (const double value : values) squares += (value - moments.mean) * (value - moments.mean);
  moments.deviation = std::sqrt(squares / static_cast<double>(values.size()));
  return moments;
}

class Conclusion {
 public:
  Conclusion(const GraphEnvironment& environment, const std::deque<GatheredGroup>& groups)
      : environment_(environment), groups_(InOrder(groups)) {}

  absl::StatusOr<GraphStep> Step() {
    TEMPER_RETURN_IF_ERROR(Credit());
    advantages_ = agents::RoleAdvantages(environment_.graph(), rewards_);
    const bool any = std::any_of(advantages_.begin(), advantages_.end(), [](const auto& group) {
      return group.outcome == Outcome::kLearns;
    });
    for (size_t g = 0; g < groups_.size(); ++g) {
      const GatheredGroup& group = *groups_[g];
      if (group.dropped) continue;
      const Outcome outcome = advantages_[g].outcome;
      if (outcome == Outcome::kLearns || (!any && outcome != Outcome::kNoRule)) {
        Enter(group, advantages_[g].advantages);
      } else {
        step_.left_out.push_back(
            {group.group.id(), ReasonOf(outcome, environment_.RoleOf(group.place.node))});
      }
    }
    Measure();
    return std::move(step_);
  }

 private:
  absl::Status Credit() {
    std::map<std::tuple<int, int, agents::Point>, size_t> places;
    for (size_t g = 0; g < groups_.size(); ++g) {
      const GraphPlace& place = groups_[g]->place;
      places[{place.slot, place.node, place.point}] = g;
      const int role = environment_.graph().nodes[static_cast<size_t>(place.node)].role;
      rewards_.push_back({role, std::vector<std::optional<double>>(groups_[g]->samples.size())});
    }
    roles_.resize(environment_.graph().roles.size());
    for (size_t slot = 0; slot < environment_.slots(); ++slot) {
      TEMPER_ASSIGN_OR_RETURN(
          const agents::Credit credit,
          agents::AssignCredit(environment_.execution(slot), {.full_score = kFullScore}));
      for (const agents::Transition& one : credit.transitions) {
        const auto found = places.find({static_cast<int>(slot), one.sample.node, one.sample.point});
        TEMPER_CHECK(found != places.end());
        rewards_[found->second].rewards[static_cast<size_t>(one.sample.number)] = one.reward;
      }
      for (size_t r = 0; r < roles_.size(); ++r) roles_[r].Add(credit.roles[r]);
      spread_ += credit.spread;
    }
    return absl::OkStatus();
  }

  void Enter(const GatheredGroup& group, const std::vector<double>& advantages) {
    for (size_t k = 0; k < advantages.size(); ++k) {
      step_.entries.push_back({group.group.id(), static_cast<int>(k), advantages[k]});
    }
  }

  void Measure() {
    v1::StepMetrics& metrics = step_.metrics;
    std::vector<double> outputs;
    for (size_t slot = 0; slot < environment_.slots(); ++slot) {
      outputs.push_back(OutputScore(environment_.execution(slot)));
    }
    const Moments moments = MomentsOf(outputs);
    metrics.set_reward_mean(moments.mean);
    metrics.set_reward_std(moments.deviation);
    int64_t tokens = 0, samples = 0, without_signal = 0;
    std::vector<int64_t> groups(roles_.size()), dropped(roles_.size());
    for (size_t g = 0; g < groups_.size(); ++g) {
      if (groups_[g]->dropped) continue;
      for (const GatheredSample& sample : groups_[g]->samples) tokens += sample.tokens, ++samples;
      const auto role = static_cast<size_t>(rewards_[g].role);
      const Outcome outcome = advantages_[g].outcome;
      ++groups[role];
      if (outcome != Outcome::kLearns) ++dropped[role];
      if (outcome == Outcome::kNoVariance || outcome == Outcome::kAlone) ++without_signal;
    }
    if (samples > 0) {
      metrics.set_length_mean(static_cast<double>(tokens) / static_cast<double>(samples));
    }
    metrics.set_groups_without_signal(without_signal);
    for (size_t r = 0; r < roles_.size(); ++r) {
      if (groups[r] > 0) AddRole(r, groups[r], dropped[r]);
    }
  }

  void AddRole(size_t index, int64_t groups, int64_t dropped) {
    const agents::RoleCredit& credit = roles_[index];
    v1::RoleMetrics& role = *step_.metrics.add_roles();
    role.set_role(environment_.graph().roles[index].name);
    role.set_samples(credit.samples);
    const auto mean = [](double sum, int64_t count) {
      return count == 0 ? 0.0 : sum / static_cast<double>(count);
    };
    role.set_score_mean(mean(credit.score_sum, credit.scored));
    role.set_reward_mean(mean(credit.reward_sum, credit.rewarded));
    role.set_groups(groups);
    role.set_groups_dropped(dropped);
    role.set_unchanged(credit.unchanged);
    role.set_pooled(credit.pooled);
    role.set_causal_share(agents::CausalShare(credit, spread_));
  }

  const GraphEnvironment& environment_;
  const std::vector<const GatheredGroup*> groups_;
  std::vector<RewardGroup> rewards_;         // as groups_
  std::vector<GroupAdvantages> advantages_;  // as groups_
  std::vector<agents::RoleCredit> roles_;    // by Graph::roles
  double spread_ = 0;
  GraphStep step_;
};

}  // namespace

absl::StatusOr<GraphStep> ConcludeStep(const GraphEnvironment& environment,
                                       const std::deque<GatheredGroup>& groups) {
  return Conclusion(environment, groups).Step();
}

v1::EvaluationResult ConcludeEvaluation(const GraphEnvironment& environment,
                                        const std::deque<GatheredGroup>& groups) {
  std::vector<bool> broken(environment.slots(), false);
  for (const GatheredGroup& group : groups) {
    if (group.dropped) broken[static_cast<size_t>(group.place.slot)] = true;
  }
  v1::EvaluationResult result;
  double score = 0;
  for (size_t slot = 0; slot < environment.slots(); ++slot) {
    if (broken[slot]) continue;
    result.set_problems(result.problems() + 1);
    score += OutputScore(environment.execution(slot));
  }
  if (result.problems() == 0) return result;
  int64_t tokens = 0;
  std::vector<int64_t> samples(environment.graph().roles.size());
  std::vector<double> sums(samples.size());
  for (const GatheredGroup* group : InOrder(groups)) {
    if (broken[static_cast<size_t>(group->place.slot)]) continue;
    const auto role =
        static_cast<size_t>(environment.graph().nodes[static_cast<size_t>(group->place.node)].role);
    for (const GatheredSample& sample : group->samples) {
      tokens += sample.tokens;
      ++samples[role];
      sums[role] += sample.score;
    }
  }
  const double problems = static_cast<double>(result.problems());
  result.set_accuracy(score / problems);
  result.set_length_mean(static_cast<double>(tokens) / problems);
  for (size_t r = 0; r < samples.size(); ++r) {
    if (samples[r] == 0) continue;
    v1::RoleAccuracy& role = *result.add_roles();
    role.set_role(environment.graph().roles[r].name);
    role.set_samples(samples[r]);
    role.set_accuracy(sums[r] / static_cast<double>(samples[r]));
  }
  return result;
}

}  // namespace temper::orchestrator
