// Loops: what they carry, what a round does, when they stop.
#include <utility>

#include "absl/strings/str_cat.h"
#include "agents/graph/node_limits.h"
#include "agents/graph/node_reader.h"
#include "base/nearest_name.h"

namespace temper::agents {

using Kind = PlacedJson::Kind;

void NodeReader::ReadLoop(ObjectReader& reader, int index, size_t depth) {
  Node loop = std::move(graph_.nodes[index]);
  loop.loop_body.emplace();
  ReadCarries(reader, loop);
  ReadStop(reader, loop);
  const PlacedJson* body = reader.Need("body", "the nodes of a round");
  const Place place = loop.place;
  graph_.nodes[index] = std::move(loop);
  if (body == nullptr) return;
  if (depth == kLoopsDeepMax) {
    return problems_.Add(place,
                         absl::StrCat("found loops over ", kLoopsDeepMax, " deep; expected fewer"));
  }
  ReadNodes(*body, index, depth + 1);
  std::vector<std::string> names;
  Loop& read = *graph_.nodes[index].loop_body;
  for (size_t i = index + 1; i < graph_.nodes.size(); ++i) {
    if (graph_.nodes[i].loop != index) continue;
    read.body.push_back(static_cast<int>(i));
    names.push_back(graph_.nodes[i].name);
    for (Loop::Carry& carry : read.carries) {
      if (carry.name == graph_.nodes[i].name) carry.node = static_cast<int>(i);
    }
  }
  for (const Loop::Carry& carry : read.carries) {
    if (carry.node >= 0) continue;
    problems_.Add(carry.place, absl::StrCat("found the carry \"", carry.name,
                                            "\" that no node of the body sets; expected a node "
                                            "named \"",
                                            carry.name, "\" in the body",
                                            names.empty() ? "" : Suggestion(carry.name, names)));
  }
}

void NodeReader::ReadCarries(ObjectReader& reader, Node& node) {
  const PlacedJson* carry =
      reader.Need("carry", "what goes from round to round: {\"best\": \"$draft\"}");
  if (carry == nullptr) return;
  if (!carry->is(Kind::kObject) || carry->members.empty()) {
    return reader.WrongType(*carry, "carry", "names and where they begin: {\"best\": \"$draft\"}");
  }
  ObjectReader carries(*carry, "\"carry\"", problems_);
  for (const PlacedJson::Member& member : carry->members) {
    // Declared outside of the body: no carry of this loop is there yet.
    if (!Declare(member, -1)) continue;
    if (auto initial = carries.AReference(member.key)) {
      node.loop_body->carries.push_back({.name = member.key,
                                         .place = {member.line, member.column},
                                         .initial = *std::move(initial)});
    }
  }
}

void NodeReader::ReadStop(ObjectReader& reader, Node& node) {
  const PlacedJson* stop = reader.Need("stop", "{\"max_rounds\": 4}: a loop always ends");
  if (stop == nullptr) return;
  ObjectReader rules(*stop, "\"stop\"", problems_);
  if (!stop->is(Kind::kObject)) return;
  if (rules.Need("max_rounds", "a whole number: a loop always ends") != nullptr) {
    node.loop_body->rounds_max = rules.Whole("max_rounds", 1, kRoundsMax).value_or(1);
  }
  node.loop_body->stop_when = rules.AnExpression("when", StopBuiltins());
  node.loop_body->patience = static_cast<int>(rules.Whole("patience", 1, kRoundsMax).value_or(1));
  rules.Finish();
}

}  // namespace temper::agents
