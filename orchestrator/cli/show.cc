// `temper show`: one run: where it stands, with what settings, who works for it, what it waits for.
#include <cstdio>
#include <memory>
#include <string>

#include "orchestrator/cli/client_options.h"
#include "orchestrator/cli/history.h"
#include "orchestrator/cli/run_text.h"
#include "orchestrator/cli/verbs.h"

namespace temper::cli {
namespace {

struct ShowOptions {
  ClientOptions client;
  std::string run;
  bool waits = false;
  bool json = false;
};

int Print(const ShowOptions& options, const v1::GetResponse& run, const RunHistory& history,
          bool live) {
  if (options.waits && options.json) {
    v1::ListWaitsResponse waits;
    *waits.mutable_waits() = run.waits();
    PrintJson(waits);
  } else if (options.waits) {
    const std::string table = WaitsTable(run.waits());
    if (table.empty()) {
      std::fprintf(stderr, "%s: nothing is waited for%s\n", run.name().c_str(),
                   live ? "" : "; no controller is at work on it");
    }
    std::fputs(table.c_str(), stdout);
  } else if (options.json) {
    PrintJson(run);
  } else {
    std::fputs(RunText(run, history, live).c_str(), stdout);
  }
  return kDone;
}

int ShowOffline(const ShowOptions& options, const std::string& dir) {
  const auto run = ReadOffline(dir);
  if (!run.ok()) return Report(run.status());
  RunHistory history;
  const absl::Status read =
      ReadHistoryOffline(dir, [&](const v1::RunEvent& event) { history.On(event); });
  if (!read.ok()) return Report(read);
  return Print(options, *run, history, /*live=*/false);
}

// ListWaits knows those of the workers too.
absl::Status ReadWaits(Connection& connection, v1::GetResponse& run) {
  auto waits = connection.client->ListWaits(run.name());
  if (!waits.ok()) return waits.status();
  *run.mutable_waits() = std::move(*waits->mutable_waits());
  return absl::OkStatus();
}

int Show(const ShowOptions& options) {
  const Target target = FindTarget(options.client, options.run);
  ClientOptions client = options.client;
  if (!target.dir.empty()) client.wait_seconds = 0;  // the folder answers too
  auto connection = Connect(client, target);
  auto run = connection.ok() ? connection->client->Get(connection->run) : connection.status();
  const bool elsewhere = absl::IsUnavailable(run.status()) || absl::IsNotFound(run.status());
  if (!run.ok() && elsewhere && !target.dir.empty()) return ShowOffline(options, target.dir);
  if (!run.ok()) return Report(run.status());
  RunHistory history;
  absl::Status read;
  if (options.waits) {
    read = ReadWaits(*connection, *run);
  } else if (!options.json) {
    read = ReadHistory(*connection->client, *run,
                       [&](const v1::RunEvent& event) { history.On(event); });
  }
  if (!read.ok()) return Report(read);
  return Print(options, *run, history, /*live=*/true);
}

}  // namespace

void AddShow(CLI::App& program, Chosen& chosen) {
  auto options = std::make_shared<ShowOptions>();
  CLI::App* verb = program.add_subcommand(
      "show",
      "One run: state, settings in force, alterations, checkpoints, workers, waits; from its\n"
      "controller, or from its folder when none is at work\n"
      "Example: temper show arithmetic --waits");
  verb->add_option("run", options->run, "Name or folder of the run")->required();
  verb->add_flag("--waits", options->waits,
                 "Only what is waited for now, with age, deadline and what happens then");
  AddClientOptions(*verb, options->client);
  verb->add_flag("--json", options->json, "JSON on stdout");
  verb->callback([options, &chosen] { chosen = [options] { return Show(*options); }; });
}

}  // namespace temper::cli
