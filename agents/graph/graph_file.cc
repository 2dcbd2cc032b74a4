// From text to a graph, in steps: each is taken only on what the ones before left sound.
#include "agents/graph/graph_file.h"

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "agents/graph/axes.h"
#include "agents/graph/checks.h"
#include "agents/graph/names.h"
#include "agents/graph/node_reader.h"
#include "agents/graph/role_reader.h"
#include "agents/graph/sub_graphs.h"
#include "base/file.h"
#include "base/status_macros.h"

namespace temper::agents {
namespace {

using Kind = PlacedJson::Kind;
using nlohmann::ordered_json;

// "feedback-edit/1": a name, and a number that its author counts up.
bool IsGraphName(std::string_view text) {
  const size_t slash = text.find('/');
  const std::string_view name = text.substr(0, slash);
  const auto of_name = [](char c) {
    return absl::ascii_islower(c) || absl::ascii_isdigit(c) || c == '-' || c == '_' || c == '.';
  };
  if (name.empty() || !std::all_of(name.begin(), name.end(), of_name)) return false;
  if (slash == text.npos) return true;
  const std::string_view number = text.substr(slash + 1);
  return !number.empty() && number.size() <= 9 &&
         std::all_of(number.begin(), number.end(), absl::ascii_isdigit);
}

class Reading {
 public:
  Reading(const std::string& path, ReadingFiles& files) : files_(files), problems_(path) {
    graph_.path = path;
  }

  absl::StatusOr<std::shared_ptr<const Graph>> Read(std::string_view json) {
    TEMPER_ASSIGN_OR_RETURN(const PlacedJson file, ParsePlacedJson(json, graph_.path));
    const std::set<std::string> unread = ReadKeys(file);
    ResolveNames(graph_, unread, problems_);
    const bool named = problems_.empty();
    SetOrder(graph_, problems_);
    if (named) CheckUses(graph_, problems_);
    if (problems_.empty()) SetAxes(graph_, problems_);
    if (problems_.empty()) CheckShapes(graph_, problems_);
    TEMPER_RETURN_IF_ERROR(problems_.status());
    ordered_json texts = ordered_json::object();
    // By their place beside the graph: a graph that moves with its files is the same.
    const std::string beside = Dirname(graph_.path) + "/";
    for (const auto& [name, text] : files_.texts) {
      texts[name.starts_with(beside) ? name.substr(beside.size()) : name] = text;
    }
    graph_.canonical = ordered_json{{"graph", file.Json()}, {"files", std::move(texts)}}.dump(
        -1, ' ', false, ordered_json::error_handler_t::replace);
    return std::make_shared<const Graph>(std::move(graph_));
  }

 private:
  // The names of nodes that were refused.
  std::set<std::string> ReadKeys(const PlacedJson& file) {
    ObjectReader reader(file, "a graph", problems_);
    if (!file.is(Kind::kObject)) return {};
    ReadName(reader);
    reader.Take("about");  // for people
    const PlacedJson* input = reader.Need("input", "a list of names: [\"messages\"]");
    const PlacedJson* roles = reader.Take("roles");
    const PlacedJson* nodes = reader.Need("nodes", "what is done: {\"draft\": {\"do\": ...}}");
    reader.Need("output", "what comes out, such as \"$pick\"");
    const PlacedJson* budget = reader.Take("budget");
    const PlacedJson* train = reader.Take("train");
    if (input != nullptr) ReadInputs(*input, graph_, problems_);
    if (roles != nullptr) ReadRoles(*roles, graph_, problems_);
    if (budget != nullptr) ReadBudget(*budget, graph_, problems_);
    if (train != nullptr) ReadTrain(*train, graph_, problems_);
    if (auto output = reader.AReference("output")) graph_.output = *std::move(output);
    reader.Finish();
    NodeReader node_reader(graph_, files_, problems_);
    if (nodes != nullptr) node_reader.ReadNodes(*nodes, -1, 0);
    return node_reader.unread();
  }

  void ReadName(ObjectReader& reader) {
    const PlacedJson* value = reader.Need("graph", "its name, such as \"feedback-edit/1\"");
    if (value == nullptr) return;
    if (!value->is(Kind::kString) || !IsGraphName(value->text())) {
      return reader.WrongType(*value, "graph", "a name and a number, such as \"feedback-edit/1\"");
    }
    graph_.name = value->text();
  }

  ReadingFiles& files_;
  Problems problems_;
  Graph graph_;
};

}  // namespace

absl::StatusOr<std::shared_ptr<const Graph>> ReadGraphText(std::string_view json,
                                                           const std::string& path,
                                                           ReadingFiles& files) {
  if (json.size() > kGraphBytesMax) {
    return absl::InvalidArgumentError(
        absl::StrCat(path, ": found ", json.size(), " bytes; expected at most ", kGraphBytesMax));
  }
  files.open.push_back(path);
  auto graph = Reading(path, files).Read(json);
  files.open.pop_back();
  return graph;
}

absl::StatusOr<std::shared_ptr<const Graph>> ReadSubGraph(const std::string& path,
                                                          ReadingFiles& files) {
  if (std::find(files.open.begin(), files.open.end(), path) != files.open.end()) {
    return absl::InvalidArgumentError(absl::StrCat("found ", absl::StrJoin(files.open, " -> "),
                                                   " -> ", path,
                                                   "; expected no graph inside itself"));
  }
  if (files.open.size() > kSubGraphsDeepMax) {
    return absl::InvalidArgumentError(
        absl::StrCat("found sub-graphs over ", kSubGraphsDeepMax, " deep; expected fewer"));
  }
  TEMPER_ASSIGN_OR_RETURN(const std::string json, files.read(path));
  files.texts[path] = json;
  return ReadGraphText(json, path, files);
}

absl::StatusOr<std::shared_ptr<const Graph>> ParseGraph(std::string_view json,
                                                        std::string_view path, FileReader read) {
  ReadingFiles files{.read = std::move(read)};
  return ReadGraphText(json, std::string(path), files);
}

absl::StatusOr<std::shared_ptr<const Graph>> ReadGraph(const std::string& path) {
  TEMPER_ASSIGN_OR_RETURN(const std::string json, ReadFile(path));
  return ParseGraph(json, path, [](const std::string& file) { return ReadFile(file); });
}

}  // namespace temper::agents
