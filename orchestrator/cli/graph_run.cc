// `temper graph run`, `resume`, `replay`: executions, durable, within a budget.
#include <algorithm>
#include <cstdio>

#include "absl/strings/str_cat.h"
#include "agents/graph/graph_file.h"
#include "agents/run/report.h"
#include "base/file.h"
#include "base/json_text.h"
#include "base/status_macros.h"
#include "orchestrator/cli/graph.h"
#include "orchestrator/cli/graph_session.h"

namespace temper::cli {
namespace {

using json = nlohmann::ordered_json;

enum class Way { kRun, kResume, kReplay };

struct RunArguments {
  GraphArguments graph;
  std::string input, messages, prompt, id = "1";
};

absl::StatusOr<std::vector<GraphInput>> InputsOf(const RunArguments& arguments,
                                                 const agents::Graph& graph) {
  if (!arguments.input.empty()) return ReadGraphInputs(arguments.input, graph);
  json line = json::object();
  if (!arguments.messages.empty()) {
    TEMPER_ASSIGN_OR_RETURN(const std::string text, ReadFile(arguments.messages));
    TEMPER_ASSIGN_OR_RETURN(json messages, ParseOrderedJson(text, arguments.messages));
    line = messages.is_array() ? json{{"messages", std::move(messages)}} : std::move(messages);
  } else if (!arguments.prompt.empty()) {
    line["prompt"] = arguments.prompt;
  } else {
    return absl::InvalidArgumentError(
        "nothing to run on: give --prompt TEXT, --messages FILE or --input FILE.jsonl");
  }
  TEMPER_ASSIGN_OR_RETURN(json inputs, cli::InputsOf(line, graph));
  return std::vector<GraphInput>{{arguments.id, std::move(inputs)}};
}

void PrintText(const agents::ExecutionEnd& end, bool many) {
  if (many) std::printf("--- %s: %s\n", end.id.c_str(), end.outcome.c_str());
  for (const agents::Item& item : end.output) {
    std::printf("%s\n", agents::TextOf(item, {}).c_str());
  }
  if (!end.why.empty()) {
    std::fprintf(stderr, "temper: %s: %s: %s\n", end.id.c_str(), end.outcome.c_str(),
                 end.why.c_str());
  }
}

absl::StatusOr<int> Execute(const RunArguments& arguments, Way way) {
  StopToken& stop = StopOnSignals();
  std::vector<GraphInput> inputs;
  if (way == Way::kRun) {
    TEMPER_ASSIGN_OR_RETURN(const auto graph, agents::ReadGraph(arguments.graph.file));
    TEMPER_ASSIGN_OR_RETURN(inputs, InputsOf(arguments, *graph));
  }
  GraphArguments own = arguments.graph;
  own.sealed = way == Way::kReplay;
  TEMPER_ASSIGN_OR_RETURN(const std::unique_ptr<GraphSession> session,
                          GraphSession::Open(own, inputs, stop));
  if (way != Way::kRun) {
    TEMPER_ASSIGN_OR_RETURN(inputs, session->Recorded());
    if (inputs.empty()) {
      return absl::NotFoundError(absl::StrCat(session->dir(), ": nothing was run in this folder"));
    }
  }
  int code = kDone;
  std::vector<std::pair<int64_t, std::vector<agents::NodeCounts>>> counts;
  TEMPER_RETURN_IF_ERROR(session->Run(inputs, [&](const agents::ExecutionEnd& end) {
    const int own_code = ExitCodeOf(end);
    // A failure weighs more than a budget that ran out.
    if (code != kFailed && own_code != kDone) code = own_code;
    std::vector<agents::NodeCounts> nodes;
    if (end.execution != nullptr) nodes = agents::CountNodes(*end.execution);
    if (own.json) {
      json line = EndJson(end);
      line.update(agents::ReportJson(nodes, {}));
      line.erase("roles");
      std::printf("%s\n", line.dump(-1, ' ', false, json::error_handler_t::replace).c_str());
      std::fflush(stdout);
    } else {
      PrintText(end, inputs.size() > 1);
    }
    counts.emplace_back(end.number, std::move(nodes));
  }));
  if (own.json) return code;
  TEMPER_ASSIGN_OR_RETURN(
      const auto usage,
      session->store().Usage(inputs.size() == 1 && !counts.empty() ? counts.front().first : -1));
  if (counts.size() == 1) {
    std::fprintf(stderr, "\n%s", agents::ReportText(counts.front().second, usage).c_str());
  } else {
    std::fprintf(stderr, "\n%s", agents::ReportText({}, usage).c_str());
  }
  return code;
}

int Run(const RunArguments& arguments, Way way) {
  const absl::StatusOr<int> code = Execute(arguments, way);
  if (code.ok()) return *code;
  return ReportGraph(code.status());
}

}  // namespace

void AddGraphRun(CLI::App& group, Chosen& chosen) {
  auto arguments = std::make_shared<RunArguments>();
  CLI::App* run = group.add_subcommand(
      "run",
      "Executes a graph; what is in the folder already is not asked for again\n"
      "Exit codes: 0 done, 1 failed, 2 a file is wrong, 3 a budget is exhausted\n"
      "Example: temper graph run examples/graphs/best_of_n.json --prompt 'Why is the sky blue?' "
      "\\\n"
      "           --endpoints examples/graphs/fake_endpoints.json");
  AddGraphOptions(*run, arguments->graph);
  auto* input = run->add_option("--input", arguments->input,
                                "JSON lines, one execution each: the graph's inputs by name, "
                                "\"prompt\" for a lone user message, optional \"id\"");
  auto* messages = run->add_option("--messages", arguments->messages,
                                   "A JSON file: an array of messages, or the inputs by name");
  run->add_option("--prompt", arguments->prompt, "One message of a user")
      ->excludes(input)
      ->excludes(messages);
  run->add_option("--id", arguments->id,
                  "Of the execution: the same id and input are the same execution");
  run->callback(
      [arguments, &chosen] { chosen = [arguments] { return Run(*arguments, Way::kRun); }; });

  auto again = std::make_shared<RunArguments>();
  CLI::App* resume = group.add_subcommand(
      "resume",
      "Takes up every execution of a folder; prints what a changed graph finds again\n"
      "Example: temper graph resume examples/graphs/feedback_edit.json --dir graph-runs/mine");
  AddGraphOptions(*resume, again->graph);
  resume->callback([again, &chosen] { chosen = [again] { return Run(*again, Way::kResume); }; });

  auto replayed = std::make_shared<RunArguments>();
  CLI::App* replay = group.add_subcommand(
      "replay",
      "The executions of a folder from what was recorded; asks nobody anything\n"
      "Example: temper graph replay examples/graphs/feedback_edit.json --dir graph-runs/mine");
  AddGraphOptions(*replay, replayed->graph);
  replay->callback(
      [replayed, &chosen] { chosen = [replayed] { return Run(*replayed, Way::kReplay); }; });
}

}  // namespace temper::cli
