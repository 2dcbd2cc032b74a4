// `temper graph show`: edges, calls and price before anything runs; or a picture.
#include <algorithm>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "agents/endpoint/endpoints_file.h"
#include "agents/graph/edges.h"
#include "agents/graph/graph_file.h"
#include "agents/graph/node_rules.h"
#include "agents/graph/picture.h"
#include "agents/graph/plan.h"
#include "base/file.h"
#include "orchestrator/cli/graph.h"

namespace temper::cli {
namespace {

using agents::Graph;
using agents::Node;

struct GraphShowOptions {
  std::string file;
  bool mermaid = false;
  std::string svg, endpoints;
  bool json = false;
  int64_t input_tokens = 1000;
};

std::string Shown(const agents::Count& count) {
  return count.has_value() ? absl::StrCat(*count) : "open";
}

// "generate x 16 (critic), each draft"
std::string What(const Graph& graph, const Node& node) {
  std::string text = agents::NameOf(node.kind);
  if (node.by != agents::By::kNone) absl::StrAppend(&text, " by ", agents::NameOf(node.by));
  if (node.n > 1) absl::StrAppend(&text, " x ", node.n);
  if (node.keep.has_value()) absl::StrAppend(&text, ", keep ", *node.keep);
  if (node.role >= 0) absl::StrAppend(&text, " (", graph.roles[node.role].name, ")");
  if (node.each.has_value()) absl::StrAppend(&text, ", each ", node.each->choices[0].name);
  if (node.loop_body.has_value()) {
    absl::StrAppend(&text, ", ", node.loop_body->rounds_max, " rounds");
  }
  if (node.when.has_value()) absl::StrAppend(&text, ", when ...");
  return text;
}

// Names of what it reads: nodes, and the inputs.
std::string Sources(const Graph& graph, const Node& node) {
  std::vector<std::string> names;
  agents::ForEachReference(node, [&](agents::Use use, const agents::Reference& reference) {
    if (use == agents::Use::kEnough || use == agents::Use::kStop) return;
    for (const agents::Reference::Choice& choice : reference.choices) {
      const bool seen = std::find(names.begin(), names.end(), choice.name) != names.end();
      if (!seen && choice.target.kind != agents::Target::Kind::kCandidate) {
        names.push_back(choice.name);
      }
    }
  });
  return absl::StrJoin(names, ", ");
}

struct Row {
  std::string name, what, sources;
};

void AddRows(const Graph& graph, const std::vector<int>& order, const std::string& indent,
             const agents::Plan& plan, std::vector<std::pair<int, Row>>& rows) {
  for (const int index : order) {
    const Node& node = graph.nodes[index];
    rows.push_back({index, {indent + node.name, What(graph, node), Sources(graph, node)}});
    if (node.loop_body.has_value()) {
      AddRows(graph, node.loop_body->body, indent + "  ", plan, rows);
    }
  }
}

void PrintTable(const Graph& graph, const agents::Plan& plan) {
  std::vector<std::pair<int, Row>> rows;
  AddRows(graph, graph.order, "", plan, rows);
  size_t name = 4, what = 4;
  for (const auto& [index, row] : rows) {
    name = std::max(name, row.name.size());
    what = std::max(what, row.what.size());
  }
  const int name_width = static_cast<int>(name), what_width = static_cast<int>(what);
  std::printf("%-*s  %-*s  %9s  %8s  %8s  %9s  reads\n", name_width, "node", what_width, "does",
              "instances", "samples", "calls", "tokens");
  for (const auto& [index, row] : rows) {
    const agents::NodePlan& planned = plan.nodes[index];
    const agents::Amounts& amounts = planned.amounts;
    const agents::Count tokens = amounts.tokens_in.has_value() && amounts.tokens_out.has_value()
                                     ? agents::Count(*amounts.tokens_in + *amounts.tokens_out)
                                     : std::nullopt;
    std::printf("%-*s  %-*s  %9s  %8s  %8s  %9s  %s\n", name_width, row.name.c_str(), what_width,
                row.what.c_str(), Shown(planned.instances).c_str(), Shown(amounts.samples).c_str(),
                Shown(amounts.calls).c_str(), Shown(tokens).c_str(), row.sources.c_str());
  }
}

void PrintTotal(const Graph& graph, const agents::Plan& plan, const GraphShowOptions& options) {
  const agents::Amounts& total = plan.total;
  std::printf(
      "\noutput: %s\nat most: %s samples, %s candidates scored, %s calls, %s tokens in, "
      "%s tokens out",
      graph.output.text.c_str(), Shown(total.samples).c_str(), Shown(total.scored).c_str(),
      Shown(total.calls).c_str(), Shown(total.tokens_in).c_str(), Shown(total.tokens_out).c_str());
  if (plan.priced) std::printf(", $%.4f", total.usd);
  std::printf(
      "\n(each input taken as %lld tokens, each answer as its role's max_tokens, one sample "
      "a call unless an endpoint takes more)\n",
      static_cast<long long>(options.input_tokens));
  const agents::BudgetLimits& budget = graph.budget;
  std::vector<std::string> limits;
  if (budget.tokens.has_value()) limits.push_back(absl::StrCat(*budget.tokens, " tokens"));
  if (budget.calls.has_value()) limits.push_back(absl::StrCat(*budget.calls, " calls"));
  if (budget.usd.has_value()) limits.push_back(absl::StrFormat("$%.2f", *budget.usd));
  if (budget.seconds.has_value()) limits.push_back(absl::StrCat(*budget.seconds, " s"));
  if (!limits.empty()) std::printf("budget: %s\n", absl::StrJoin(limits, ", ").c_str());
}

int Show(const GraphShowOptions& options) {
  const auto graph = agents::ReadGraph(options.file);
  if (!graph.ok()) return ReportGraph(graph.status());
  if (options.mermaid) {
    std::fputs(agents::Mermaid(**graph).c_str(), stdout);
    return kDone;
  }
  if (!options.svg.empty()) {
    const absl::Status written = WriteFileAtomically(options.svg, agents::Svg(**graph));
    return written.ok() ? kDone : Report(written);
  }
  agents::PlanOptions assumed{.input_tokens = options.input_tokens};
  if (!options.endpoints.empty()) {
    const auto specs = agents::ReadEndpoints(options.endpoints);
    if (!specs.ok()) return ReportGraph(specs.status());
    for (const agents::EndpointSpec& spec : *specs) {
      assumed.prices[spec.name] = {.usd_per_million_in = spec.usd_per_million_in,
                                   .usd_per_million_out = spec.usd_per_million_out,
                                   .samples_max = spec.n_max};
    }
  }
  const agents::Plan plan = agents::MakePlan(**graph, assumed);
  if (options.json) {
    std::printf("%s\n", agents::PlanJson(**graph, plan).dump(2).c_str());
    return kDone;
  }
  std::printf("%s\n\n", (*graph)->name.c_str());
  PrintTable(**graph, plan);
  PrintTotal(**graph, plan, options);
  return kDone;
}

}  // namespace

void AddGraphShow(CLI::App& group, Chosen& chosen) {
  auto options = std::make_shared<GraphShowOptions>();
  CLI::App* verb = group.add_subcommand(
      "show",
      "Shows a graph's edges and what it comes to at most, before anything runs\n"
      "Example: temper graph show examples/graphs/feedback_edit.json --svg graph.svg");
  verb->add_option("file", options->file, "The graph file")->required();
  auto* mermaid = verb->add_flag("--mermaid", options->mermaid, "A Mermaid flowchart on stdout");
  auto* svg = verb->add_option("--svg", options->svg, "Writes a picture to this file");
  auto* json = verb->add_flag("--json", options->json, "The plan as JSON on stdout");
  mermaid->excludes(svg);
  mermaid->excludes(json);
  svg->excludes(json);
  verb->add_option("--endpoints", options->endpoints,
                   "Prices and samples of a call, from an endpoints file; asks nobody");
  verb->add_option("--input-tokens", options->input_tokens,
                   "How long each input is taken to be (default 1000)")
      ->check(CLI::Range(int64_t{0}, int64_t{10'000'000}));
  verb->callback([options, &chosen] { chosen = [options] { return Show(*options); }; });
}

}  // namespace temper::cli
