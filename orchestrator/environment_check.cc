// Refuses what a step could not make again, or what would need somebody else than the policy.
#include "orchestrator/environment_check.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "agents/graph/axes.h"
#include "agents/graph/graph_file.h"
#include "base/digest.h"
#include "base/status_macros.h"
#include "nlohmann/json.hpp"

namespace temper::orchestrator {
namespace {

using agents::By;
using agents::Graph;
using agents::Node;
using agents::NodeKind;
using agents::Place;
using agents::Role;
using agents::RoleKind;

class EnvironmentCheck {
 public:
  EnvironmentCheck(const Graph& graph, const v1::RunSpec& spec) : graph_(graph), spec_(spec) {}

  std::vector<std::string> Run() {
    if (graph_.inputs.size() != 1) {
      Say(graph_.input_places[1], absl::StrCat("found ", graph_.inputs.size(),
                                               " inputs; expected one in an environment: the "
                                               "prompt of a row"));
    }
    const agents::BudgetLimits& budget = graph_.budget;
    if (budget.tokens || budget.calls || budget.usd || budget.seconds) {
      Say({1, 1}, "found a \"budget\"; expected none in an environment: a step is made whole");
    }
    if (graph_.train.empty()) {
      Say({1, 1}, "found no \"train\"; expected the roles that learn");
    }
    for (size_t i = 0; i < graph_.roles.size(); ++i) CheckRole(static_cast<int>(i));
    for (const Node& node : graph_.nodes) CheckNode(node);
    if (problems_.empty()) CheckSize();
    return std::move(problems_);
  }

 private:
  void Say(Place place, std::string_view text) {
    problems_.push_back(
        absl::StrCat(graph_.path, ":", place.line, ":", place.column, ": ", std::string(text)));
  }

  void CheckRole(int index) {
    const Role& role = graph_.roles[static_cast<size_t>(index)];
    const std::string name = absl::StrCat("the role \"", role.name, "\": ");
    if (role.kind != RoleKind::kChat) {
      return Say(role.place, absl::StrCat(name,
                                          "found a judge; expected chat roles: the run's "
                                          "rubric scores in an environment"));
    }
    if (role.endpoint != kPolicyEndpoint) {
      return Say(role.place, absl::StrCat(name, "found the endpoint \"", role.endpoint,
                                          "\"; expected \"policy\", the model that is trained: "
                                          "several policies and other servers in an environment: "
                                          "not yet"));
    }
    const bool learns = std::any_of(graph_.train.begin(), graph_.train.end(),
                                    [&](const auto& rule) { return rule.role == index; });
    if (learns && role.temperature.has_value() && *role.temperature != spec_.temperature()) {
      Say(role.place, absl::StrCat(name, "found the temperature ", *role.temperature, "; expected ",
                                   spec_.temperature(),
                                   " as in the spec, or none: a batch is measured at one "
                                   "temperature"));
    }
    if (role.top_p.has_value() && *role.top_p != 1) {
      Say(role.place, absl::StrCat(name, "found \"top_p\" ", *role.top_p,
                                   "; expected none: the whole distribution is sampled"));
    }
    if (role.seed.has_value() || !role.extra.empty()) {
      Say(role.place, absl::StrCat(name,
                                   "found \"seed\" or \"extra\"; expected neither: the run's "
                                   "seed decides"));
    }
  }

  void CheckNode(const Node& node) {
    const std::string name = absl::StrCat("\"", node.name, "\": ");
    if (node.enough.has_value()) {
      Say(node.place, absl::StrCat(name,
                                   "found \"enough\"; expected none in an environment: what "
                                   "a step draws may not depend on who answers first"));
    }
    switch (node.kind) {
      case NodeKind::kGenerate:
      case NodeKind::kFilter:
      case NodeKind::kLoop:
        return;
      case NodeKind::kSelect:
        if (node.role < 0 && node.command.empty() &&
            (node.by == By::kVote || node.by == By::kScore)) {
          return;
        }
        return Say(node.place, absl::StrCat(name,
                                            "found a judge; expected \"by\": \"vote\", or "
                                            "\"score\" without a role (the rubric's): "
                                            "several policies and other servers in an "
                                            "environment: not yet"));
      case NodeKind::kGraph:
        return Say(node.place, absl::StrCat(name,
                                            "found a sub-graph; expected its nodes in this "
                                            "file: sub-graphs in an environment: not yet"));
      case NodeKind::kScore:
      case NodeKind::kTool:
      case NodeKind::kAsk:
        return Say(node.place,
                   absl::StrCat(name,
                                "found a node that needs another server, a tool or a person; "
                                "expected generate, filter, select and loop: not yet"));
    }
  }

  void CheckSize() {
    int64_t samples = 0;
    for (const Node& node : graph_.nodes) {
      if (node.kind != NodeKind::kGenerate) continue;
      const std::optional<int64_t> instances = agents::SizeMax(graph_, node.instance_axes);
      if (!instances.has_value()) {
        Say(node.place, absl::StrCat("\"", node.name,
                                     "\": how often it runs is not known before "
                                     "it does; expected \"keep\" in what it runs for"));
        return;
      }
      samples += *instances * node.n;
    }
    if (samples <= kEnvironmentSamplesMax) return;
    Say({1, 1}, absl::StrCat("found up to ", samples, " samples for one prompt; expected at most ",
                             kEnvironmentSamplesMax));
  }

  const Graph& graph_;
  const v1::RunSpec& spec_;
  std::vector<std::string> problems_;
};

}  // namespace

std::vector<std::string> FindEnvironmentProblems(const Graph& graph, const v1::RunSpec& spec) {
  return EnvironmentCheck(graph, spec).Run();
}

absl::StatusOr<std::shared_ptr<const Graph>> OpenEnvironment(const v1::RunSpec& spec) {
  if (!spec.has_environment()) return std::shared_ptr<const Graph>();
  TEMPER_ASSIGN_OR_RETURN(std::shared_ptr<const Graph> graph,
                          agents::ReadGraph(spec.environment().graph()));
  const std::vector<std::string> problems = FindEnvironmentProblems(*graph, spec);
  if (!problems.empty()) return absl::InvalidArgumentError(absl::StrJoin(problems, "\n"));
  return graph;
}

std::string EnvironmentDigest(const Graph* graph) {
  if (graph == nullptr) return "";
  const auto read = nlohmann::ordered_json::parse(graph->canonical, nullptr, false);
  std::string all = read["graph"].dump();
  for (const auto& [path, text] : read["files"].items()) absl::StrAppend(&all, "\n", text.dump());
  return Hex(Xxh3Digest(all));
}

}  // namespace temper::orchestrator
