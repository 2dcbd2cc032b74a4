// `temper pause`, `resume`, `drain`, `stop` and `checkpoint`: one word to a live run.
#include <cstdio>
#include <memory>
#include <string>

#include "nlohmann/json.hpp"
#include "orchestrator/cli/client_options.h"
#include "orchestrator/cli/run_text.h"
#include "orchestrator/cli/screen_text.h"
#include "orchestrator/cli/verbs.h"

namespace temper::cli {
namespace {

struct SteerOptions {
  ClientOptions client;
  std::string run;
  std::string reason;
  bool json = false;
};

using Steering = absl::StatusOr<v1::RunState> (orchestrator::ControllerClient::*)(
    const std::string&, const std::string&, const std::string&);

struct SteeringVerb {
  const char* name;
  const char* purpose;
  Steering steer;
};

constexpr SteeringVerb kVerbs[] = {
    {"pause",
     "Gives back what is leased and begins nothing more, until `temper resume`\n"
     "Samples under way are abandoned and made again bit for bit.\n"
     "Example: temper pause arithmetic --reason 'the machine is needed'",
     &orchestrator::ControllerClient::Pause},
    {"resume",
     "Goes on with a paused, draining, stopped or failed run\n"
     "Example: temper resume arithmetic",
     &orchestrator::ControllerClient::Resume},
    {"drain",
     "Lets the step under way end, keeps a checkpoint, stops\n"
     "Example: temper drain arithmetic",
     &orchestrator::ControllerClient::Drain},
    {"stop",
     "Ends a run at the next safe point; `temper resume` goes on with it\n"
     "Example: temper stop arithmetic",
     &orchestrator::ControllerClient::Stop},
};

int Steer(const SteerOptions& options, const SteeringVerb& verb) {
  auto connection = Connect(options.client, options.run);
  if (!connection.ok()) return Report(connection.status());
  const auto state = (connection->client.get()->*verb.steer)(connection->run, options.reason, "");
  if (!state.ok()) return Report(state.status());
  if (options.json) {
    const nlohmann::ordered_json answer = {{"run", connection->run},
                                           {"state", v1::RunState_Name(*state)}};
    std::printf("%s\n", answer.dump().c_str());
  } else {
    std::printf("%s is %s\n", Printable(connection->run).c_str(), StateWord(*state).c_str());
  }
  return kDone;
}

void AddSteering(CLI::App& program, Chosen& chosen, const SteeringVerb& verb) {
  auto options = std::make_shared<SteerOptions>();
  CLI::App* added = program.add_subcommand(verb.name, verb.purpose);
  added->add_option("run", options->run, "Name or folder of the run")->required();
  added->add_option("--reason", options->reason, "Why; kept in the run's event log");
  AddClientOptions(*added, options->client);
  added->add_flag("--json", options->json, "JSON on stdout");
  added->callback(
      [options, &verb, &chosen] { chosen = [options, &verb] { return Steer(*options, verb); }; });
}

int Checkpoint(const SteerOptions& options) {
  auto connection = Connect(options.client, options.run);
  if (!connection.ok()) return Report(connection.status());
  const auto kept = connection->client->Checkpoint(connection->run);
  if (!kept.ok()) return Report(kept.status());
  if (options.json) {
    PrintJson(*kept);
  } else {
    std::printf("version %lld is kept in %s\nsha256 %s\n", static_cast<long long>(kept->version()),
                Printable(kept->path()).c_str(), Printable(kept->sha256()).c_str());
  }
  return kDone;
}

}  // namespace

void AddSteering(CLI::App& program, Chosen& chosen) {
  for (const SteeringVerb& verb : kVerbs) AddSteering(program, chosen, verb);
}

void AddCheckpoint(CLI::App& program, Chosen& chosen) {
  auto options = std::make_shared<SteerOptions>();
  CLI::App* verb = program.add_subcommand(
      "checkpoint",
      "Keeps a checkpoint of the newest version, for good; ends when it is durable\n"
      "Example: temper checkpoint arithmetic");
  verb->add_option("run", options->run, "Name or folder of the run")->required();
  AddClientOptions(*verb, options->client);
  verb->add_flag("--json", options->json, "JSON on stdout");
  verb->callback([options, &chosen] { chosen = [options] { return Checkpoint(*options); }; });
}

}  // namespace temper::cli
