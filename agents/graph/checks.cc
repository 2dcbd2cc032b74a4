// Uses follow the edges from what is put out; shapes ask the axes.
#include "agents/graph/checks.h"

#include <algorithm>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "agents/graph/axes.h"
#include "agents/graph/edges.h"

namespace temper::agents {
namespace {

class Uses {
 public:
  explicit Uses(const Graph& graph)
      : graph_(graph),
        nodes_(graph.nodes.size()),
        inputs_(graph.inputs.size()),
        roles_(graph.roles.size()) {
    Reach(graph.output);
    for (const TrainRule& rule : graph.train) {
      if (!rule.reward.has_value()) continue;
      for (const Reference* reference : rule.reward->references()) Reach(*reference);
    }
    for (size_t i = 0; i < graph.nodes.size(); ++i) {
      const bool acts =
          graph.nodes[i].kind == NodeKind::kTool && graph.nodes[i].effect == Node::Effect::kOnce;
      if (acts) Reach(static_cast<int>(i));
    }
    while (!open_.empty()) Follow();
  }

  void Tell(Problems& problems) const {
    for (size_t i = 0; i < nodes_.size(); ++i) {
      const Node& node = graph_.nodes[i];
      if (nodes_[i]) continue;
      problems.Add(node.place, absl::StrCat("the node \"", node.name,
                                            "\" is not used: no edge leads "
                                            "from it to the output; expected $",
                                            node.name, " somewhere, or no such node"));
    }
    for (size_t i = 0; i < inputs_.size(); ++i) {
      if (inputs_[i]) continue;
      problems.Add(graph_.input_places[i],
                   absl::StrCat("the input \"", graph_.inputs[i], "\" is not used; expected $",
                                graph_.inputs[i], " somewhere, or no such input"));
    }
    for (size_t i = 0; i < roles_.size(); ++i) {
      if (roles_[i]) continue;
      problems.Add(graph_.roles[i].place,
                   absl::StrCat("the role \"", graph_.roles[i].name,
                                "\" is not used by any node; expected one, or no such role"));
    }
  }

 private:
  void Reach(const Reference& reference) {
    for (const Reference::Choice& choice : reference.choices) {
      const Target& target = choice.target;
      if (target.index < 0 || target.kind == Target::Kind::kCandidate) continue;
      if (target.kind == Target::Kind::kInput) {
        inputs_[target.index] = true;
      } else {
        Reach(target.index);
      }
    }
  }
  void Reach(int node) {
    if (nodes_[node]) return;
    nodes_[node] = true;
    open_.push_back(node);
  }
  void Follow() {
    const Node& node = graph_.nodes[open_.back()];
    open_.pop_back();
    if (node.role >= 0) roles_[node.role] = true;
    if (node.loop >= 0) Reach(node.loop);
    ForEachReference(node, [&](Use, const Reference& reference) { Reach(reference); });
    if (!node.loop_body.has_value()) return;
    for (const Loop::Carry& carry : node.loop_body->carries) {
      if (carry.node >= 0) Reach(carry.node);
    }
  }

  const Graph& graph_;
  std::vector<bool> nodes_, inputs_, roles_;
  std::vector<int> open_;
};

// A judge's prompt must show what it judges.
void CheckJudgesPrompt(const Node& node, Problems& problems) {
  const bool pair = node.kind == NodeKind::kSelect;
  if (!node.prompt.has_value() || (!pair && node.kind != NodeKind::kScore)) return;
  for (int candidate = 0; candidate < (pair ? 2 : 1); ++candidate) {
    const auto& bindings = node.prompt->bindings();
    const bool named = std::any_of(bindings.begin(), bindings.end(), [&](const auto& binding) {
      const auto& choices = binding.reference.choices;
      return std::any_of(choices.begin(), choices.end(), [&](const auto& choice) {
        return choice.target.kind == Target::Kind::kCandidate && choice.target.index == candidate;
      });
    });
    if (named) continue;
    const char* name = !pair ? "$it" : candidate == 0 ? "$first" : "$second";
    problems.Add(node.place, absl::StrCat("the prompt of \"", node.name, "\" does not show ", name,
                                          "; expected a name bound to it: what is judged"));
  }
}

void CheckScored(const Graph& graph, Problems& problems) {
  if (!graph.train.empty()) return;  // there a run's verifiers score what is generated
  const bool scored = std::any_of(graph.nodes.begin(), graph.nodes.end(), [](const Node& node) {
    return node.kind == NodeKind::kScore || node.kind == NodeKind::kGraph ||
           (node.by == By::kScore && node.role >= 0);
  });
  for (const Node& node : graph.nodes) {
    if (scored || node.by != By::kScore) continue;
    problems.Add(node.place, absl::StrCat("\"", node.name,
                                          "\" selects by scores that nobody gives; "
                                          "expected \"role\": a reward role, or a score node"));
  }
}

void CheckTraining(const Graph& graph, Problems& problems) {
  for (const TrainRule& rule : graph.train) {
    if (rule.role < 0 || graph.roles[rule.role].kind != RoleKind::kChat) continue;
    const std::string& name = graph.roles[rule.role].name;
    bool generates = false, grouped = false;
    for (const Node& node : graph.nodes) {
      if (node.kind != NodeKind::kGenerate || node.role != rule.role) continue;
      generates = true;
      grouped = grouped || node.n >= 2;
    }
    if (grouped) continue;
    problems.Add(rule.place,
                 generates ? absl::StrCat("the role \"", name,
                                          "\" cannot learn: none of its nodes has "
                                          "\"n\" of 2 or more, and a group of one sample has no "
                                          "advantage; expected \"n\": 2 or more in one")
                           : absl::StrCat("the role \"", name,
                                          "\" cannot learn: it generates "
                                          "nothing; expected a generate node of this role"));
  }
}

class Shapes {
 public:
  Shapes(const Graph& graph, Problems& problems) : graph_(graph), problems_(problems) {}

