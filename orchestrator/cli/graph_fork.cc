// `temper graph fork`: a new folder with a recorded one's results, but for those from a node on.
#include <cstdio>
#include <random>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "agents/graph/graph_file.h"
#include "agents/run/store.h"
#include "agents/run/wiring.h"
#include "base/file.h"
#include "base/nearest_name.h"
#include "base/status_macros.h"
#include "orchestrator/cli/graph.h"

namespace temper::cli {
namespace {

struct ForkArguments {
  std::string file, dir, to, at;
  uint64_t seed = 0;
};

// "edit[3]": results of the node there, "edit": all of it.
struct Where {
  std::string path;
  std::optional<std::string> lineage;
  std::optional<int64_t> sample;
};

absl::StatusOr<Where> ParseWhere(const std::string& text, const agents::Graph& graph) {
  const size_t bracket = text.find('[');
  Where where{.path = text.substr(0, bracket)};
  std::vector<std::string> paths;
  int node = -1;
  for (size_t i = 0; i < graph.nodes.size(); ++i) {
    paths.push_back(agents::PathOf(graph, static_cast<int>(i)));
    if (paths.back() == where.path) node = static_cast<int>(i);
  }
  if (node < 0) {
    return absl::InvalidArgumentError(
        absl::StrCat("--at ", text, ": there is no such node", Suggestion(where.path, paths)));
  }
  if (bracket == std::string::npos) return where;
  if (text.back() != ']') {
    return absl::InvalidArgumentError(absl::StrCat("--at ", text, ": expected NODE[INDEX,...]"));
  }
  const agents::Node& own = graph.nodes[static_cast<size_t>(node)];
  const std::vector<std::string> indices =
      absl::StrSplit(text.substr(bracket + 1, text.size() - bracket - 2), ',');
  const size_t instance = own.instance_axes.size();
  if (indices.size() != instance && indices.size() != own.axes.size()) {
    return absl::InvalidArgumentError(absl::StrCat("--at ", text, ": ", where.path, " has ",
                                                   own.axes.size(), " indices, found ",
                                                   indices.size()));
  }
  where.lineage = "";
  for (size_t i = 0; i < indices.size(); ++i) {
    int64_t index = 0;
    if (!absl::SimpleAtoi(indices[i], &index) || index < 0) {
      return absl::InvalidArgumentError(
          absl::StrCat("--at ", text, ": \"", indices[i], "\" is no index"));
    }
    if (i >= instance) {
      where.sample = index;
      break;
    }
    const agents::Axis& axis = graph.axes[static_cast<size_t>(own.instance_axes[i])];
    absl::StrAppend(&*where.lineage, i == 0 ? "" : " ", axis.name,
                    axis.kind == agents::Axis::Kind::kRound ? "#" : "=", index);
  }
  return where;
}

absl::Status Fork(const ForkArguments& arguments) {
  TEMPER_ASSIGN_OR_RETURN(const auto graph, agents::ReadGraph(arguments.file));
  Where where;
  if (!arguments.at.empty()) {
    TEMPER_ASSIGN_OR_RETURN(where, ParseWhere(arguments.at, *graph));
  }
  const std::string from = arguments.dir + "/results.db", to = arguments.to + "/results.db";
  if (Exists(to)) {
    return absl::AlreadyExistsError(absl::StrCat(arguments.to, ": holds results already"));
  }
  {
    // Refuses while another process has it open, and ends a torn transaction.
    if (!Exists(from)) {
      return absl::NotFoundError(absl::StrCat(arguments.dir, ": nothing was run in this folder"));
    }
    TEMPER_RETURN_IF_ERROR(agents::GraphStore::Open(from).status());
  }
  TEMPER_ASSIGN_OR_RETURN(const std::string bytes, ReadFile(from));
  TEMPER_RETURN_IF_ERROR(MakeDirectories(arguments.to));
  TEMPER_RETURN_IF_ERROR(WriteFileAtomically(to, bytes));
  TEMPER_ASSIGN_OR_RETURN(const std::unique_ptr<agents::GraphStore> store,
                          agents::GraphStore::Open(to));
  TEMPER_ASSIGN_OR_RETURN(const int64_t before, store->Results());
  // What was paid for was paid by the parent.
  TEMPER_RETURN_IF_ERROR(store->BeginFork(absl::StrCat(arguments.seed)));
  if (!where.path.empty()) {
    TEMPER_RETURN_IF_ERROR(store->Forget(where.path, where.lineage, where.sample));
  }
  TEMPER_ASSIGN_OR_RETURN(const int64_t kept, store->Results());
  std::printf("%s: %lld results of %lld; go on with: temper graph resume %s --dir %s\n",
              arguments.to.c_str(), static_cast<long long>(kept), static_cast<long long>(before),
              arguments.file.c_str(), arguments.to.c_str());
  return absl::OkStatus();
}

}  // namespace

void AddGraphFork(CLI::App& group, Chosen& chosen) {
  auto arguments = std::make_shared<ForkArguments>();
  arguments->seed = std::random_device{}();
  CLI::App* verb = group.add_subcommand(
      "fork",
      "A new folder with a folder's results; from --at on they are drawn anew\n"
      "Example: temper graph fork examples/graphs/feedback_edit.json --dir graph-runs/mine \\\n"
      "           --to graph-runs/other --at 'edit[3]'");
  verb->add_option("file", arguments->file, "The graph file, perhaps changed")->required();
  verb->add_option("--dir", arguments->dir, "The folder to fork")->required();
  verb->add_option("--to", arguments->to, "The new folder")->required();
  verb->add_option("--at", arguments->at,
                   "NODE or NODE[INDEX,...]: its results there are forgotten, and with them what "
                   "followed from them; default: none");
  verb->add_option("--seed", arguments->seed, "Of what is drawn anew; default: another each time");
  verb->callback([arguments, &chosen] {
    chosen = [arguments] {
      const absl::Status status = Fork(*arguments);
      return status.ok() ? kDone : ReportGraph(status);
    };
  });
}

}  // namespace temper::cli
