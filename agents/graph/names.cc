// Names are looked up in the body where the reader stands, then outwards.
#include "agents/graph/names.h"

#include <algorithm>
#include <optional>
#include <vector>

#include "absl/strings/str_cat.h"
#include "agents/graph/edges.h"
#include "base/nearest_name.h"

namespace temper::agents {
namespace {

class Names {
 public:
  Names(Graph& graph, const std::set<std::string>& unread, Problems& problems)
      : graph_(graph), unread_(unread), problems_(problems) {}

  void ResolveNode(int index) {
    Node& node = graph_.nodes[index];
    SetContext(node);
    ForEachReference(node, [&](Use use, Reference& reference) {
      const int scope = use == Use::kStop ? index : node.loop;
      for (Reference::Choice& choice : reference.choices) {
        if (Candidate(node, use, choice)) continue;
        Resolve(choice, scope, use == Use::kStop, reference.place);
      }
    });
  }

  void ResolveOutput() {
    for (Reference::Choice& choice : graph_.output.choices) {
      Resolve(choice, -1, false, graph_.output.place);
    }
  }

  // Rewards look at any node, the bodies' too.
  void ResolveReward(Reference& reference) {
    for (Reference::Choice& choice : reference.choices) {
      for (size_t i = 0; i < graph_.nodes.size() && choice.target.index < 0; ++i) {
        if (graph_.nodes[i].name != choice.name) continue;
        choice.target = {Target::Kind::kNode, static_cast<int>(i)};
        CheckFields(choice, reference.place);
      }
      if (choice.target.index < 0) Resolve(choice, -1, false, reference.place);
    }
  }

 private:
  // A judge sees its candidates by names of their own.
  static bool Candidate(const Node& node, Use use, Reference::Choice& choice) {
    const bool alone =
        (use == Use::kPrompt && node.kind == NodeKind::kScore) || use == Use::kPassing;
    const bool pair = use == Use::kPrompt && node.kind == NodeKind::kSelect;
    if (alone && choice.name == "it") {
      choice.target = {Target::Kind::kCandidate, 0};
    } else if (pair && (choice.name == "first" || choice.name == "second")) {
      choice.target = {Target::Kind::kCandidate, choice.name == "first" ? 0 : 1};
    }
    return choice.target.index >= 0;
  }

  // Of a judge that sees conversations: the input "messages", or the only one.
  void SetContext(Node& node) {
    const bool judges = node.kind == NodeKind::kScore || node.kind == NodeKind::kSelect;
    if (!judges || node.role < 0 || node.context.has_value() || node.prompt.has_value()) return;
    const auto& inputs = graph_.inputs;
    const bool named = std::find(inputs.begin(), inputs.end(), "messages") != inputs.end();
    if (!named && inputs.size() != 1) {
      problems_.Add(node.place,
                    absl::StrCat("the judge of \"", node.name,
                                 "\" sees no conversation; expected the key \"context\""));
      return;
    }
    Reference context{.place = node.place};
    context.choices.push_back({.name = named ? "messages" : inputs[0]});
    context.text = absl::StrCat("$", context.choices[0].name);
    node.context = std::move(context);
  }

  std::optional<Target> Find(const std::string& name, int scope, bool after_round) const {
    for (; scope >= 0; scope = graph_.nodes[scope].loop, after_round = false) {
      const Loop& loop = *graph_.nodes[scope].loop_body;
      for (size_t c = 0; c < loop.carries.size(); ++c) {
        if (loop.carries[c].name != name) continue;
        if (after_round) return Target{Target::Kind::kNode, loop.carries[c].node};
        return Target{Target::Kind::kCarry, scope, static_cast<int>(c)};
      }
      for (const int node : loop.body) {
        if (graph_.nodes[node].name == name) return Target{Target::Kind::kNode, node};
      }
    }
    for (size_t i = 0; i < graph_.nodes.size(); ++i) {
      if (graph_.nodes[i].loop < 0 && graph_.nodes[i].name == name) {
        return Target{Target::Kind::kNode, static_cast<int>(i)};
      }
    }
    const auto input = std::find(graph_.inputs.begin(), graph_.inputs.end(), name);
    if (input == graph_.inputs.end()) return std::nullopt;
    return Target{Target::Kind::kInput, static_cast<int>(input - graph_.inputs.begin())};
  }

  void Resolve(Reference::Choice& choice, int scope, bool after_round, Place place) {
    const auto target = Find(choice.name, scope, after_round);
    if (!target.has_value()) return TellUnknown(choice, scope, place);
    if (target->index < 0) return;  // a carry that nothing sets was told
    const bool is_node = target->kind == Target::Kind::kNode;
    if (is_node && (scope == target->index || Encloses(target->index, scope))) {
      problems_.Add(place,
                    absl::StrCat("found \"$", choice.name, "\" inside its own body; ",
                                 "expected what the loop carries: ", Carries(target->index)));
      return;
    }
    choice.target = *target;
    CheckFields(choice, place);
  }
  bool Encloses(int loop, int scope) const {
    return scope >= 0 && (loop == scope || IsInside(graph_, scope, loop));
  }
  std::string Carries(int loop) const {
    std::string text;
    for (const Loop::Carry& carry : graph_.nodes[loop].loop_body->carries) {
      absl::StrAppend(&text, text.empty() ? "$" : ", $", carry.name);
    }
    return text;
  }

