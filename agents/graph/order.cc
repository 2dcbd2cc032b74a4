// A walk along the edges, each body by itself.
#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "agents/graph/edges.h"
#include "agents/graph/names.h"

namespace temper::agents {
namespace {

class Order {
 public:
  Order(Graph& graph, Problems& problems)
      : graph_(graph), problems_(problems), state_(graph.nodes.size()), into_(graph.nodes.size()) {
    for (size_t i = 0; i < graph.nodes.size(); ++i) Lift(static_cast<int>(i));
  }

  // Of the nodes of one body; of the top level with loop -1.
  std::vector<int> Of(const std::vector<int>& nodes) {
    order_.clear();
    for (const int node : nodes) Visit(node);
    return std::move(order_);
  }

 private:
  enum class State { kNew, kOpen, kDone };

  // Every edge, between the two nodes that stand side by side and hold its ends.
  void Lift(int reader) {
    for (const Edge& edge : EdgesInto(graph_, reader)) {
      if (IsInside(graph_, edge.from, reader)) continue;  // a loop that looks into its body
      int to = reader;
      while (graph_.nodes[to].loop != graph_.nodes[edge.from].loop) to = graph_.nodes[to].loop;
      into_[to].push_back({edge.from, edge.use, edge.place});
    }
  }

  void Visit(int node) {
    if (state_[node] != State::kNew) return;
    state_[node] = State::kOpen;
    path_.push_back(node);
    for (const Edge& edge : into_[node]) {
      if (state_[edge.from] == State::kOpen) {
        TellCycle(edge);
      } else {
        Visit(edge.from);
      }
    }
    path_.pop_back();
    state_[node] = State::kDone;
    order_.push_back(node);
  }

  // The path runs against the edges, from readers to what they read.
  void TellCycle(const Edge& edge) {
    const auto begin = std::find(path_.begin(), path_.end(), edge.from);
    std::string names = absl::StrCat("$", graph_.nodes[edge.from].name);
    for (auto at = path_.end(); at != begin;) {
      absl::StrAppend(&names, " -> $", graph_.nodes[*--at].name);
    }
    problems_.Add(edge.place, absl::StrCat("found a cycle: ", names,
                                           "; expected edges that lead forward (repetition is a "
                                           "loop node)"));
  }

  Graph& graph_;
  Problems& problems_;
  std::vector<State> state_;
  std::vector<std::vector<Edge>> into_;
  std::vector<int> path_;
  std::vector<int> order_;
};

}  // namespace

void SetOrder(Graph& graph, Problems& problems) {
  Order order(graph, problems);
  std::vector<int> top;
  for (size_t i = 0; i < graph.nodes.size(); ++i) {
    if (graph.nodes[i].loop < 0) top.push_back(static_cast<int>(i));
    if (!graph.nodes[i].loop_body.has_value()) continue;
    Loop& loop = *graph.nodes[i].loop_body;
    loop.body = order.Of(loop.body);
  }
  graph.order = order.Of(top);
}

}  // namespace temper::agents
