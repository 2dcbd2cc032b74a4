// `temper trace`: the timeline of a step, as Perfetto and chrome://tracing read it.
#include <cstdio>
#include <memory>
#include <string>

#include "base/file.h"
#include "orchestrator/cli/client_options.h"
#include "orchestrator/cli/verbs.h"
#include "orchestrator/trace_events.h"

namespace temper::cli {
namespace {

struct TraceOptions {
  ClientOptions client;
  std::string run;
  int64_t step = 0;
  std::string output;
};

int Trace(const TraceOptions& options) {
  auto connection = Connect(options.client, options.run);
  if (!connection.ok()) return Report(connection.status());
  const auto timeline = connection->client->GetTimeline(connection->run, options.step);
  if (!timeline.ok()) return Report(timeline.status());
  const std::string text = orchestrator::TraceEvents(*timeline, connection->run);
  if (options.output.empty()) {
    std::printf("%s\n", text.c_str());
    return kDone;
  }
  const absl::Status written = WriteFileAtomically(options.output, text + "\n");
  if (!written.ok()) return Report(written);
  std::fprintf(stderr, "%s: step %lld, %d spans; open it at https://ui.perfetto.dev\n",
               options.output.c_str(), static_cast<long long>(timeline->step()),
               timeline->spans_size());
  return kDone;
}

}  // namespace

void AddTrace(CLI::App& program, Chosen& chosen) {
  auto options = std::make_shared<TraceOptions>();
  CLI::App* verb = program.add_subcommand(
      "trace",
      "Who did what when in a step, as trace events (JSON) for Perfetto or chrome://tracing\n"
      "Example: temper trace arithmetic --step 12 --output step-12.json");
  verb->add_option("run", options->run, "Name or folder of the run")->required();
  verb->add_option("--step", options->step, "The policy step [the newest that has a timeline]")
      ->check(CLI::NonNegativeNumber);
  verb->add_option("--output", options->output, "The file to write [stdout]");
  AddClientOptions(*verb, options->client);
  verb->callback([options, &chosen] { chosen = [options] { return Trace(*options); }; });
}

}  // namespace temper::cli