  void TellUnknown(const Reference::Choice& choice, int scope, Place place) {
    if (unread_.contains(choice.name) || problems_.full()) return;
    for (const Node& node : graph_.nodes) {
      const bool carried = node.loop_body.has_value() && HasCarry(*node.loop_body, choice.name);
      if (node.name != choice.name && !carried) continue;
      const std::string loop = carried ? node.name : graph_.nodes[node.loop].name;
      problems_.Add(place,
                    absl::StrCat("found \"$", choice.name, "\", which is inside the loop \"", loop,
                                 "\"; from outside only $", loop, ", $", loop, ".rounds, $", loop,
                                 ".stopped and its other carries as $", loop, ".NAME can be read"));
      return;
    }
    if (choice.name == "it" || choice.name == "first" || choice.name == "second") {
      problems_.Add(place, absl::StrCat("found \"$", choice.name, "\", which only ",
                                        choice.name == "it" ? "the prompt of a score node and "
                                                              "\"passing\" know"
                                                            : "the prompt of a select node knows"));
      return;
    }
    problems_.Add(place, absl::StrCat("found the unknown reference \"$", choice.name, "\"",
                                      Suggested(choice.name, scope)));
  }
  static bool HasCarry(const Loop& loop, const std::string& name) {
    return std::any_of(loop.carries.begin(), loop.carries.end(),
                       [&](const Loop::Carry& carry) { return carry.name == name; });
  }

  // In quotes and with "$", as it would be typed.
  std::string Suggested(const std::string& name, int scope) const {
    std::vector<std::string> known;
    for (const std::string& input : graph_.inputs) known.push_back("$" + input);
    for (size_t i = 0; i < graph_.nodes.size(); ++i) {
      const Node& node = graph_.nodes[i];
      const bool seen = node.loop < 0 || Encloses(node.loop, scope);
      if (seen && !Encloses(static_cast<int>(i), scope)) known.push_back("$" + node.name);
      if (!node.loop_body.has_value() || !Encloses(static_cast<int>(i), scope)) continue;
      for (const Loop::Carry& carry : node.loop_body->carries) known.push_back("$" + carry.name);
    }
    return Suggestion("$" + name, known);
  }

  void CheckFields(Reference::Choice& choice, Place place) {
    if (choice.fields.empty()) return;
    const bool is_node = choice.target.kind == Target::Kind::kNode;
    if (choice.target.kind == Target::Kind::kInput) return;
    std::vector<std::string> known = {"score"};
    if (is_node) {
      const Node& node = graph_.nodes[choice.target.index];
      if (node.kind == NodeKind::kTool || node.kind == NodeKind::kAsk) return;
      if (node.kind == NodeKind::kGenerate) known.insert(known.end(), {"finish", "tokens"});
      if (node.loop_body.has_value()) {
        if (TakeCarry(choice, *node.loop_body)) return;
        known.insert(known.end(), {"rounds", "stopped"});
        for (const Loop::Carry& carry : node.loop_body->carries) known.push_back(carry.name);
      }
    }
    const std::string& field = choice.fields[0];
    if (std::find(known.begin(), known.end(), field) == known.end()) {
      problems_.Add(place, absl::StrCat("found the field \"", field, "\" of \"$", choice.name, "\"",
                                        Suggestion(field, known)));
    } else if (choice.fields.size() > 1) {
      problems_.Add(place, absl::StrCat("found a field of \"$", choice.name, ".", field,
                                        "\", which has none"));
    }
  }
  // "$refine.other": another carry of the loop, from outside.
  bool TakeCarry(Reference::Choice& choice, const Loop& loop) {
    for (size_t c = 0; c < loop.carries.size(); ++c) {
      if (loop.carries[c].name != choice.fields[0]) continue;
      choice.target = {Target::Kind::kCarry, choice.target.index, static_cast<int>(c)};
      choice.fields.erase(choice.fields.begin());
      return choice.fields.empty();
    }
    return false;
  }

  Graph& graph_;
  const std::set<std::string>& unread_;
  Problems& problems_;
};

}  // namespace

void ResolveNames(Graph& graph, const std::set<std::string>& unread, Problems& problems) {
  Names names(graph, unread, problems);
  for (size_t i = 0; i < graph.nodes.size(); ++i) names.ResolveNode(static_cast<int>(i));
  names.ResolveOutput();
  for (TrainRule& rule : graph.train) {
    if (!rule.reward.has_value()) continue;
    for (Reference* reference : rule.reward->references()) names.ResolveReward(*reference);
  }
}

}  // namespace temper::agents
