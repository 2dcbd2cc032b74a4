// Tables of keys.
#include "agents/graph/node_rules.h"

#include <algorithm>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace temper::agents {
namespace {

struct KeyRule {
  const char* key;
  std::vector<By> of;  // ways that know the key
  bool needed = false;
};

std::string Names(const std::vector<By>& ways) {
  return absl::StrJoin(ways, ", ",
                       [](std::string* out, By way) { absl::StrAppend(out, NameOf(way)); });
}

void CheckKeys(ObjectReader& reader, By by, const std::vector<KeyRule>& rules) {
  if (by == By::kNone) return;
  for (const KeyRule& rule : rules) {
    const bool known = std::find(rule.of.begin(), rule.of.end(), by) != rule.of.end();
    if (!known && reader.Has(rule.key)) {
      reader.WrongKey(rule.key, absl::StrCat("found \"", rule.key, "\" with \"by\": \"", NameOf(by),
                                             "\"; expected it only with ", Names(rule.of)));
    }
    if (known && rule.needed && !reader.Has(rule.key)) {
      reader.WrongKey("by", absl::StrCat("\"by\": \"", NameOf(by), "\" has no key \"", rule.key,
                                         "\" beside it; expected one"));
    }
  }
}

void CheckRoleKind(ObjectReader& reader, const Graph& graph, const Node& node,
                   const std::vector<RoleKind>& right, std::string_view to_do) {
  if (node.role < 0) return;
  const Role& role = graph.roles[node.role];
  if (std::find(right.begin(), right.end(), role.kind) != right.end()) return;
  const std::string kinds = absl::StrJoin(
      right, " or ", [](std::string* out, RoleKind kind) { absl::StrAppend(out, NameOf(kind)); });
  reader.WrongKey("role",
                  absl::StrCat("the role \"", role.name, "\" is of kind \"", NameOf(role.kind),
                               "\"; expected ", kinds, " to ", std::string(to_do)));
}

bool Compares(By by) { return by == By::kKnockout || by == By::kLeague || by == By::kPairs; }

}  // namespace

const char* NameOf(By by) {
  static constexpr const char* kNames[] = {
      "none",   "reward",   "yesno",  "genrm",     "rubric", "tool",
      "score",  "knockout", "league", "pairs",     "vote",   "constructive",
      "dedupe", "changed",  "regex",  "threshold", "keep"};
  return kNames[static_cast<size_t>(by)];
}

const char* NameOf(RoleKind kind) {
  static constexpr const char* kNames[] = {"chat", "reward", "genrm"};
  return kNames[static_cast<size_t>(kind)];
}

void CheckGenerate(ObjectReader& reader, const Graph& graph, const Node& node) {
  CheckRoleKind(reader, graph, node, {RoleKind::kChat}, "generate");
}

void CheckScore(ObjectReader& reader, const Graph& graph, Node& node) {
  const std::vector<By> judged = {By::kReward, By::kYesNo, By::kGenRm, By::kRubric};
  CheckKeys(reader, node.by,
            {{"role", judged},
             {"context", judged},
             {"n", {By::kYesNo, By::kGenRm, By::kRubric}},
             {"attribute", {By::kReward}},
             {"principle", {By::kYesNo}},
             {"prompt", {By::kYesNo, By::kRubric}},
             {"parse", {By::kGenRm, By::kRubric}},
             {"command", {By::kTool}},
             {"url", {By::kTool}},
             {"with", {By::kTool}},
             {"effect", {By::kTool}},
             {"timeout", {By::kTool}}});
  if (node.by == By::kReward)
    CheckRoleKind(reader, graph, node, {RoleKind::kReward}, "score by reward");
  if (node.by == By::kGenRm)
    CheckRoleKind(reader, graph, node, {RoleKind::kGenRm}, "score by genrm");
  if (node.by == By::kYesNo || node.by == By::kRubric) {
    CheckRoleKind(reader, graph, node, {RoleKind::kChat}, "judge by a prompt");
  }
  if (node.by == By::kYesNo && !reader.Has("principle") && !reader.Has("prompt")) {
    reader.WrongKey("by",
                    "\"by\": \"yesno\" asks nothing; expected a \"principle\" or a \"prompt\"");
  }
  if (node.by == By::kRubric) {
    for (const char* key : {"prompt", "parse"}) {
      if (reader.Has(key)) continue;
      reader.WrongKey("by", absl::StrCat("\"by\": \"rubric\" has no key \"", key,
                                         "\" beside it; expected one"));
    }
  }
  if (node.by == By::kTool) CheckCall(reader, node);
}

void CheckSelect(ObjectReader& reader, const Graph& graph, Node& node) {
  const std::vector<By> pairwise = {By::kKnockout, By::kLeague, By::kPairs};
  const std::vector<By> judged = {By::kScore, By::kKnockout, By::kLeague, By::kPairs};
  CheckKeys(reader, node.by,
            {{"role", judged},
             {"context", judged},
             {"attribute", {By::kScore}},
             {"n", pairwise},
             {"swap", pairwise},
             {"prompt", pairwise},
             {"principle", pairwise},
             {"parse", judged},
             {"circular", {By::kPairs}},
             {"pattern", {By::kVote}}});
  if (node.by == By::kScore) {
    CheckRoleKind(reader, graph, node, {RoleKind::kReward, RoleKind::kGenRm},
                  "select by score (a chat role judges in a score node)");
  }
  if (!Compares(node.by)) return;
  CheckRoleKind(reader, graph, node, {RoleKind::kGenRm, RoleKind::kChat},
                "compare (a reward role selects by score)");
  if (node.role < 0 || graph.roles[node.role].kind != RoleKind::kChat) return;
  if (!reader.Has("prompt")) {
    reader.WrongKey("by",
                    "a chat role compares by a prompt that names $first and $second; "
                    "expected the key \"prompt\"");
  }
  if (node.parse.kind == ParseRule::Kind::kNone) node.parse.kind = ParseRule::Kind::kVerdict;
}

void CheckFilter(ObjectReader& reader, const Node& node) {
  CheckKeys(reader, node.by,
            {{"pattern", {By::kRegex}, /*needed=*/true},
             {"passing", {By::kThreshold}, /*needed=*/true},
             {"source", {By::kChanged}, /*needed=*/true}});
}

void CheckCall(ObjectReader& reader, const Node& node) {
  if (reader.Has("command") == reader.Has("url")) {
    reader.WrongKey(reader.Has("url") ? "url" : "do",
                    reader.Has("url")
                        ? "found both \"command\" and \"url\"; expected one of them"
                        : "found neither \"command\" nor \"url\"; expected one of them");
  }
  if (reader.Has("url") && !node.url.empty() && node.url.rfind("http://", 0) != 0 &&
      node.url.rfind("https://", 0) != 0) {
    reader.WrongKey(
        "url", absl::StrCat("\"url\": found \"", node.url, "\"; expected http:// or https://"));
  }
}

}  // namespace temper::agents
