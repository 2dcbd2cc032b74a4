// Reads a selection back into the tree that it came from.
#include "agents/run/recorded_choice.h"

#include <algorithm>
#include <set>

#include "absl/strings/str_cat.h"

namespace temper::agents {
namespace {

// Nodes that read `node`, and those that read them.
std::set<int> Downstream(const Graph& graph, int node) {
  const Wiring wiring(graph);
  std::set<int> all;
  std::vector<int> open = {node};
  while (!open.empty()) {
    const int at = open.back();
    open.pop_back();
    for (const int reader : wiring.readers(at)) {
      if (all.insert(reader).second) open.push_back(reader);
    }
  }
  return all;
}

bool ReadsListInPrompt(const Graph& graph, const Node& reader, int node, const Node& read) {
  if (!reader.prompt.has_value()) return false;
  for (const Prompt::Binding& binding : reader.prompt->bindings()) {
    for (const Reference::Choice& choice : binding.reference.choices) {
      if (choice.target.kind != Target::Kind::kNode || choice.target.index != node) continue;
      if (read.axes.size() > Shared(reader.instance_axes, read.axes)) return true;
    }
  }
  (void)graph;
  return false;
}

// Whether elements of the axis end up in one prompt together, directly or through filters.
bool Pooled(const Graph& graph, int node) {
  const Node& own = graph.nodes[static_cast<size_t>(node)];
  for (size_t i = 0; i < graph.nodes.size(); ++i) {
    const Node& reader = graph.nodes[i];
    if (ReadsListInPrompt(graph, reader, node, own)) return true;
    if (reader.kind != NodeKind::kFilter && reader.kind != NodeKind::kScore &&
        reader.kind != NodeKind::kSelect) {
      continue;
    }
    for (const Reference& reference : reader.from) {
      for (const Reference::Choice& choice : reference.choices) {
        if (choice.target.kind == Target::Kind::kNode && choice.target.index == node &&
            Pooled(graph, static_cast<int>(i))) {
          return true;
        }
      }
    }
  }
  return false;
}

}  // namespace

absl::StatusOr<RecordedChoice> ChoiceOf(const Execution& execution) {
  const Graph& graph = execution.graph();
  const Target& target = graph.output.choices.front().target;
  if (target.kind != Target::Kind::kNode) {
    return absl::FailedPreconditionError("the output is no node");
  }
  const Node& select = graph.nodes[static_cast<size_t>(target.index)];
  if (select.kind != NodeKind::kSelect || select.by != By::kScore) {
    return absl::FailedPreconditionError(
        absl::StrCat(graph.output.text, " is no selection by score"));
  }
  RecordedChoice choice;
  std::set<int> chosen_axes;
  for (const Reference& reference : select.from) {
    const Reading reading = execution.ReadAs(reference, {}, {});
    if (reading.choice == nullptr || reading.choice->target.kind != Target::Kind::kNode) continue;
    const Node& from = graph.nodes[static_cast<size_t>(reading.choice->target.index)];
    if (from.axes.empty() || from.axes.size() > 2) {
      return absl::FailedPreconditionError(absl::StrCat(
          reference.text, " lies on ", from.axes.size(), " axes; curves are for one or two"));
    }
    chosen_axes.insert(from.axes.begin(), from.axes.end());
    const std::string outer = graph.axes[static_cast<size_t>(from.axes[0])].name;
    if (!choice.outer_name.empty() && choice.outer_name != outer) {
      return absl::FailedPreconditionError(
          absl::StrCat("candidates lie on \"", choice.outer_name, "\" and on \"", outer, "\""));
    }
    // A second source on the same axis is what was made of each of its elements.
    const bool made_of = !choice.outer_name.empty();
    choice.outer_name = outer;
    if (from.axes.size() == 2) {
      choice.inner_name = graph.axes[static_cast<size_t>(from.axes[1])].name;
    } else if (made_of) {
      choice.inner_name = from.name;
    }
    for (const auto& [point, instance] :
         execution.values(reading.choice->target.index).instances()) {
      for (const auto& [place, item] : instance.items) {
        if (!item.present()) continue;
        Point where = point;
        if (from.own_axis >= 0) where.push_back(place);
        ChoiceCandidate one{.outer = where[0]};
        if (where.size() == 2) {
          one.inner = where[1];
        } else if (made_of) {
          one.inner = 0;
        }
        const auto given = item.candidate->scores.find({target.index, Point()});
        one.score = given != item.candidate->scores.end() ? std::optional<double>(given->second)
                                                          : item.score;
        choice.candidates.push_back(one);
      }
    }
  }
  for (size_t i = 0; i < graph.nodes.size(); ++i) {
    const Node& node = graph.nodes[i];
    if (node.own_axis < 0 || node.kind != NodeKind::kGenerate ||
        chosen_axes.contains(node.own_axis) || !Pooled(graph, static_cast<int>(i))) {
      continue;
    }
    RecordedChoice::Pooled pooled{.name = node.name, .n = node.n};
    for (const int after : Downstream(graph, static_cast<int>(i))) {
      const Node& reader = graph.nodes[static_cast<size_t>(after)];
      const auto instances = static_cast<int64_t>(execution.values(after).instances().size());
      if (reader.kind == NodeKind::kGenerate) {
        pooled.nodes.push_back(reader.name);
        pooled.calls += instances * reader.n;
      } else if (after == target.index) {
        // Each new candidate is scored once.
        for (const ChoiceCandidate& one : choice.candidates) pooled.calls += one.inner.has_value();
      }
    }
    choice.pooled.push_back(std::move(pooled));
  }
  return choice;
}

}  // namespace temper::agents
