// `temper list`: the runs of a controller, and those that lie in a folder.
#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "base/file.h"
#include "base/json_config.h"
#include "orchestrator/cli/client_options.h"
#include "orchestrator/cli/history.h"
#include "orchestrator/cli/run_text.h"
#include "orchestrator/cli/verbs.h"

namespace temper::cli {
namespace {

struct ListOptions {
  ClientOptions client;
  bool json = false;
};

std::vector<std::string> RunFolders(const std::string& root) {
  std::error_code none;
  std::vector<std::string> dirs;
  for (const auto& entry : std::filesystem::directory_iterator(root, none)) {
    if (Exists(entry.path() / "spec.json")) dirs.push_back(entry.path().string());
  }
  std::sort(dirs.begin(), dirs.end());
  return dirs;
}

std::string Canonical(const std::string& dir) {
  std::error_code none;
  const auto path = std::filesystem::canonical(dir, none);
  return none ? dir : path.string();
}

// From the private controller of a folder when one is at work, else from its ledger.
absl::StatusOr<RunRow> ReadFolder(ClientOptions options, const std::string& dir) {
  options.wait_seconds = 0;
  Target target = FindTarget(options, dir);
  std::erase_if(target.places, [&](const ControllerPlace& place) {
    return place.from != JoinPath(dir, "controller.address");
  });
  if (!target.places.empty()) {
    auto connection = Connect(options, target);
    if (connection.ok()) {
      auto run = connection->client->Get(connection->run);
      if (run.ok()) return RunRow{*std::move(run), true};
    }
  }
  auto run = ReadOffline(dir);
  if (!run.ok()) return run.status();
  return RunRow{*std::move(run), false};
}

// The controller's, newest first; then the folders that are not among them.
int List(const ListOptions& options) {
  std::vector<RunRow> rows;
  std::set<std::string> known;
  int code = kDone;
  const Target target = FindTarget(options.client, "");
  if (!target.places.empty()) {
    auto connection = Connect(options.client, target);
    auto listed = connection.ok() ? connection->client->List() : connection.status();
    if (!listed.ok()) code = Report(listed.status());
    const v1::ListResponse runs = listed.ok() ? *std::move(listed) : v1::ListResponse();
    for (const v1::GetResponse& run : runs.runs()) {
      known.insert(Canonical(run.dir()));
      rows.push_back({run, true});
    }
  }
  if (options.client.controller.empty()) {
    for (const std::string& dir : RunFolders(options.client.root)) {
      if (known.contains(Canonical(dir))) continue;
      auto row = ReadFolder(options.client, dir);
      if (row.ok()) {
        rows.push_back(*std::move(row));
      } else {
        code = Report(row.status());
      }
    }
  }
  if (options.json) {
    for (const RunRow& row : rows) PrintJson(row.run);
  } else if (!rows.empty()) {
    std::fputs(RunsTable(rows).c_str(), stdout);
  } else if (code == kDone) {
    std::fprintf(stderr, "no runs %s %s\n", target.places.empty() ? "under" : "at",
                 target.places.empty() ? (options.client.root + "/").c_str()
                                       : target.places.front().address.c_str());
  }
  return code;
}

}  // namespace

void AddList(CLI::App& program, Chosen& chosen) {
  auto options = std::make_shared<ListOptions>();
  CLI::App* verb = program.add_subcommand(
      "list",
      "The runs of a controller, newest first, and those under --root that no controller has\n"
      "Example: temper list --json");
  AddClientOptions(*verb, options->client);
  verb->add_flag("--json", options->json, "JSON lines on stdout, one a run");
  verb->callback([options, &chosen] { chosen = [options] { return List(*options); }; });
}

}  // namespace temper::cli
