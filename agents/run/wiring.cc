// Edges, turned round.
#include "agents/run/wiring.h"

#include <algorithm>
#include <set>
#include <string>

namespace temper::agents {
namespace {

void AddAll(const std::optional<Expression>& expression, std::vector<const Reference*>& all) {
  if (!expression.has_value()) return;
  all.insert(all.end(), expression->references().begin(), expression->references().end());
}

// Whose becoming final a reader waits for. A carry, seen from outside, is its loop's value; in the
// loop's body it is there from the start of a round.
bool WaitsFor(const Graph& graph, const Node& reader, const Reference::Choice& choice) {
  return choice.target.kind == Target::Kind::kNode ||
         (choice.target.kind == Target::Kind::kCarry &&
          !Inside(graph, choice.target, reader.instance_axes));
}

}  // namespace

std::vector<const Reference*> NeededBy(const Node& node) {
  std::vector<const Reference*> all;
  if (node.each.has_value()) all.push_back(&*node.each);
  for (const Reference& reference : node.after) all.push_back(&reference);
  AddAll(node.when, all);
  if (node.prompt.has_value()) {
    for (const Prompt::Binding& binding : node.prompt->bindings()) {
      all.push_back(&binding.reference);
    }
  }
  for (const Reference& reference : node.from) all.push_back(&reference);
  if (node.context.has_value()) all.push_back(&*node.context);
  AddAll(node.passing, all);
  if (node.source.has_value()) all.push_back(&*node.source);
  if (node.loop_body.has_value()) {
    for (const Loop::Carry& carry : node.loop_body->carries) all.push_back(&carry.initial);
  }
  for (const auto& [name, reference] : node.arguments) all.push_back(&reference);
  return all;
}

std::vector<int> AxesOf(const Graph& graph, const Target& target, bool inside) {
  if (target.kind == Target::Kind::kInput || target.kind == Target::Kind::kCandidate) return {};
  const Node& node = graph.nodes[static_cast<size_t>(target.index)];
  if (target.kind == Target::Kind::kNode) return node.axes;
  std::vector<int> axes = node.instance_axes;
  if (inside) axes.push_back(node.loop_body->round_axis);
  const Loop::Carry& carry = node.loop_body->carries[static_cast<size_t>(target.carry)];
  if (carry.axis >= 0) axes.push_back(carry.axis);
  return axes;
}

bool Inside(const Graph& graph, const Target& target, const std::vector<int>& axes) {
  if (target.kind != Target::Kind::kCarry) return false;
  const int round = graph.nodes[static_cast<size_t>(target.index)].loop_body->round_axis;
  return std::find(axes.begin(), axes.end(), round) != axes.end();
}

size_t Shared(const std::vector<int>& a, const std::vector<int>& b) {
  const auto [at, other] = std::mismatch(a.begin(), a.end(), b.begin(), b.end());
  return static_cast<size_t>(at - a.begin());
}

std::string PathOf(const Graph& graph, int node) {
  const Node& own = graph.nodes[static_cast<size_t>(node)];
  return own.loop < 0 ? own.name : PathOf(graph, own.loop) + "/" + own.name;
}

Wiring::Wiring(const Graph& graph)
    : readers_(graph.nodes.size()),
      followers_(graph.nodes.size()),
      watchers_(graph.nodes.size()),
      depth_(graph.nodes.size(), 0) {
  const int count = static_cast<int>(graph.nodes.size());
  std::vector<std::set<int>> reads(graph.nodes.size());
  for (int n = 0; n < count; ++n) {
    const Node& node = graph.nodes[static_cast<size_t>(n)];
    for (const Reference* reference : NeededBy(node)) {
      for (const Reference::Choice& choice : reference->choices) {
        if (WaitsFor(graph, node, choice)) {
          reads[static_cast<size_t>(n)].insert(choice.target.index);
        }
      }
    }
    if (node.each.has_value()) {
      for (const Reference::Choice& choice : node.each->choices) {
        if (WaitsFor(graph, node, choice)) {
          followers_[static_cast<size_t>(choice.target.index)].push_back(n);
        }
      }
    }
    std::vector<const Reference*> watched;
    AddAll(node.enough, watched);
    for (const Reference* reference : watched) {
      for (const Reference::Choice& choice : reference->choices) {
        if (WaitsFor(graph, node, choice)) {
          watchers_[static_cast<size_t>(choice.target.index)].push_back(n);
        }
      }
    }
  }
  // A reader of a node waits, too, for what decides how many instances that node has.
  for (std::set<int>& own : reads) {
    std::vector<int> open(own.begin(), own.end());
    while (!open.empty()) {
      const Node& node = graph.nodes[static_cast<size_t>(open.back())];
      open.pop_back();
      if (!node.each.has_value()) continue;
      for (const Reference::Choice& choice : node.each->choices) {
        if (WaitsFor(graph, node, choice) && own.insert(choice.target.index).second) {
          open.push_back(choice.target.index);
        }
      }
    }
  }
  for (int n = 0; n < count; ++n) {
    for (const int read : reads[static_cast<size_t>(n)]) {
      readers_[static_cast<size_t>(read)].push_back(n);
    }
  }
  // Edges point back but for those of loops' bodies, which count from their loop: a pass for every
  // node settles all.
  for (int pass = 0; pass < count; ++pass) {
    bool changed = false;
    for (int n = 0; n < count; ++n) {
      int deepest = 0;
      for (const int read : reads[static_cast<size_t>(n)]) {
        deepest = std::max(deepest, depth_[static_cast<size_t>(read)] + 1);
      }
      const int loop = graph.nodes[static_cast<size_t>(n)].loop;
      if (loop >= 0) deepest = std::max(deepest, depth_[static_cast<size_t>(loop)] + 1);
      if (deepest > depth_[static_cast<size_t>(n)]) {
        depth_[static_cast<size_t>(n)] = deepest;
        changed = true;
      }
    }
    if (!changed) break;
  }
}

}  // namespace temper::agents
