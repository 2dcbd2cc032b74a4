// `temper workers`, `cordon` and `uncordon`: the fleet.
#include <cstdio>
#include <memory>
#include <string>

#include "orchestrator/cli/client_options.h"
#include "orchestrator/cli/run_text.h"
#include "orchestrator/cli/screen_text.h"
#include "orchestrator/cli/verbs.h"

namespace temper::cli {
namespace {

struct WorkersOptions {
  ClientOptions client;
  std::string worker;
  std::string reason;
  bool json = false;
};

int Workers(const WorkersOptions& options) {
  auto connection = Connect(options.client, "");
  if (!connection.ok()) return Report(connection.status());
  const auto fleet = connection->client->ListWorkers();
  if (!fleet.ok()) return Report(fleet.status());
  if (options.json) {
    PrintJson(*fleet);
    return kDone;
  }
  const std::string table = WorkersTable(fleet->workers(), false);
  std::fputs(table.c_str(), stdout);
  if (table.empty()) {
    std::fprintf(stderr, "no worker has come; start some with `temper rollout --controller %s`\n",
                 connection->client->address().c_str());
  }
  return kDone;
}

int Cordon(const WorkersOptions& options, bool cordoned) {
  auto connection = Connect(options.client, "");
  if (!connection.ok()) return Report(connection.status());
  v1::CordonWorkerRequest request;
  request.set_worker(options.worker);
  request.set_cordoned(cordoned);
  request.set_reason(options.reason);
  const auto worker = connection->client->CordonWorker(std::move(request));
  if (!worker.ok()) return Report(worker.status());
  if (options.json) {
    PrintJson(*worker);
  } else {
    std::printf("%s %s\n", Printable(worker->name()).c_str(),
                worker->cordoned() ? "is cordoned: it gets nothing more, its samples go to others"
                                   : "is in again");
  }
  return kDone;
}

void AddVerb(CLI::App& program, Chosen& chosen, const char* name, const char* purpose,
             bool names_worker, int (*act)(const WorkersOptions&)) {
  auto options = std::make_shared<WorkersOptions>();
  CLI::App* verb = program.add_subcommand(name, purpose);
  if (names_worker) {
    verb->add_option("worker", options->worker, "Its name, as `temper workers` shows it")
        ->required();
    verb->add_option("--reason", options->reason, "Why; shown beside the worker");
  }
  AddClientOptions(*verb, options->client);
  verb->add_flag("--json", options->json, "JSON on stdout");
  verb->callback([options, act, &chosen] { chosen = [options, act] { return act(*options); }; });
}

}  // namespace

void AddWorkers(CLI::App& program, Chosen& chosen) {
  AddVerb(program, chosen, "workers",
          "The fleet: who is there, what it can do, for which runs it works\n"
          "Example: temper workers",
          false, Workers);
  AddVerb(program, chosen, "cordon",
          "Takes a worker out: its samples go to others, it gets nothing more; remembered by name\n"
          "Example: temper cordon rollout-1 --reason 'disk is failing'",
          true, [](const WorkersOptions& options) { return Cordon(options, true); });
  AddVerb(program, chosen, "uncordon",
          "Takes a worker in again\n"
          "Example: temper uncordon rollout-1",
          true, [](const WorkersOptions& options) { return Cordon(options, false); });
}

}  // namespace temper::cli
