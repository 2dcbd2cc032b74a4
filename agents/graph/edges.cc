// The one list of where a node's references stand.
#include "agents/graph/edges.h"

#include <algorithm>

namespace temper::agents {

void ForEachReference(Node& node, absl::FunctionRef<void(Use, Reference&)> visit) {
  const auto of_expression = [&](Use use, const std::optional<Expression>& expression) {
    if (!expression.has_value()) return;
    for (Reference* reference : expression->references()) visit(use, *reference);
  };
  if (node.each.has_value()) visit(Use::kEach, *node.each);
  for (Reference& reference : node.after) visit(Use::kAfter, reference);
  of_expression(Use::kWhen, node.when);
  of_expression(Use::kEnough, node.enough);
  if (node.prompt.has_value()) {
    for (Prompt::Binding& binding : node.prompt->bindings()) visit(Use::kPrompt, binding.reference);
  }
  for (Reference& reference : node.from) visit(Use::kFrom, reference);
  of_expression(Use::kPassing, node.passing);
  if (node.context.has_value()) visit(Use::kContext, *node.context);
  if (node.source.has_value()) visit(Use::kSource, *node.source);
  for (auto& [name, reference] : node.arguments) visit(Use::kArgument, reference);
  if (!node.loop_body.has_value()) return;
  for (Loop::Carry& carry : node.loop_body->carries) visit(Use::kInitial, carry.initial);
  of_expression(Use::kStop, node.loop_body->stop_when);
}

void ForEachReference(const Node& node, absl::FunctionRef<void(Use, const Reference&)> visit) {
  // The visitor changes nothing.
  ForEachReference(const_cast<Node&>(node),
                   [&](Use use, Reference& reference) { visit(use, reference); });
}

bool IsInside(const Graph& graph, int node, int loop) {
  for (int at = graph.nodes[node].loop; at >= 0; at = graph.nodes[at].loop) {
    if (at == loop) return true;
  }
  return false;
}

std::vector<Edge> EdgesInto(const Graph& graph, int node) {
  std::vector<Edge> edges;
  ForEachReference(graph.nodes[node], [&](Use use, const Reference& reference) {
    if (use == Use::kEnough) return;
    for (const Reference::Choice& choice : reference.choices) {
      const Target& target = choice.target;
      if (target.index < 0) continue;
      const bool carry = target.kind == Target::Kind::kCarry;
      if (!carry && target.kind != Target::Kind::kNode) continue;
      if (carry && (target.index == node || IsInside(graph, node, target.index))) continue;
      const auto same = [&](const Edge& edge) { return edge.from == target.index; };
      if (std::any_of(edges.begin(), edges.end(), same)) continue;
      edges.push_back({target.index, use, reference.place});
    }
  });
  return edges;
}

}  // namespace temper::agents
