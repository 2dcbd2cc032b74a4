// Counts, and tables of them.
#include "agents/run/report.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "agents/select/filters.h"

namespace temper::agents {
namespace {

// The text that an item was made from, where its node runs for each of something, or in a loop.
std::optional<std::string> SourceText(const Execution& execution, const Node& node,
                                      const Instance& instance) {
  if (node.kind != NodeKind::kGenerate) return std::nullopt;
  if (node.each.has_value()) {
    const Reading reading = execution.ReadAs(*node.each, node.instance_axes, instance.point);
    if (!reading.list && reading.items.size() == 1) return TextOf(*reading.items.front(), {});
  }
  if (node.loop < 0) return std::nullopt;
  const Node& loop = execution.graph().nodes[static_cast<size_t>(node.loop)];
  const Point round = Front(instance.point, loop.instance_axes.size() + 1);
  const std::vector<Item>* carried = execution.Carried(node.loop, 0, round);
  if (carried == nullptr || carried->size() != 1) return std::nullopt;
  return TextOf(carried->front(), {});
}

void Count(const Execution& execution, int index, const std::string& prefix,
           std::vector<NodeCounts>& all) {
  const Node& node = execution.graph().nodes[static_cast<size_t>(index)];
  NodeCounts counts{.path = prefix + PathOf(execution.graph(), index)};
  for (const auto& [point, instance] : execution.values(index).instances()) {
    ++counts.instances;
    if (instance.failed) {
      counts.failed += instance.items.empty();  // else its failed items are counted below
      counts.failure = counts.failure.empty() ? instance.why : counts.failure;
    }
    if (instance.items.empty() && !instance.failed && instance.state == Instance::State::kClosed) {
      ++counts.absent;
    }
    const std::optional<std::string> source = SourceText(execution, node, instance);
    for (const auto& [place, item] : instance.items) {
      counts.present += item.present();
      counts.absent += item.state == Item::State::kAbsent;
      counts.failed += item.state == Item::State::kFailed;
      if (item.state == Item::State::kFailed && counts.failure.empty()) counts.failure = item.why;
      if (!item.present()) continue;
      counts.cut +=
          node.kind == NodeKind::kGenerate && item.candidate->result.finish_reason == "length";
      counts.unchanged += source.has_value() && IsUnchanged(TextOf(item, {}), *source);
    }
    // Named apart from the binding, which clang 14 captures in no lambda.
    const auto& fields = instance.fields;
    const auto field = [&fields](const char* key) {
      return fields.is_object() && fields.contains(key) && fields[key].is_number()
                 ? fields[key].get<int64_t>()
                 : 0;
    };
    counts.games += field("games");
    counts.invalid += field("invalid");
    counts.flips += field("flips");
    counts.pairs_both_ways += field("pairs_both_ways");
    counts.ties += fields.is_object() && fields.value("tie", false);
  }
  all.push_back(std::move(counts));
}

void CountAll(const Execution& execution, const std::string& prefix, std::vector<NodeCounts>& all) {
  for (size_t i = 0; i < execution.graph().nodes.size(); ++i) {
    Count(execution, static_cast<int>(i), prefix, all);
  }
  for (const auto& [place, child] : execution.children()) {
    CountAll(*child, prefix + PathOf(execution.graph(), place.first) + "/", all);
  }
}

}  // namespace

std::vector<NodeCounts> CountNodes(const Execution& execution) {
  std::vector<NodeCounts> all;
  CountAll(execution, "", all);
  // A sub-graph may have run for each of many: its nodes are told once.
  std::vector<NodeCounts> merged;
  for (NodeCounts& one : all) {
    const auto same = std::find_if(merged.begin(), merged.end(),
                                   [&](const NodeCounts& other) { return other.path == one.path; });
    if (same == merged.end()) {
      merged.push_back(std::move(one));
      continue;
    }
    same->instances += one.instances, same->present += one.present, same->absent += one.absent;
    same->failed += one.failed, same->unchanged += one.unchanged, same->cut += one.cut;
    same->games += one.games, same->invalid += one.invalid, same->flips += one.flips;
    same->pairs_both_ways += one.pairs_both_ways, same->ties += one.ties;
    if (same->failure.empty()) same->failure = one.failure;
  }
  return merged;
}

nlohmann::ordered_json ReportJson(const std::vector<NodeCounts>& nodes,
                                  const std::map<std::string, RoleUsage>& usage) {
  nlohmann::ordered_json report = {{"nodes", nlohmann::ordered_json::object()},
                                   {"roles", nlohmann::ordered_json::object()}};
  for (const NodeCounts& one : nodes) {
    nlohmann::ordered_json node = {{"instances", one.instances}, {"present", one.present},
                                   {"absent", one.absent},       {"failed", one.failed},
                                   {"unchanged", one.unchanged}, {"cut", one.cut}};
    if (one.games > 0) {
      node.update({{"games", one.games},
                   {"invalid", one.invalid},
                   {"flips", one.flips},
                   {"pairs_both_ways", one.pairs_both_ways}});
    }
    if (one.ties > 0) node["ties"] = one.ties;
    if (!one.failure.empty()) node["failure"] = one.failure;
    report["nodes"][one.path] = std::move(node);
  }
  for (const auto& [role, one] : usage) {
    report["roles"][role] = {{"calls", one.calls},
                             {"requests", one.requests},
                             {"samples", one.samples},
                             {"failed", one.failed},
                             {"lost", one.lost},
                             {"tokens_in", one.tokens_in},
                             {"tokens_out", one.tokens_out},
                             {"tokens_wasted", one.tokens_wasted},
                             {"usd", one.usd}};
  }
  return report;
}

std::string ReportText(const std::vector<NodeCounts>& nodes,
                       const std::map<std::string, RoleUsage>& usage) {
  std::string text;
  if (!nodes.empty()) {
    text = absl::StrFormat("%-24s %9s %8s %7s %7s %10s %5s\n", "node", "instances", "results",
                           "absent", "failed", "unchanged", "cut");
  }
  for (const NodeCounts& one : nodes) {
    absl::StrAppend(&text,
                    absl::StrFormat("%-24s %9d %8d %7d %7d %10d %5d", one.path, one.instances,
                                    one.present, one.absent, one.failed, one.unchanged, one.cut));
    if (one.games > 0) {
      absl::StrAppend(&text,
                      absl::StrFormat("  %d games, %d invalid, %d of %d pairs flipped", one.games,
                                      one.invalid, one.flips, one.pairs_both_ways));
    }
    if (!one.failure.empty()) absl::StrAppend(&text, "  ", one.failure.substr(0, 100));
    absl::StrAppend(&text, "\n");
  }
  absl::StrAppend(&text, absl::StrFormat("%s%-24s %9s %9s %9s %10s %10s %8s %10s\n",
                                         nodes.empty() ? "" : "\n", "role", "calls", "requests",
                                         "samples", "tokens in", "tokens out", "wasted", "usd"));
  for (const auto& [role, one] : usage) {
    absl::StrAppend(&text, absl::StrFormat("%-24s %9d %9d %9d %10d %10d %8d %10.6f", role,
                                           one.calls, one.requests, one.samples, one.tokens_in,
                                           one.tokens_out, one.tokens_wasted, one.usd));
    if (one.failed > 0) absl::StrAppend(&text, "  ", one.failed, " failed");
    if (one.lost > 0) absl::StrAppend(&text, "  ", one.lost, " lost in kills");
    absl::StrAppend(&text, "\n");
  }
  return text;
}

}  // namespace temper::agents
