// Repeated until it changes nothing: what a loop carries becomes a list through its own body.
#include "agents/graph/axes.h"

#include <algorithm>
#include <map>
#include <utility>

#include "absl/strings/str_cat.h"

namespace temper::agents {
namespace {

constexpr int64_t kSizeMax = int64_t{1} << 40;
// Beyond, the size of a list that grows from round to round counts as unknown.
constexpr int64_t kGrowthsMax = 32;

std::optional<int64_t> Product(std::optional<int64_t> a, std::optional<int64_t> b) {
  if (!a.has_value() || !b.has_value()) return std::nullopt;
  if (*a == 0 || *b == 0) return 0;
  return *a > kSizeMax / *b ? kSizeMax : *a * *b;
}

std::optional<int64_t> Sum(std::optional<int64_t> a, std::optional<int64_t> b) {
  if (!a.has_value() || !b.has_value()) return std::nullopt;
  return std::min(kSizeMax, *a + *b);
}

void Insert(std::vector<int>& axes, int axis) {
  const auto at = std::lower_bound(axes.begin(), axes.end(), axis);
  if (at == axes.end() || *at != axis) axes.insert(at, axis);
}

class Solver {
 public:
  Solver(Graph& graph, Problems& problems) : graph_(graph), problems_(problems) {}

  void Solve() {
    do {
      changed_ = false;
      graph_.axes.clear();
      for (const int node : graph_.order) Visit(node);
    } while (changed_);
    for (const Node& node : graph_.nodes) CheckEach(node);
  }

 private:
  struct Carried {
    bool list = false;
    std::optional<int64_t> size = 1;
    int64_t growths = 0;
  };

  int NewAxis(Axis axis) {
    graph_.axes.push_back(std::move(axis));
    return static_cast<int>(graph_.axes.size()) - 1;
  }

  void Visit(int index) {
    Node& node = graph_.nodes[index];
    node.instance_axes = BodyAxes(graph_, node.loop);
    if (node.each.has_value()) {
      for (const int axis : ValueAxes(graph_, node.each->choices[0])) {
        Insert(node.instance_axes, axis);
      }
    }
    node.own_axis = -1;
    if (node.loop_body.has_value()) {
      VisitLoop(index);
    } else if (node.kind == NodeKind::kGenerate && node.n > 1) {
      node.own_axis = NewAxis({Axis::Kind::kSamples, index, -1, node.name, node.n});
    } else if (Keeps(node)) {
      node.own_axis = NewAxis({Axis::Kind::kKept, index, -1, node.name, KeptMax(node)});
    }
    node.axes = node.instance_axes;
    if (node.own_axis >= 0) Insert(node.axes, node.own_axis);
  }

  bool Keeps(const Node& node) const {
    switch (node.kind) {
      case NodeKind::kFilter:
        return true;
      case NodeKind::kSelect:
        return node.keep.value_or(1) > 1;
      case NodeKind::kScore:
        return node.from.size() > 1 ||
               (node.from.size() == 1 && IsList(graph_, node.from[0], node.instance_axes));
      case NodeKind::kGraph:
        return node.graph != nullptr && IsList(*node.graph, node.graph->output, {});
      default:
        return false;
    }
  }
  std::optional<int64_t> KeptMax(const Node& node) const {
    if (node.kind == NodeKind::kGraph) return SizeMax(*node.graph, node.graph->output, {});
    const std::optional<int64_t> candidates = CandidatesMax(graph_, node);
    if (!node.keep.has_value()) return candidates;
    return std::min(*node.keep, candidates.value_or(*node.keep));
  }

  void VisitLoop(int index) {
    const std::vector<int> outside = graph_.nodes[index].instance_axes;
    const size_t carries = graph_.nodes[index].loop_body->carries.size();
    // The outer axis first: what is carried has a list in every round.
    const int round_axis =
        NewAxis({Axis::Kind::kRound, index, -1, graph_.nodes[index].name + ".round",
                 graph_.nodes[index].loop_body->rounds_max});
    graph_.nodes[index].loop_body->round_axis = round_axis;
    for (size_t c = 0; c < carries; ++c) {
      Loop::Carry& carry = graph_.nodes[index].loop_body->carries[c];
      Carried& carried = carried_[{index, static_cast<int>(c)}];
      Grow(index, carried, IsList(graph_, carry.initial, outside),
           SizeMax(graph_, carry.initial, outside), /*rounds=*/0);
      carry.axis = carried.list
                       ? NewAxis({Axis::Kind::kCarry, index, static_cast<int>(c),
                                  c == 0 ? graph_.nodes[index].name : carry.name, carried.size})
                       : -1;
    }
    Loop& loop = *graph_.nodes[index].loop_body;
    if (carries > 0) graph_.nodes[index].own_axis = loop.carries[0].axis;
    for (const int node : loop.body) Visit(node);
    const std::vector<int> inside = BodyAxes(graph_, index);
    for (size_t c = 0; c < carries; ++c) {
      const Reference::Choice setter{.target = {Target::Kind::kNode, loop.carries[c].node}};
      const std::vector<int> list = ListAxes(graph_, setter, inside);
      Grow(index, carried_[{index, static_cast<int>(c)}], !list.empty(), SizeMax(graph_, list),
           /*rounds=*/1);
    }
  }

