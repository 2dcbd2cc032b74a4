// `temper fork`: a new run from a step of another.
#include "orchestrator/cli/fork.h"

#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "base/json_config.h"
#include "orchestrator/cli/client_options.h"
#include "orchestrator/cli/screen_text.h"
#include "orchestrator/cli/verbs.h"
#include "temper/v1/run_spec.pb.h"

namespace temper::cli {
namespace {

struct ForkOptions {
  ClientOptions client;
  std::string run;
  int64_t step = 0;
  std::string name;
  std::vector<std::string> settings;
  bool json = false;
};

int Fork(const ForkOptions& options, OfflineForker offline) {
  v1::ForkRequest request;
  for (const std::string& setting : options.settings) {  // unknown keys end here, with a suggestion
    v1::RunSpec scratch;
    const absl::Status known = ApplySetting(setting, scratch);
    if (!known.ok()) return Report(known);
    request.add_settings(setting);
  }
  request.set_step(options.step);
  request.set_name(options.name);
  const Target target = FindTarget(options.client, options.run);
  auto connection = Connect(options.client, target);
  if (!connection.ok() && offline != nullptr && !target.dir.empty()) {
    v1::ForkResponse made;
    const absl::StatusOr<std::string> dir = offline(target.dir, request, made);
    if (!dir.ok()) return Report(dir.status());
    if (options.json) {
      PrintJson(made);
    } else {
      std::printf("%s begins after step %lld; start it: temper run %s\n",
                  Printable(made.run()).c_str(), static_cast<long long>(options.step),
                  dir->c_str());
    }
    return kDone;
  }
  if (!connection.ok()) return Report(connection.status());
  request.set_run(connection->run);
  const auto forked = connection->client->Fork(std::move(request));
  if (!forked.ok()) return Report(forked.status());
  if (options.json) {
    PrintJson(*forked);
  } else {
    const std::string name = Printable(forked->run());
    std::printf("%s goes on from step %lld of %s\nfollow it: temper watch %s\n", name.c_str(),
                static_cast<long long>(options.step), Printable(connection->run).c_str(),
                name.c_str());
  }
  return kDone;
}

}  // namespace

void AddFork(CLI::App& program, Chosen& chosen, OfflineForker offline) {
  auto options = std::make_shared<ForkOptions>();
  CLI::App* verb = program.add_subcommand(
      "fork",
      "Starts another run with the weights and moments that this one had after a step\n"
      "A checkpoint of that step must be kept; `temper show RUN` lists them.\n"
      "Example: temper fork arithmetic --at 10 --name tight --set clip_high=0.1");
  verb->add_option("run", options->run, "Name or folder of the run")->required();
  verb->add_option("--at", options->step, "Its policy step; 0: before the first")
      ->required()
      ->check(CLI::NonNegativeNumber);
  verb->add_option("--name", options->name, "The new run's name [RUN-at-STEP]");
  verb->add_option("--set", options->settings, "Change a field: --set a.b=value; may be repeated")
      ->allow_extra_args(false);
  AddClientOptions(*verb, options->client);
  verb->add_flag("--json", options->json, "JSON on stdout");
  verb->callback([options, offline, &chosen] {
    chosen = [options, offline] { return Fork(*options, offline); };
  });
}

}  // namespace temper::cli
