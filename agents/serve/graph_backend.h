// A graph as a model: what stands behind `temper graph serve`.
//
// A request is an execution of the graph on the request's messages; only the chosen answer is
// content, progress goes out as comments of a stream. An idempotency key names the execution: the
// same request under the same key is the same execution, also after a restart, and costs nothing
// again. Any thread.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "agents/run/runner.h"
#include "base/clock.h"
#include "base/openai_server/chat_backend.h"

namespace temper::agents {

class GraphBackend : public ChatBackend {
 public:
  // `runner` outlives it and executes `graph`, whose only input is the conversation (Check says
  // so). `name`: of the model.
  GraphBackend(const Graph& graph, Runner& runner, std::string name, const Clock& clock)
      : graph_(graph), runner_(runner), name_(std::move(name)), clock_(clock) {}

  // INVALID_ARGUMENT: a graph with several inputs is no chat model.
  static absl::Status Check(const Graph& graph);
  // "feedback-edit" of "feedback-edit/1".
  static std::string NameOf(const Graph& graph);

  std::vector<ServedModel> Models() override;
  // Sampling parameters of the request are the graph's business and are ignored, but for `n`:
  // executions of their own. RESOURCE_EXHAUSTED: too many are waiting; ABORTED: the execution
  // failed, with its words.
  absl::StatusOr<ServedUsage> Serve(const ServedRequest& request, ServedSink& sink,
                                    const CallEnd& end) override;

 private:
  const Graph& graph_;
  Runner& runner_;
  const std::string name_;
  const Clock& clock_;
};

}  // namespace temper::agents
