// `temper submit`: gives a spec to a controller, or only asks whether it would run.
#include <cstdio>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "base/file.h"
#include "base/json_config.h"
#include "base/status_macros.h"
#include "orchestrator/cli/client_options.h"
#include "orchestrator/cli/screen_text.h"
#include "orchestrator/cli/verbs.h"
#include "orchestrator/cli/watch.h"

namespace temper::cli {
namespace {

struct SubmitOptions {
  ClientOptions client;
  std::string spec;
  std::vector<std::string> settings;
  std::string request_id;
  bool check = false;
  bool follow = false;
  bool json = false;
};

// The spec as it was written; its file names are relative to the folder that goes with it.
absl::StatusOr<v1::SubmitRequest> ReadRequest(const SubmitOptions& options) {
  v1::SubmitRequest request;
  TEMPER_ASSIGN_OR_RETURN(const std::string text, ReadFile(options.spec));
  TEMPER_RETURN_IF_ERROR(ParseJsonConfig(text, options.spec, *request.mutable_spec()));
  for (const std::string& setting : options.settings) {
    TEMPER_RETURN_IF_ERROR(ApplySetting(setting, *request.mutable_spec()));
  }
  request.set_base_dir(
      std::filesystem::absolute(options.spec).lexically_normal().parent_path().string());
  request.set_check(options.check);
  request.set_request_id(options.request_id);
  return request;
}

int PrintChecks(const v1::SubmitResponse& response) {
  std::vector<std::vector<std::string>> rows;
  bool all = true;
  for (const v1::Check& check : response.checks()) {
    all = all && check.ok();
    rows.push_back(
        {check.ok() ? "ok" : "NOT OK", Printable(check.name()), Printable(check.detail())});
  }
  if (!rows.empty()) std::fputs(Table({"", "looked at", "found"}, rows).c_str(), stdout);
  std::printf("%s %s\n", Printable(response.spec().name()).c_str(),
              all ? "would run" : "would NOT run as things stand");
  return all ? kDone : kFailed;
}

bool WouldRun(const v1::SubmitResponse& response) {
  for (const v1::Check& check : response.checks()) {
    if (!check.ok()) return false;
  }
  return true;
}

int Submit(const SubmitOptions& options) {
  auto request = ReadRequest(options);
  if (!request.ok()) return Report(request.status());
  auto connection = Connect(options.client, "");
  if (!connection.ok()) return Report(connection.status());
  const auto response = connection->client->Submit(*std::move(request));
  if (!response.ok()) return Report(response.status());
  if (options.json && !options.follow) {
    PrintJson(*response);
    return !options.check || WouldRun(*response) ? kDone : kFailed;
  }
  if (options.check) return PrintChecks(*response);
  const std::string name = Printable(response->spec().name());
  std::fprintf(options.follow ? stderr : stdout, "submitted %s to %s\n%s%s%s", name.c_str(),
               connection->client->address().c_str(),
               options.follow ? "" : "follow it: temper watch ", options.follow ? "" : name.c_str(),
               options.follow ? "" : "\n");
  if (!options.follow) return kDone;
  ClientOptions client = options.client;
  client.controller = connection->client->address();
  client.wait_seconds = std::max(client.wait_seconds, kFollowWaitSeconds);
  return FollowRun(client, response->spec().name(), {.json = options.json});
}

}  // namespace

void AddSubmit(CLI::App& program, Chosen& chosen) {
  auto options = std::make_shared<SubmitOptions>();
  CLI::App* verb = program.add_subcommand(
      "submit",
      "Gives a spec to a controller, which starts a run of its name on its fleet\n"
      "File names in it are relative to the spec's folder, on the controller's machine.\n"
      "Example: temper submit examples/arithmetic.json --set steps=40 --follow");
  verb->add_option("spec", options->spec, "A RunSpec (JSON)")->required()->check(CLI::ExistingFile);
  verb->add_option("--set", options->settings, "Change a field: --set a.b=value; may be repeated")
      ->allow_extra_args(false);
  CLI::Option* check = verb->add_flag(
      "--check", options->check,
      "Only look whether it would run: spec, data, verifiers, memory; exit code 1 when not");
  verb->add_flag("--follow", options->follow, "Then watch the run until it ends")->excludes(check);
  verb->add_option("--request-id", options->request_id,
                   "Sent again under the same id, the run is started once [a random one]");
  AddClientOptions(*verb, options->client);
  verb->add_flag("--json", options->json, "JSON on stdout; with --follow: events as JSON lines");
  verb->callback([options, &chosen] { chosen = [options] { return Submit(*options); }; });
}

}  // namespace temper::cli
