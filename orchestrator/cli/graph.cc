// The group, and `temper graph check`.
#include "orchestrator/cli/graph.h"

#include <cstdio>

#include "absl/strings/str_cat.h"
#include "agents/graph/graph_file.h"
#include "agents/graph/plan.h"

namespace temper::cli {
namespace {

std::string Counted(const agents::Count& count, const char* of_what) {
  return count.has_value() ? absl::StrCat(*count, " ", of_what)
                           : absl::StrCat("an open number of ", of_what);
}

int Check(const std::string& file) {
  const auto graph = agents::ReadGraph(file);
  if (!graph.ok()) return ReportGraph(graph.status());
  std::printf("%s: %s is right: %s\n", file.c_str(), (*graph)->name.c_str(),
              GraphCounts(**graph).c_str());
  return kDone;
}

}  // namespace

int ReportGraph(const absl::Status& status) {
  if (status.code() != absl::StatusCode::kInvalidArgument) return Report(status);
  std::fprintf(stderr, "%s\n", std::string(status.message()).c_str());
  return kWrong;
}

std::string GraphCounts(const agents::Graph& graph) {
  const agents::Amounts total = agents::MakePlan(graph, {}).total;
  std::string text = absl::StrCat(graph.nodes.size(), graph.nodes.size() == 1 ? " node" : " nodes",
                                  ", at most ", Counted(total.samples, "samples"));
  if (total.scored != 0) absl::StrAppend(&text, ", ", Counted(total.scored, "candidates scored"));
  return absl::StrCat(text, ", ", Counted(total.calls, "calls"));
}

void AddGraphCheck(CLI::App& group, Chosen& chosen) {
  auto file = std::make_shared<std::string>();
  CLI::App* verb = group.add_subcommand(
      "check",
      "Reads a graph file with its prompts and tells everything that is wrong, with places\n"
      "Example: temper graph check examples/graphs/feedback_edit.json");
  verb->add_option("file", *file, "The graph file")->required();
  verb->callback([file, &chosen] { chosen = [file] { return Check(*file); }; });
}

void AddGraph(CLI::App& program, Chosen& chosen) {
  CLI::App* group = program.add_subcommand(
      "graph",
      "Graphs of agents: drafts, feedback, edits, selection (docs/graphs.md)\n"
      "Example: temper graph show examples/graphs/feedback_edit.json");
  group->require_subcommand(1);
  AddGraphCheck(*group, chosen);
  AddGraphShow(*group, chosen);
  AddGraphRun(*group, chosen);
  AddGraphFork(*group, chosen);
  AddGraphCurve(*group, chosen);
  AddGraphExport(*group, chosen);
  AddGraphEval(*group, chosen);
  AddGraphLook(*group, chosen);
  AddGraphServe(*group, chosen);
}

}  // namespace temper::cli
