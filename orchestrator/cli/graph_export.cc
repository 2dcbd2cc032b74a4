// `temper graph export`: what a folder's executions teach, as lines for training.
#include <cstdio>

#include "absl/strings/str_cat.h"
#include "agents/train/export.h"
#include "base/status_macros.h"
#include "orchestrator/cli/graph.h"
#include "orchestrator/cli/graph_session.h"

namespace temper::cli {
namespace {

using json = nlohmann::ordered_json;

struct ExportArguments {
  GraphArguments graph;
  bool sft = false, pref = false, rl = false, all_pairs = false;
  double margin_min = 0, full_score = 0;
  bool has_full_score = false;
};

void Print(const agents::Lines& lines) {
  for (const json& line : lines) {
    std::printf("%s\n", line.dump(-1, ' ', false, json::error_handler_t::replace).c_str());
  }
}

absl::Status Export(ExportArguments arguments) {
  arguments.graph.sealed = true;
  TEMPER_ASSIGN_OR_RETURN(const std::unique_ptr<GraphSession> session,
                          GraphSession::Open(arguments.graph, {}, StopOnSignals()));
  TEMPER_ASSIGN_OR_RETURN(const std::vector<GraphInput> inputs, session->Recorded());
  // In the order of submission, whatever the order of ends.
  std::map<int64_t, std::shared_ptr<const agents::Execution>> executions;
  int64_t left_out = 0;
  TEMPER_RETURN_IF_ERROR(session->Run(inputs, [&](const agents::ExecutionEnd& end) {
    if (end.outcome == "done" && end.execution != nullptr) {
      executions[end.number] = end.execution;
    } else {
      ++left_out;
    }
  }));
  if (left_out > 0) {
    std::fprintf(stderr, "%lld of %zu executions are not done and are left out\n",
                 static_cast<long long>(left_out), inputs.size());
  }
  if (arguments.rl) {
    std::vector<const agents::Execution*> all;
    for (const auto& [number, execution] : executions) all.push_back(execution.get());
    agents::CreditOptions options;
    if (arguments.has_full_score) options.full_score = arguments.full_score;
    TEMPER_ASSIGN_OR_RETURN(const agents::Lines lines, agents::TransitionLines(all, options));
    Print(lines);
    return absl::OkStatus();
  }
  for (const auto& [number, execution] : executions) {
    if (arguments.sft) {
      Print(agents::SftLines(*execution));
    } else {
      Print(agents::PreferenceLines(
          *execution, {.choice = arguments.all_pairs ? agents::PairChoice::kAll
                                                     : agents::PairChoice::kBestAndWorst,
                       .margin_min = arguments.margin_min}));
    }
  }
  return absl::OkStatus();
}

}  // namespace

void AddGraphExport(CLI::App& group, Chosen& chosen) {
  auto arguments = std::make_shared<ExportArguments>();
  CLI::App* verb =
      group.add_subcommand("export",
                           "Training data from recorded executions, as JSON lines; asks nobody "
                           "(docs/agent_training.md)\n"
                           "Example: temper graph export examples/graphs/feedback_edit.json --dir "
                           "DIR --pref > pairs.jsonl");
  AddGraphOptions(*verb, arguments->graph);
  CLI::Option* sft =
      verb->add_flag("--sft", arguments->sft, "What was asked, and the answer that was chosen");
  CLI::Option* pref = verb->add_flag("--pref", arguments->pref,
                                     "Pairs of a better and a worse answer, with margin");
  CLI::Option* rl = verb->add_flag(
      "--rl", arguments->rl, "A transition for each sample of a role that learns, with its credit");
  sft->excludes(pref);
  sft->excludes(rl);
  pref->excludes(rl);
  verb->add_flag("--all-pairs", arguments->all_pairs,
                 "With --pref: every pair, not best and worst");
  verb->add_option("--margin", arguments->margin_min,
                   "With --pref: scores differ by more than this")
      ->capture_default_str();
  CLI::Option* full =
      verb->add_option("--full-score", arguments->full_score,
                       "With --rl: the score of an answer that leaves nothing to mend");
  verb->callback([arguments, full, &chosen] {
    if (!arguments->sft && !arguments->pref && !arguments->rl) {
      throw CLI::ValidationError("export", "one of --sft, --pref and --rl says what");
    }
    arguments->has_full_score = full->count() > 0;
    chosen = [arguments] {
      const absl::Status status = Export(*arguments);
      return status.ok() ? kDone : ReportGraph(status);
    };
  });
}

}  // namespace temper::cli
