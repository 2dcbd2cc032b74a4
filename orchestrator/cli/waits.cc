// `temper waits`: everything that is waited for now.
#include <cstdio>
#include <memory>
#include <string>

#include "orchestrator/cli/client_options.h"
#include "orchestrator/cli/run_text.h"
#include "orchestrator/cli/verbs.h"

namespace temper::cli {
namespace {

struct WaitsOptions {
  ClientOptions client;
  std::string run;
  bool json = false;
};

int Waits(const WaitsOptions& options) {
  auto connection = Connect(options.client, options.run);
  if (!connection.ok()) return Report(connection.status());
  const auto waits = connection->client->ListWaits(connection->run);
  if (!waits.ok()) return Report(waits.status());
  if (options.json) {
    PrintJson(*waits);
    return kDone;
  }
  const std::string table = WaitsTable(waits->waits());
  std::fputs(table.c_str(), stdout);
  if (table.empty()) std::fprintf(stderr, "nothing is waited for\n");
  return kDone;
}

}  // namespace

void AddWaits(CLI::App& program, Chosen& chosen) {
  auto options = std::make_shared<WaitsOptions>();
  CLI::App* verb = program.add_subcommand(
      "waits",
      "Everything that is waited for now, in the controller and its workers, the oldest first:\n"
      "age, deadline, what happens then (retry, drop, fail; idle: waits for work), owner\n"
      "Example: temper waits");
  verb->add_option("run", options->run, "Name or folder of a run [all, and what belongs to none]");
  AddClientOptions(*verb, options->client);
  verb->add_flag("--json", options->json, "JSON on stdout");
  verb->callback([options, &chosen] { chosen = [options] { return Waits(*options); }; });
}

}  // namespace temper::cli
