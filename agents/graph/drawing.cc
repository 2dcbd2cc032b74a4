// Labels and edges, the same for every kind of picture.
#include "agents/graph/drawing.h"

#include <algorithm>
#include <map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "agents/graph/edges.h"
#include "agents/graph/node_rules.h"
#include "agents/graph/plan.h"

namespace temper::agents {
namespace {

class Artist {
 public:
  explicit Artist(const Graph& graph) : graph_(graph) {}

  Drawing Draw() {
    for (const std::string& input : graph_.inputs) {
      inputs_.push_back(Add({.shape = DrawnNode::Shape::kInput,
                             .id = absl::StrCat("input_", input),
                             .lines = {input}}));
    }
    drawn_.assign(graph_.nodes.size(), -1);
    for (const int node : graph_.order) AddNode(node);
    const int output =
        Add({.shape = DrawnNode::Shape::kOutput, .id = "output", .lines = {"output"}});
    for (size_t i = 0; i < graph_.nodes.size(); ++i) AddEdges(static_cast<int>(i));
    Connect(graph_.output, output, -1, false);
    return std::move(drawing_);
  }

 private:
  int Add(DrawnNode node) {
    drawing_.nodes.push_back(std::move(node));
    return static_cast<int>(drawing_.nodes.size()) - 1;
  }

  void AddNode(int index) {
    const Node& node = graph_.nodes[index];
    const bool is_loop = node.loop_body.has_value();
    drawn_[index] = Add({.shape = is_loop ? DrawnNode::Shape::kLoop : DrawnNode::Shape::kNode,
                         .kind = node.kind,
                         .id = absl::StrCat("node_", node.name, node.loop >= 0 ? "_" : "",
                                            node.loop >= 0 ? std::to_string(index) : ""),
                         .lines = Lines(node),
                         .loop = node.loop >= 0 ? drawn_[node.loop] : -1});
    if (!is_loop) return;
    for (size_t c = 0; c < node.loop_body->carries.size(); ++c) {
      carries_[{index, static_cast<int>(c)}] = Add({.shape = DrawnNode::Shape::kCarry,
                                                    .id = absl::StrCat("carry_", node.name, "_", c),
                                                    .lines = {node.loop_body->carries[c].name},
                                                    .loop = drawn_[index]});
    }
    for (const int inside : node.loop_body->body) AddNode(inside);
  }

  std::vector<std::string> Lines(const Node& node) const {
    std::vector<std::string> lines = {node.name};
    std::string what = NameOf(node.kind);
    if (node.by != By::kNone) absl::StrAppend(&what, " by ", NameOf(node.by));
    if (node.kind == NodeKind::kGenerate && node.n > 1) absl::StrAppend(&what, " \u00d7 ", node.n);
    if (node.keep.has_value()) absl::StrAppend(&what, ", keep ", *node.keep);
    if (node.loop_body.has_value()) {
      what = absl::StrCat("loop, at most ", node.loop_body->rounds_max, " rounds");
    }
    if (node.graph != nullptr) absl::StrAppend(&what, " ", node.graph->name);
    lines.push_back(std::move(what));
    if (node.role >= 0) lines.push_back(graph_.roles[node.role].name);
    if (node.each.has_value()) lines.push_back(absl::StrCat("each ", node.each->choices[0].name));
    if (node.when.has_value()) lines.push_back(absl::StrCat("when ", Short(node.when->text())));
    if (node.loop_body.has_value() && node.loop_body->stop_when.has_value()) {
      lines.push_back(absl::StrCat("until ", Short(node.loop_body->stop_when->text())));
    }
    return lines;
  }
  static std::string Short(const std::string& text) {
    const bool ascii = std::all_of(text.begin(), text.end(), [](char c) { return c >= ' '; });
    return text.size() <= 32 || !ascii ? text : absl::StrCat(text.substr(0, 29), "...");
  }

  void AddEdges(int index) {
    const Node& node = graph_.nodes[index];
    ForEachReference(node, [&](Use use, const Reference& reference) {
      if (use == Use::kEnough || use == Use::kStop) return;
      if (use == Use::kInitial) return;
      const bool order = use == Use::kAfter || use == Use::kWhen;
      Connect(reference, drawn_[index], index, order);
    });
    if (!node.loop_body.has_value()) return;
    for (size_t c = 0; c < node.loop_body->carries.size(); ++c) {
      const Loop::Carry& carry = node.loop_body->carries[c];
      const int drawn = carries_[{index, static_cast<int>(c)}];
      Connect(carry.initial, drawn, index, false);
      drawing_.edges.push_back({.from = drawn_[carry.node], .to = drawn, .back = true});
    }
  }

  // `reader`: of Graph::nodes; -1: the output.
  void Connect(const Reference& reference, int to, int reader, bool order) {
    for (const Reference::Choice& choice : reference.choices) {
      const Target& target = choice.target;
      int from = -1;
      if (target.kind == Target::Kind::kInput) from = inputs_[target.index];
      if (target.kind == Target::Kind::kNode) from = drawn_[target.index];
      if (target.kind == Target::Kind::kCarry) {
        const bool inside = reader >= 0 && IsInside(graph_, reader, target.index);
        from = inside ? carries_[{target.index, target.carry}] : drawn_[target.index];
      }
      if (from < 0) continue;
      const auto same = [&](const DrawnEdge& edge) {
        return edge.from == from && edge.to == to && !edge.back;
      };
      const auto drawn = std::find_if(drawing_.edges.begin(), drawing_.edges.end(), same);
      if (drawn == drawing_.edges.end()) {
        drawing_.edges.push_back({.from = from, .to = to, .order = order});
      } else {
        drawn->order = drawn->order && order;
      }
    }
  }

  const Graph& graph_;
  Drawing drawing_;
  std::vector<int> inputs_;
  std::vector<int> drawn_;                      // of Graph::nodes
  std::map<std::pair<int, int>, int> carries_;  // of (loop, carry)
};

}  // namespace

Drawing Draw(const Graph& graph) { return Artist(graph).Draw(); }

}  // namespace temper::agents
