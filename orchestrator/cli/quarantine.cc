// `temper quarantine`: a prompt that is not issued any more.
#include <cstdio>
#include <memory>
#include <string>

#include "nlohmann/json.hpp"
#include "orchestrator/cli/client_options.h"
#include "orchestrator/cli/screen_text.h"
#include "orchestrator/cli/verbs.h"

namespace temper::cli {
namespace {

struct QuarantineOptions {
  ClientOptions client;
  std::string run;
  std::string prompt_id;
  std::string reason;
  bool json = false;
};

int Quarantine(const QuarantineOptions& options) {
  auto connection = Connect(options.client, options.run);
  if (!connection.ok()) return Report(connection.status());
  v1::QuarantinePromptRequest request;
  request.set_run(connection->run);
  request.set_prompt_id(options.prompt_id);
  request.set_reason(options.reason);
  const absl::Status done = connection->client->QuarantinePrompt(std::move(request));
  if (!done.ok()) return Report(done);
  if (options.json) {
    const nlohmann::ordered_json answer = {{"run", connection->run},
                                           {"prompt_id", options.prompt_id}};
    std::printf("%s\n", answer.dump().c_str());
  } else {
    std::printf("prompt %s of %s is not issued any more\n", Printable(options.prompt_id).c_str(),
                Printable(connection->run).c_str());
  }
  return kDone;
}

}  // namespace

void AddQuarantine(CLI::App& program, Chosen& chosen) {
  auto options = std::make_shared<QuarantineOptions>();
  CLI::App* verb = program.add_subcommand(
      "quarantine",
      "Takes a prompt out of a run for good; its samples under way are dropped\n"
      "Example: temper quarantine arithmetic 17 --reason 'its answer is wrong'");
  verb->add_option("run", options->run, "Name or folder of the run")->required();
  verb->add_option("prompt", options->prompt_id, "The prompt's id, as `temper samples` shows it")
      ->required();
  verb->add_option("--reason", options->reason, "Why; kept in the run's event log");
  AddClientOptions(*verb, options->client);
  verb->add_flag("--json", options->json, "JSON on stdout");
  verb->callback([options, &chosen] { chosen = [options] { return Quarantine(*options); }; });
}

}  // namespace temper::cli
