// Sizes of lists times what is asked for each.
#include "agents/graph/plan.h"

#include <algorithm>
#include <utility>

#include "agents/graph/axes.h"
#include "agents/graph/edges.h"
#include "agents/graph/node_rules.h"

namespace temper::agents {
namespace {

using nlohmann::ordered_json;

constexpr int64_t kMost = int64_t{1} << 60;
constexpr int64_t kBytesPerToken = 4;

Count Times(Count a, Count b) {
  if (!a.has_value() || !b.has_value()) return std::nullopt;
  if (*a == 0 || *b == 0) return 0;
  return *a > kMost / *b ? kMost : *a * *b;
}

Count Plus(Count a, Count b) {
  if (!a.has_value() || !b.has_value()) return std::nullopt;
  return std::min(kMost, *a + *b);
}

bool Judges(const Node& node) {
  return node.role >= 0 && (node.kind == NodeKind::kScore || node.kind == NodeKind::kSelect);
}

bool Compares(const Node& node) {
  return node.by == By::kKnockout || node.by == By::kLeague || node.by == By::kPairs;
}

// Pairs that are judged among m candidates.
Count Pairs(const Node& node, Count m) {
  if (!m.has_value()) return std::nullopt;
  const int64_t keep = node.keep.value_or(1);
  if (*m <= keep) return 0;  // all are kept, unasked
  if (node.by == By::kPairs && node.circular) return *m == 2 ? 1 : *m;
  if (node.by == By::kKnockout) return *m - keep;
  return Times(*m, *m - 1).value() / 2;
}

// How long the texts of values may be.
class Lengths {
 public:
  Lengths(const Graph& graph, const PlanOptions& options)
      : graph_(graph), options_(options), known_(graph.nodes.size()) {}

  // Of all that the reader sees of it.
  Count Of(const Reference& reference, const Node& reader) {
    Count longest = 0;
    for (const Reference::Choice& choice : reference.choices) {
      const Count size = choice.target.kind == Target::Kind::kCandidate
                             ? Count(1)
                             : SizeMax(graph_, ListAxes(graph_, choice, reader.instance_axes));
      const Count length = Times(size, OfElement(choice, reader));
      if (!length.has_value()) return std::nullopt;
      longest = std::max(*longest, *length);
    }
    return longest;
  }

  int64_t OfElement(const Reference::Choice& choice, const Node& reader) {
    const Target& target = choice.target;
    switch (target.kind) {
      case Target::Kind::kInput:
        return options_.input_tokens;
      case Target::Kind::kCandidate:
        return OfCandidates(reader);
      case Target::Kind::kNode:
        return OfNode(target.index);
      case Target::Kind::kCarry:
        return OfCarry(graph_.nodes[target.index], target.carry);
    }
    return 0;
  }

  int64_t OfCandidates(const Node& node) {
    int64_t longest = 0;
    for (const Reference& reference : node.from) {
      for (const Reference::Choice& choice : reference.choices) {
        longest = std::max(longest, OfElement(choice, node));
      }
    }
    return longest;
  }

 private:
  struct Known {
    bool open = false;
    std::optional<int64_t> length;
  };

  int64_t OfNode(int index) {
    Known& known = known_[index];
    if (known.length.has_value()) return *known.length;
    if (known.open) return 0;  // through a carry back to itself: nothing longer comes of it
    known.open = true;
    const int64_t length = Compute(graph_.nodes[index]);
    known_[index] = {false, length};
    return length;
  }

