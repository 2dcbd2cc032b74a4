// Lines of training data.
#include "agents/train/export.h"

#include <algorithm>
#include <set>
#include <string>
#include <utility>

#include "absl/strings/str_cat.h"
#include "agents/run/node_work.h"
#include "agents/train/role_advantages.h"
#include "base/status_macros.h"

namespace temper::agents {
namespace {

using Json = nlohmann::ordered_json;
using Outcome = GroupAdvantages::Outcome;

// What the execution answers: the input "messages", else the first.
Json Asked(const Execution& execution) {
  const std::vector<std::string>& inputs = execution.graph().inputs;
  const auto named = std::find(inputs.begin(), inputs.end(), "messages");
  const auto index = named == inputs.end() ? 0 : named - inputs.begin();
  return AsConversation(execution.input(static_cast<size_t>(index)));
}

struct Answer {
  std::string text;
  double score = 0;
};

std::vector<Answer> AnswersOf(const Execution& execution) {
  std::vector<Answer> answers;
  std::set<std::string> seen;
  for (const Sample& sample : SamplesOf(execution)) {
    if (sample.part == Part::kFeedback || !sample.score.has_value()) continue;
    const std::string& text = sample.candidate->result.text;
    if (seen.insert(text).second) answers.push_back({text, *sample.score});
  }
  return answers;
}

Json Pair(const Json& asked, const Answer& chosen, const Answer& rejected) {
  return {{"messages", asked},
          {"chosen", chosen.text},
          {"rejected", rejected.text},
          {"margin", chosen.score - rejected.score}};
}

const char* WhyLeftOut(Outcome outcome) {
  return outcome == Outcome::kNoVariance ? "no variance" : "alone";
}

absl::StatusOr<Json> TransitionLine(const Execution& execution, size_t number,
                                    const Transition& transition) {
  const Sample& sample = transition.sample;
  const Graph& graph = execution.graph();
  const Node& node = graph.nodes[static_cast<size_t>(sample.node)];
  const Result& result = sample.candidate->result;
  TEMPER_ASSIGN_OR_RETURN(Json messages,
                          node.prompt->Render(PromptReader(execution, sample.node, sample.point)));
  Json line = {{"execution", number},
               {"role", graph.roles[static_cast<size_t>(sample.role)].name},
               {"node", transition.path},
               {"lineage", sample.lineage},
               {"sample", sample.number},
               {"group", absl::StrCat(number, "/", transition.path, "[", sample.lineage, "]")},
               {"messages", std::move(messages)},
               {"response", result.text},
               {"finish", result.finish_reason}};
  if (!result.prompt_tokens.empty()) line["prompt_tokens"] = result.prompt_tokens;
  if (!result.tokens.empty()) line["tokens"] = result.tokens;
  if (!result.logprobs.empty()) line["logprobs"] = result.logprobs;
  if (result.version >= 0) line["version"] = result.version;
  if (sample.score.has_value()) line["score"] = *sample.score;
  if (transition.reward.has_value()) line["reward"] = *transition.reward;
  return line;
}

bool SameGroup(const Transition& a, const Transition& b) {
  return a.sample.node == b.sample.node && a.sample.point == b.sample.point;
}

}  // namespace

Lines SftLines(const Execution& execution) {
  Lines lines;
  if (!execution.done() || execution.output().failed) return lines;
  for (const Item& item : execution.output().items) {
    Json line = {{"messages", Asked(execution)}, {"response", TextOf(item, {})}};
    if (const std::optional<double> score = ScoreOf(item)) line["score"] = *score;
    lines.push_back(std::move(line));
  }
  return lines;
}

Lines PreferenceLines(const Execution& execution, const PairOptions& options) {
  Lines lines;
  const Json asked = Asked(execution);
  const std::vector<Answer> answers = AnswersOf(execution);
  if (answers.empty()) return lines;
  const auto add = [&](const Answer& chosen, const Answer& rejected) {
    const double margin = chosen.score - rejected.score;
    if (margin > 0 && margin >= options.margin_min) lines.push_back(Pair(asked, chosen, rejected));
  };
  if (options.choice == PairChoice::kBestAndWorst) {
    const auto less = [](const Answer& a, const Answer& b) { return a.score < b.score; };
    add(*std::max_element(answers.begin(), answers.end(), less),
        *std::min_element(answers.begin(), answers.end(), less));
    return lines;
  }
  for (const Answer& chosen : answers) {
    for (const Answer& rejected : answers) add(chosen, rejected);
  }
  return lines;
}

absl::StatusOr<Lines> TransitionLines(const std::vector<const Execution*>& executions,
                                      const CreditOptions& options) {
  Lines lines;
  if (executions.empty()) return lines;
  std::vector<Credit> credits;
  std::vector<RewardGroup> groups;
  for (const Execution* execution : executions) {
    TEMPER_ASSIGN_OR_RETURN(Credit credit, AssignCredit(*execution, options));
    for (size_t i = 0; i < credit.transitions.size(); ++i) {
      const Transition& own = credit.transitions[i];
      if (i == 0 || !SameGroup(own, credit.transitions[i - 1])) groups.push_back({own.sample.role});
      groups.back().rewards.push_back(own.reward);
    }
    credits.push_back(std::move(credit));
  }
  const std::vector<GroupAdvantages> advantages =
      RoleAdvantages(executions.front()->graph(), groups);
  size_t group = 0;
  for (size_t e = 0; e < executions.size(); ++e) {
    const std::vector<Transition>& transitions = credits[e].transitions;
    size_t place = 0;
    for (size_t i = 0; i < transitions.size(); ++i, ++place) {
      if (i > 0 && !SameGroup(transitions[i], transitions[i - 1])) ++group, place = 0;
      const GroupAdvantages& own = advantages[group];
      if (own.outcome == Outcome::kNoRule) continue;
      TEMPER_ASSIGN_OR_RETURN(Json line, TransitionLine(*executions[e], e, transitions[i]));
      line["advantage"] = own.advantages[place];
      if (own.outcome != Outcome::kLearns) line["left_out"] = WhyLeftOut(own.outcome);
      lines.push_back(std::move(line));
    }
    if (!transitions.empty()) ++group;
  }
  return lines;
}

}  // namespace temper::agents