  // After `rounds` more; a loop in a loop may begin again with more.
  void Grow(int loop, Carried& carried, bool list, std::optional<int64_t> size, int rounds) {
    if (list && !carried.list) {
      carried.list = true;
      changed_ = true;
    }
    if (!carried.size.has_value() || (size.has_value() && *size <= *carried.size)) return;
    const int64_t rounds_max = graph_.nodes[loop].loop_body->rounds_max;
    if (graph_.nodes[loop].loop < 0 && carried.growths >= rounds_max) return;
    carried.growths += rounds;
    if (carried.growths > kGrowthsMax) size = std::nullopt;
    carried.size = size;
    changed_ = true;
  }

  void CheckEach(const Node& node) {
    if (!node.each.has_value()) return;
    const Reference& each = *node.each;
    if (each.choices.size() > 1) {
      problems_.Add(each.place, absl::StrCat("\"each\": found ", each.text, "; expected one name"));
    } else if (!IsList(graph_, each, BodyAxes(graph_, node.loop))) {
      problems_.Add(each.place,
                    absl::StrCat("\"each\": ", each.text, " is one value here; expected a list"));
    }
  }

  Graph& graph_;
  Problems& problems_;
  std::map<std::pair<int, int>, Carried> carried_;
  bool changed_ = false;
};

}  // namespace

void SetAxes(Graph& graph, Problems& problems) { Solver(graph, problems).Solve(); }

std::vector<int> BodyAxes(const Graph& graph, int loop) {
  if (loop < 0) return {};
  std::vector<int> axes = graph.nodes[loop].instance_axes;
  Insert(axes, graph.nodes[loop].loop_body->round_axis);
  return axes;
}

std::vector<int> ValueAxes(const Graph& graph, const Reference::Choice& choice) {
  const Target& target = choice.target;
  if (target.index < 0 || target.kind == Target::Kind::kInput ||
      target.kind == Target::Kind::kCandidate) {
    return {};
  }
  const Node& node = graph.nodes[target.index];
  if (target.kind == Target::Kind::kCarry) {
    std::vector<int> axes = node.instance_axes;
    const int own = node.loop_body->carries[target.carry].axis;
    if (own >= 0) Insert(axes, own);
    return axes;
  }
  const bool of_the_loop = node.loop_body.has_value() && !choice.fields.empty() &&
                           (choice.fields[0] == "rounds" || choice.fields[0] == "stopped");
  return of_the_loop ? node.instance_axes : node.axes;
}

std::vector<int> ListAxes(const Graph& graph, const Reference::Choice& choice,
                          const std::vector<int>& reader) {
  std::vector<int> axes;
  for (const int axis : ValueAxes(graph, choice)) {
    if (!std::binary_search(reader.begin(), reader.end(), axis)) axes.push_back(axis);
  }
  return axes;
}

bool IsList(const Graph& graph, const Reference& reference, const std::vector<int>& reader) {
  return std::any_of(
      reference.choices.begin(), reference.choices.end(),
      [&](const Reference::Choice& choice) { return !ListAxes(graph, choice, reader).empty(); });
}

std::optional<int64_t> SizeMax(const Graph& graph, const std::vector<int>& axes) {
  std::optional<int64_t> size = 1;
  for (const int axis : axes) size = Product(size, graph.axes[axis].size_max);
  return size;
}

std::optional<int64_t> SizeMax(const Graph& graph, const Reference& reference,
                               const std::vector<int>& reader) {
  std::optional<int64_t> largest = 0;
  for (const Reference::Choice& choice : reference.choices) {
    const std::optional<int64_t> size = SizeMax(graph, ListAxes(graph, choice, reader));
    if (!size.has_value() || !largest.has_value()) return std::nullopt;
    largest = std::max(*largest, *size);
  }
  return largest;
}

std::optional<int64_t> CandidatesMax(const Graph& graph, const Node& node) {
  std::optional<int64_t> candidates = 0;
  for (const Reference& reference : node.from) {
    candidates = Sum(candidates, SizeMax(graph, reference, node.instance_axes));
  }
  return candidates;
}

}  // namespace temper::agents