  int64_t Compute(const Node& node) {
    switch (node.kind) {
      case NodeKind::kGenerate:
        return graph_.roles[node.role].max_tokens;
      case NodeKind::kScore:
      case NodeKind::kSelect:
      case NodeKind::kFilter:
        return OfCandidates(node);
      case NodeKind::kLoop:
        return OfCarry(node, 0);
      case NodeKind::kGraph:
        return OfSubGraph(*node.graph);
      default:
        return options_.answer_tokens;
    }
  }
  int64_t OfCarry(const Node& loop, int carry) {
    const Loop::Carry& carried = loop.loop_body->carries[carry];
    int64_t longest = OfNode(carried.node);
    for (const Reference::Choice& choice : carried.initial.choices) {
      longest = std::max(longest, OfElement(choice, loop));
    }
    return longest;
  }
  int64_t OfSubGraph(const Graph& inner) {
    Lengths lengths(inner, options_);
    const Node outside;
    int64_t longest = 0;
    for (const Reference::Choice& choice : inner.output.choices) {
      longest = std::max(longest, lengths.OfElement(choice, outside));
    }
    return longest;
  }

  const Graph& graph_;
  const PlanOptions& options_;
  std::vector<Known> known_;
};

class Planner {
 public:
  Planner(const Graph& graph, const PlanOptions& options)
      : graph_(graph), options_(options), lengths_(graph, options) {}

  NodePlan Of(const Node& node) {
    NodePlan plan;
    plan.instances = SizeMax(graph_, node.instance_axes);
    plan.conditional = node.when.has_value();
    plan.repeated = node.loop >= 0;
    for (int loop = node.loop; loop >= 0; loop = graph_.nodes[loop].loop) {
      plan.conditional = plan.conditional || graph_.nodes[loop].when.has_value();
    }
    if (!node.from.empty()) plan.candidates = CandidatesMax(graph_, node);
    if (node.kind == NodeKind::kGenerate) Generate(node, plan);
    if (Judges(node)) Judge(node, plan);
    if (node.kind == NodeKind::kGraph) SubGraph(node, plan);
    return plan;
  }

 private:
  const EndpointPrice& PriceOf(const Node& node) const {
    static const EndpointPrice* const nothing = new EndpointPrice;
    const auto price = options_.prices.find(graph_.roles[node.role].endpoint);
    return price == options_.prices.end() ? *nothing : price->second;
  }

  void Generate(const Node& node, NodePlan& plan) {
    const int64_t at_once = std::max<int64_t>(1, PriceOf(node).samples_max);
    plan.amounts.samples = Times(plan.instances, node.n);
    plan.amounts.calls = Times(plan.instances, (node.n + at_once - 1) / at_once);
    Spend(node, plan.amounts, PromptTokens(node), plan.amounts.samples);
  }

  // Of one request.
  Count PromptTokens(const Node& node) {
    Count tokens = static_cast<int64_t>(node.prompt->text_bytes()) / kBytesPerToken;
    for (const Prompt::Binding& binding : node.prompt->bindings()) {
      tokens = Plus(tokens, lengths_.Of(binding.reference, node));
    }
    return tokens;
  }

  void Judge(const Node& node, NodePlan& plan) {
    Count judgements;
    if (Compares(node)) {
      judgements = Times(Times(Pairs(node, plan.candidates), node.swap ? 2 : 1), node.n);
    } else {
      plan.amounts.scored = Times(plan.instances, plan.candidates);
      judgements = Times(plan.candidates, node.n);
    }
    plan.amounts.judgements = Times(plan.instances, judgements);
    plan.amounts.calls = plan.amounts.judgements;
    Count prompt = node.prompt.has_value()
                       ? PromptTokens(node)
                       : Count(lengths_.OfCandidates(node) * (Compares(node) ? 2 : 1));
    if (node.context.has_value()) prompt = Plus(prompt, lengths_.Of(*node.context, node));
    const bool writes = graph_.roles[node.role].kind != RoleKind::kReward;
    Spend(node, plan.amounts, prompt, writes ? plan.amounts.calls : Count(0));
  }

  void Spend(const Node& node, Amounts& amounts, Count prompt, Count answers) {
    amounts.tokens_in = Times(amounts.calls, prompt);
    amounts.tokens_out = Times(answers, graph_.roles[node.role].max_tokens);
    const EndpointPrice& price = PriceOf(node);
    amounts.usd =
        (static_cast<double>(amounts.tokens_in.value_or(0)) * price.usd_per_million_in +
         static_cast<double>(amounts.tokens_out.value_or(0)) * price.usd_per_million_out) /
        1e6;
  }

