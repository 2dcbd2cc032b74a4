// The keys of every node, and what one key alone can have wrong.
#include "agents/graph/node_reader.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "agents/graph/node_limits.h"
#include "agents/graph/node_rules.h"
#include "base/file.h"
#include "base/nearest_name.h"

namespace temper::agents {
namespace {

using Kind = PlacedJson::Kind;
using nlohmann::ordered_json;

// In the order of NodeKind.
const std::vector<std::string>& Kinds() {
  static const auto* const kinds = new std::vector<std::string>{
      "generate", "score", "select", "filter", "tool", "ask", "loop", "graph"};
  return *kinds;
}

// The keys that decide a result and show in nothing that it is made from.
constexpr const char* kDeciding[] = {"do",        "by",      "principle", "parse",
                                     "attribute", "swap",    "circular",  "pattern",
                                     "passing",   "command", "url",       "effect"};

By Shift(By first, std::optional<size_t> word) {
  return word.has_value() ? static_cast<By>(static_cast<size_t>(first) + *word) : By::kNone;
}

}  // namespace

const std::vector<std::string>& SpentBuiltins() {
  static const auto* const names =
      new std::vector<std::string>{"spent.tokens", "spent.usd", "spent.seconds", "spent.calls"};
  return *names;
}

const std::vector<std::string>& InLoopBuiltins() {
  static const auto* const names = new std::vector<std::string>{
      "round", "spent.tokens", "spent.usd", "spent.seconds", "spent.calls"};
  return *names;
}

const std::vector<std::string>& StopBuiltins() {
  static const auto* const names = new std::vector<std::string>{
      "round", "gain", "unchanged", "spent.tokens", "spent.usd", "spent.seconds", "spent.calls"};
  return *names;
}

const std::vector<std::string>& RewardBuiltins() {
  static const auto* const names = new std::vector<std::string>{"gain", "unchanged", "calibrated"};
  return *names;
}

NodeReader::NodeReader(Graph& graph, ReadingFiles& files, Problems& problems)
    : graph_(graph), files_(files), problems_(problems) {}

bool NodeReader::Declare(const PlacedJson::Member& member, int loop) {
  const Place place{member.line, member.column};
  const std::string& name = member.key;
  if (!IsName(name) || name == "it") {
    problems_.Add(place, absl::StrCat("found the node name \"", name,
                                      "\"; expected a-z, 0-9 and _, a letter first, and not it"));
    return false;
  }
  if (std::find(graph_.inputs.begin(), graph_.inputs.end(), name) != graph_.inputs.end()) {
    problems_.Add(place, absl::StrCat("found the node name \"", name,
                                      "\", which is an input; expected another name"));
    return false;
  }
  if (loop >= 0) {
    const auto& carries = graph_.nodes[loop].loop_body->carries;
    const auto is_carry = [&](const Loop::Carry& carry) { return carry.name == name; };
    // Its name was declared with the carry.
    if (std::any_of(carries.begin(), carries.end(), is_carry)) return true;
  }
  if (const auto [at, is_new] = declared_.emplace(name, place); !is_new) {
    problems_.Add(place, absl::StrCat("found the name \"", name, "\", which stands already at ",
                                      at->second.line, ":", at->second.column,
                                      "; expected a name of its own"));
    return false;
  }
  return true;
}

void NodeReader::ReadNodes(const PlacedJson& nodes, int loop, size_t depth) {
  if (!nodes.is(Kind::kObject) || nodes.members.empty()) {
    problems_.Add(
        PlaceOf(nodes),
        absl::StrCat("found ", nodes.Shown(), "; expected nodes: {\"draft\": {\"do\": ...}, ...}"));
    return;
  }
  for (const PlacedJson::Member& member : nodes.members) {
    if (++files_.nodes > kNodesMax) {
      problems_.Add({member.line, member.column},
                    absl::StrCat("found over ", kNodesMax, " nodes; expected fewer"));
      return;
    }
    const size_t before = graph_.nodes.size();
    if (Declare(member, loop)) ReadNode(member, loop, depth);
    if (graph_.nodes.size() == before) unread_.insert(member.key);
  }
}

void NodeReader::ReadNode(const PlacedJson::Member& member, int loop, size_t depth) {
  const PlacedJson& object = member.value;
  const PlacedJson* kind_text = object.Find("do");
  std::string what = "a node";
  if (kind_text != nullptr && kind_text->is(Kind::kString)) {
    what = absl::StrCat("a node that does \"", kind_text->text(), "\"");
  }
  ObjectReader reader(object, what, problems_);
  if (!object.is(Kind::kObject)) return;
  reader.Need("do", "one of generate, score, select, filter, tool, ask, loop, graph");
  const auto kind = reader.Word("do", Kinds());
  if (!kind.has_value()) return;

  const int index = static_cast<int>(graph_.nodes.size());
  Node node;
  node.name = member.key;
  node.place = {member.line, member.column};
  node.kind = static_cast<NodeKind>(*kind);
  node.loop = loop;
  node.each = reader.AReference("each");
  node.after = reader.References("after");
  node.when = reader.AnExpression("when", loop >= 0 ? InLoopBuiltins() : SpentBuiltins());
  SetDefinition(object, node);
  switch (node.kind) {
    case NodeKind::kGenerate:
      ReadGenerate(reader, node);
      break;
    case NodeKind::kScore:
      ReadScore(reader, node);
      break;
    case NodeKind::kSelect:
      ReadSelect(reader, node);
      break;
    case NodeKind::kFilter:
      ReadFilter(reader, node);
      break;
    case NodeKind::kTool:
      ReadTool(reader, node);
      break;
    case NodeKind::kAsk:
      ReadAsk(reader, node);
      break;
    case NodeKind::kGraph:
      ReadSubGraphNode(reader, node);
      break;
    case NodeKind::kLoop:
      break;
  }
  graph_.nodes.push_back(std::move(node));
  if (static_cast<NodeKind>(*kind) == NodeKind::kLoop) ReadLoop(reader, index, depth);
  reader.Finish();
}

void NodeReader::SetDefinition(const PlacedJson& object, Node& node) {
  ordered_json definition = ordered_json::object();
  for (const char* key : kDeciding) {
    if (const PlacedJson* value = object.Find(key)) definition[key] = value->Json();
  }
  node.definition = definition.dump(-1, ' ', false, ordered_json::error_handler_t::replace);
}

void NodeReader::ReadGenerate(ObjectReader& reader, Node& node) {
  ReadRole(reader, node, /*needed=*/true);
  CheckGenerate(reader, graph_, node);
  ReadSamples(reader, node);
  ReadPromptOf(reader, node, /*needed=*/true);
}

void NodeReader::ReadScore(ObjectReader& reader, Node& node) {
  if (reader.Need("from", "what is scored, such as \"$draft\"") != nullptr) {
    node.from = reader.References("from");
  }
  if (reader.Need("by", "one of reward, yesno, genrm, rubric, tool") != nullptr) {
    node.by = Shift(By::kReward, reader.Word("by", {"reward", "yesno", "genrm", "rubric", "tool"}));
  }
  ReadRole(reader, node, node.by != By::kTool && node.by != By::kNone);
  ReadJudging(reader, node);
  node.attribute = reader.Text("attribute").value_or("");
  ReadCall(reader, node);
  CheckScore(reader, graph_, node);
}

void NodeReader::ReadSelect(ObjectReader& reader, Node& node) {
  if (reader.Need("from", "what is chosen from, such as [\"$draft\", \"$edit\"]") != nullptr) {
    node.from = reader.References("from");
  }
  if (reader.Need("by", "one of score, knockout, league, pairs, vote") != nullptr) {
    node.by =
        Shift(By::kScore, reader.Word("by", {"score", "knockout", "league", "pairs", "vote"}));
  }
  node.keep = reader.Whole("keep", 1, kSamplesMax);
  const bool compares = node.by == By::kKnockout || node.by == By::kLeague || node.by == By::kPairs;
  ReadRole(reader, node, compares);
  ReadJudging(reader, node);
  node.attribute = reader.Text("attribute").value_or("");
  node.swap = reader.Truth("swap").value_or(true);
  node.circular = reader.Truth("circular").value_or(false);
  ReadPattern(reader, node, /*group=*/true);
  CheckSelect(reader, graph_, node);
}

void NodeReader::ReadFilter(ObjectReader& reader, Node& node) {
  if (reader.Need("from", "what is filtered, such as \"$feedback\"") != nullptr) {
    node.from = reader.References("from");
  }
  const std::vector<std::string> words = {"constructive", "dedupe",    "changed",
                                          "regex",        "threshold", "keep"};
  if (reader.Need("by", "one of constructive, dedupe, changed, regex, threshold, keep") !=
      nullptr) {
    node.by = Shift(By::kConstructive, reader.Word("by", words));
  }
  node.keep = reader.Whole("keep", 1, kSamplesMax);
  ReadPattern(reader, node, /*group=*/false);
  node.passing = reader.AnExpression("passing", {});
  node.source = reader.AReference("source");
  CheckFilter(reader, node);
}

void NodeReader::ReadTool(ObjectReader& reader, Node& node) {
  ReadCall(reader, node);
  CheckCall(reader, node);
}

void NodeReader::ReadAsk(ObjectReader& reader, Node& node) {
  ReadPromptOf(reader, node, /*needed=*/true);
  node.timeout_seconds = reader.Number("timeout", 0.001, kTimeoutMax).value_or(kTimeoutMax);
  if (const PlacedJson* value = reader.Take("default")) node.default_answer = value->Json();
}

void NodeReader::ReadSubGraphNode(ObjectReader& reader, Node& node) {
  const PlacedJson* file = reader.Need("file", "the path of a graph file");
  ReadArguments(reader, node);
  if (file == nullptr) return;
  if (!file->is(Kind::kString) || file->text().empty()) {
    return reader.WrongType(*file, "file", "the path of a graph file");
  }
  const std::string path = JoinPath(Dirname(files_.open.back()), file->text());
  auto graph = ReadSubGraph(path, files_);
  if (!graph.ok()) {
    return problems_.AddOther(PlaceOf(*file), absl::StrCat(problems_.path(), ":", file->line, ":",
                                                           file->column, ": in the sub-graph: ",
                                                           std::string(graph.status().message())));
  }
  node.graph = *std::move(graph);
  for (const auto& [name, reference] : node.arguments) {
    const auto& inputs = node.graph->inputs;
    if (std::find(inputs.begin(), inputs.end(), name) != inputs.end()) continue;
    problems_.Add(reference.place,
                  absl::StrCat("found the input \"", name, "\", which ", node.graph->name,
                               " does not have", Suggestion(name, inputs)));
  }
  for (const std::string& input : node.graph->inputs) {
    if (node.arguments.contains(input)) continue;
    reader.Wrong(*file, absl::StrCat("the input \"", input, "\" of ", node.graph->name,
                                     " is given nothing; expected it in \"with\""));
  }
}

}  // namespace temper::agents
