// `temper graph serve`: a graph that any client of OpenAI's API can talk to.
#include <cstdio>
#include <cstdlib>

#include "absl/strings/str_cat.h"
#include "agents/serve/graph_backend.h"
#include "base/log.h"
#include "base/openai_server/openai_server.h"
#include "base/status_macros.h"
#include "orchestrator/cli/graph.h"
#include "orchestrator/cli/graph_session.h"

namespace temper::cli {
namespace {

struct ServeArguments {
  GraphArguments graph;
  std::string listen = "127.0.0.1:8000", name, api_key_env;
  int parallel = 16, waiting = 64;
};

absl::Status Serve(ServeArguments arguments) {
  StopToken& stop = StopOnSignals();
  OpenAiServer::Options options{.listen = arguments.listen,
                                .requests_max = arguments.parallel + arguments.waiting + 8};
  if (!arguments.api_key_env.empty()) {
    const char* key = std::getenv(arguments.api_key_env.c_str());
    if (key == nullptr || key[0] == '\0') {
      return absl::InvalidArgumentError(
          absl::StrCat("--api-key-env: the environment has no ", arguments.api_key_env));
    }
    options.api_key = key;
  }
  TEMPER_RETURN_IF_ERROR(OpenAiServer::Check(options));  // before anything slow
  arguments.graph.executions_max = arguments.parallel;
  arguments.graph.submitted_max = arguments.waiting;
  TEMPER_ASSIGN_OR_RETURN(const std::unique_ptr<GraphSession> session,
                          GraphSession::Open(arguments.graph, {}, stop));
  TEMPER_RETURN_IF_ERROR(agents::GraphBackend::Check(session->graph()));
  const SystemClock clock;
  const std::string name =
      arguments.name.empty() ? agents::GraphBackend::NameOf(session->graph()) : arguments.name;
  agents::GraphBackend backend(session->graph(), session->runner(), name, clock);
  session->runner().Start();
  TEMPER_ASSIGN_OR_RETURN(const std::unique_ptr<OpenAiServer> server,
                          OpenAiServer::Start(options, backend));
  log::Start("graph", "info");
  log::Info("serving", {{"address", server->address()}, {"model", name}});
  std::printf(
      "Serving %s as \"%s\" at http://%s/v1, results in %s. Try:\n"
      "  curl http://%s/v1/chat/completions -H 'Content-Type: application/json' \\\n"
      "    -d '{\"model\": \"%s\", \"stream\": true, "
      "\"messages\": [{\"role\": \"user\", \"content\": \"Hello\"}]}'\n",
      arguments.graph.file.c_str(), name.c_str(), server->address().c_str(), session->dir().c_str(),
      server->address().c_str(), name.c_str());
  std::fflush(stdout);
  absl::Status status;
  while (status.ok() && !stop.WaitFor(Wait::ForWork("the end of the server", absl::Seconds(1)))) {
    status = session->runner().health();
  }
  server->Stop(absl::Seconds(1));
  session->runner().Stop();
  return status;
}

}  // namespace

void AddGraphServe(CLI::App& group, Chosen& chosen) {
  auto arguments = std::make_shared<ServeArguments>();
  CLI::App* verb = group.add_subcommand(
      "serve",
      "Serves a graph as a model of OpenAI's API (docs/serving.md)\n"
      "Example: temper graph serve examples/graphs/feedback_edit.json --listen 127.0.0.1:8000");
  AddGraphOptions(*verb, arguments->graph);
  verb->add_option("--listen", arguments->listen, "Address; loopback, unless there is a key")
      ->capture_default_str();
  verb->add_option("--name", arguments->name, "Of the model; default: the graph's name");
  verb->add_option("--api-key-env", arguments->api_key_env,
                   "The environment variable with the key that clients must show");
  verb->add_option("--parallel", arguments->parallel, "Executions under way at once")
      ->capture_default_str();
  verb->add_option("--waiting", arguments->waiting,
                   "Requests that may wait for that; more are told 429")
      ->capture_default_str();
  verb->callback([arguments, &chosen] {
    chosen = [arguments] {
      const absl::Status status = Serve(*arguments);
      return status.ok() ? kDone : ReportGraph(status);
    };
  });
}

}  // namespace temper::cli
