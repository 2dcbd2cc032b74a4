// A graph, its endpoints and its folder, opened together: what every verb that executes needs.
//
//   DIR/results.db  every result, call and event (agents/run/store.h)
//   DIR/asks/, DIR/answers/  questions to people
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "agents/run/runner.h"
#include "agents/run/world.h"
#include "base/clock.h"
#include "base/stop.h"
#include "nlohmann/json.hpp"
#include "orchestrator/cli/verbs.h"

namespace temper::cli {

struct GraphArguments {
  std::string file;
  std::string endpoints;            // "": endpoints.json beside the graph
  std::string dir;                  // "": graph-runs/<name of the file>
  std::vector<std::string> budget;  // "tokens=1000"
  uint64_t seed = 0;
  bool breadth = false;
  bool sealed = false;  // a replay: endpoints as they were recorded, nothing is asked
  bool strict = false;  // a graph that is not the recorded one is refused
  bool json = false;
  int executions_max = 64;
  int submitted_max = 1 << 16;
};
void AddGraphOptions(CLI::App& verb, GraphArguments& arguments);

// One execution that is asked for.
struct GraphInput {
  std::string id;
  nlohmann::ordered_json inputs;
};

class GraphSession {
 public:
  // Prints, to stderr, what a changed graph finds again in the folder. FAILED_PRECONDITION: strict,
  // and the graph is another one.
  static absl::StatusOr<std::unique_ptr<GraphSession>> Open(GraphArguments arguments,
                                                            const std::vector<GraphInput>& inputs,
                                                            StopToken& stop);
  ~GraphSession();

  const agents::Graph& graph() const { return *graph_; }
  std::shared_ptr<const agents::Graph> shared_graph() const { return graph_; }
  agents::Endpoints& endpoints() { return endpoints_; }
  agents::GraphStore& store() { return runner_->store(); }  // once Run has returned
  agents::Runner& runner() { return *runner_; }
  std::optional<agents::BudgetLimits> budget() const { return budget_; }
  const std::string& dir() const { return arguments_.dir; }

  // Executes all, showing progress on stderr; `on_end` on this thread, in the order of ends.
  absl::Status Run(const std::vector<GraphInput>& inputs,
                   const std::function<void(const agents::ExecutionEnd&)>& on_end);
  // Those that the folder has recorded, in order.
  absl::StatusOr<std::vector<GraphInput>> Recorded();
  // Price of one sample of a question, at most.
  double Price(const agents::Question& question) const;

 private:
  GraphSession(GraphArguments arguments, StopToken& stop)
      : arguments_(std::move(arguments)), stop_(stop) {}
  absl::Status OpenEndpoints(agents::GraphStore& store);
  absl::Status TellPlan(agents::GraphStore& store, const std::vector<GraphInput>& inputs);

  GraphArguments arguments_;
  StopToken& stop_;
  SystemClock clock_;
  std::shared_ptr<const agents::Graph> graph_;
  agents::Endpoints endpoints_;
  std::optional<agents::BudgetLimits> budget_;
  std::unique_ptr<agents::World> world_;
  std::vector<GraphInput> recorded_;
  std::unique_ptr<agents::Runner> runner_;
};

// JSON lines: an object with the graph's inputs by name and, optional, "id" (else the line's
// number); "prompt" stands for a lone message of the user. INVALID_ARGUMENT: "<path>:<line>: ...".
absl::StatusOr<std::vector<GraphInput>> ReadGraphInputs(const std::string& path,
                                                        const agents::Graph& graph);
// The graph's inputs from one JSON object that somebody wrote.
absl::StatusOr<nlohmann::ordered_json> InputsOf(const nlohmann::ordered_json& line,
                                                const agents::Graph& graph);
// One line: id, outcome, texts, score.
nlohmann::ordered_json EndJson(const agents::ExecutionEnd& end);
// kDone, kFailed, or 3: a budget was exhausted.
int ExitCodeOf(const agents::ExecutionEnd& end);
inline constexpr int kBudgetExhausted = 3;

}  // namespace temper::cli