  void Check(int index) {
    const Node& node = graph_.nodes[index];
    CheckExpression(node.when, node.instance_axes);
    CheckExpression(node.enough, node.instance_axes);
    CheckExpression(node.passing, node.instance_axes);
    if (node.loop_body.has_value()) {
      CheckExpression(node.loop_body->stop_when, BodyAxes(graph_, index));
    }
    for (const Reference& reference : node.after) CheckAfter(reference);
    if (node.context.has_value()) CheckContext(*node.context);
    if (node.prompt.has_value()) CheckPrompt(node);
    if (node.kind != NodeKind::kGraph) return;
    for (const auto& [name, reference] : node.arguments) {
      if (!IsList(graph_, reference, node.instance_axes)) continue;
      problems_.Add(reference.place, absl::StrCat("\"", name, "\": ", reference.text,
                                                  " is a list here; expected one value, such as "
                                                  "with \"each\""));
    }
  }

  void CheckReward(const TrainRule& rule) {
    for (const Node& node : graph_.nodes) {
      if (node.kind == NodeKind::kGenerate && node.role == rule.role) {
        CheckExpression(rule.reward, node.axes);
      }
    }
  }

 private:
  void CheckExpression(const std::optional<Expression>& expression,
                       const std::vector<int>& reader) {
    if (!expression.has_value()) return;
    const absl::Status status = expression->CheckLists(
        [&](const Reference& reference) { return IsList(graph_, reference, reader); });
    if (status.ok()) return;
    // Sorted by where the message says, not by where the expression begins.
    problems_.AddOther(expression->place(),
                       absl::StrCat(problems_.path(), ":", std::string(status.message())));
  }
  void CheckAfter(const Reference& reference) {
    for (const Reference::Choice& choice : reference.choices) {
      if (choice.target.kind == Target::Kind::kNode) continue;
      problems_.Add(reference.place,
                    absl::StrCat("\"after\": found $", choice.name, "; expected a node"));
    }
  }
  void CheckContext(const Reference& reference) {
    for (const Reference::Choice& choice : reference.choices) {
      if (choice.target.kind == Target::Kind::kInput) continue;
      problems_.Add(reference.place, absl::StrCat("\"context\": found $", choice.name,
                                                  "; expected an input: the conversation that the "
                                                  "candidates answer"));
    }
  }
  void CheckPrompt(const Node& node) {
    for (const Prompt::Binding& binding : node.prompt->bindings()) {
      if (!binding.messages || !IsList(graph_, binding.reference, node.instance_axes)) continue;
      problems_.Add(
          binding.reference.place,
          absl::StrCat(binding.reference.text, " is a list here; expected one conversation ",
                       "or text (in a turn, {{NAME}} and {{#NAME}} take lists)"));
    }
  }

  const Graph& graph_;
  Problems& problems_;
};

}  // namespace

void CheckUses(const Graph& graph, Problems& problems) {
  Uses(graph).Tell(problems);
  for (const Node& node : graph.nodes) CheckJudgesPrompt(node, problems);
  CheckScored(graph, problems);
  CheckTraining(graph, problems);
}

void CheckShapes(const Graph& graph, Problems& problems) {
  Shapes shapes(graph, problems);
  for (size_t i = 0; i < graph.nodes.size(); ++i) shapes.Check(static_cast<int>(i));
  for (const TrainRule& rule : graph.train) shapes.CheckReward(rule);
}

}  // namespace temper::agents