  void SubGraph(const Node& node, NodePlan& plan) {
    const Amounts one = MakePlan(*node.graph, options_).total;
    plan.amounts = {Times(plan.instances, one.samples),
                    Times(plan.instances, one.scored),
                    Times(plan.instances, one.judgements),
                    Times(plan.instances, one.calls),
                    Times(plan.instances, one.tokens_in),
                    Times(plan.instances, one.tokens_out),
                    static_cast<double>(plan.instances.value_or(1)) * one.usd};
  }

  const Graph& graph_;
  const PlanOptions& options_;
  Lengths lengths_;
};

ordered_json Json(const Count& count) {
  return count.has_value() ? ordered_json(*count) : ordered_json();
}

ordered_json Json(const Amounts& amounts) {
  return {{"samples", Json(amounts.samples)},
          {"scored", Json(amounts.scored)},
          {"judgements", Json(amounts.judgements)},
          {"calls", Json(amounts.calls)},
          {"tokens_in", Json(amounts.tokens_in)},
          {"tokens_out", Json(amounts.tokens_out)},
          {"usd", amounts.usd}};
}

ordered_json Names(const Graph& graph, const std::vector<int>& axes) {
  ordered_json names = ordered_json::array();
  for (const int axis : axes) names.push_back(graph.axes[axis].name);
  return names;
}

}  // namespace

void Amounts::Add(const Amounts& other) {
  samples = Plus(samples, other.samples);
  scored = Plus(scored, other.scored);
  judgements = Plus(judgements, other.judgements);
  calls = Plus(calls, other.calls);
  tokens_in = Plus(tokens_in, other.tokens_in);
  tokens_out = Plus(tokens_out, other.tokens_out);
  usd += other.usd;
}

const char* NameOf(NodeKind kind) {
  static constexpr const char* kNames[] = {"generate", "score", "select", "filter",
                                           "tool",     "ask",   "loop",   "graph"};
  return kNames[static_cast<size_t>(kind)];
}

Plan MakePlan(const Graph& graph, const PlanOptions& options) {
  Plan plan;
  Planner planner(graph, options);
  for (const Node& node : graph.nodes) {
    plan.nodes.push_back(planner.Of(node));
    plan.total.Add(plan.nodes.back().amounts);
  }
  plan.priced = !options.prices.empty();
  return plan;
}

ordered_json PlanJson(const Graph& graph, const Plan& plan) {
  ordered_json nodes = ordered_json::array();
  for (size_t i = 0; i < graph.nodes.size(); ++i) {
    const Node& node = graph.nodes[i];
    const NodePlan& planned = plan.nodes[i];
    ordered_json from = ordered_json::array();
    for (const Edge& edge : EdgesInto(graph, static_cast<int>(i))) {
      from.push_back(graph.nodes[edge.from].name);
    }
    ordered_json shown = {{"name", node.name}, {"do", NameOf(node.kind)}};
    if (node.by != By::kNone) shown["by"] = NameOf(node.by);
    if (node.role >= 0) shown["role"] = graph.roles[node.role].name;
    if (node.loop >= 0) shown["loop"] = graph.nodes[node.loop].name;
    shown["edges_from"] = std::move(from);
    shown["axes"] = Names(graph, node.axes);
    shown["instances"] = Json(planned.instances);
    if (!node.from.empty()) shown["candidates"] = Json(planned.candidates);
    shown["conditional"] = planned.conditional;
    shown["amounts"] = Json(planned.amounts);
    nodes.push_back(std::move(shown));
  }
  return {{"graph", graph.name},       {"inputs", graph.inputs},    {"output", graph.output.text},
          {"nodes", std::move(nodes)}, {"total", Json(plan.total)}, {"priced", plan.priced}};
}

}  // namespace temper::agents
