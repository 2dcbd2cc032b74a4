// `temper learner`: the process that owns the weights of runs and trains them.
#include <memory>
#include <string>

#include "base/log.h"
#include "base/rpc.h"
#include "base/status_macros.h"
#include "base/stop.h"
#include "orchestrator/cli/capabilities.h"
#include "orchestrator/cli/credential_options.h"
#include "orchestrator/cli/learner_runs.h"
#include "orchestrator/cli/runs_option.h"
#include "orchestrator/cli/verbs.h"
#include "orchestrator/cli/worker.h"
#include "policy/learner/service.h"

namespace temper::cli {
namespace {

struct LearnerArguments {
  std::string controller;
  std::string listen = "127.0.0.1:0";
  std::string name = "learner-0";
  std::string log_level = "info";
  int runs = 4;
  CredentialOptions credentials;
};

absl::Status ServeLearner(const LearnerArguments& arguments) {
  log::Start(arguments.name, arguments.log_level);
  const StopToken& stop = StopOnSignals();
  ListenOptions listen;
  TEMPER_ASSIGN_OR_RETURN(listen.credentials, UseListenCredentials(arguments.credentials));
  LearnerRuns runs;
  const std::unique_ptr<grpc::Service> service = learner::MakeLearnerService(runs.directory());
  TEMPER_ASSIGN_OR_RETURN(ListeningServer listening,
                          Listen(arguments.listen, {service.get()}, listen));
  log::Info("serving", {{"address", listening.address}});
  runs.set_address(listening.address);
  const absl::Status ended = WorkerMembership({.controller = arguments.controller,
                                               .role = v1::ROLE_LEARNER,
                                               .name = arguments.name,
                                               .address = listening.address,
                                               .capabilities = OwnCapabilities(arguments.runs)},
                                              runs, stop)
                                 .Serve();
  ShutDown(*listening.server, absl::Seconds(2));
  log::Info("learner ends", {{"status", ended.ToString()}});
  return ended;
}

}  // namespace

void AddLearner(CLI::App& program, Chosen& chosen) {
  auto arguments = std::make_shared<LearnerArguments>();
  CLI::App* verb =
      program.add_subcommand("learner", "Own and train the weights of runs (one worker)");
  verb->add_option("--controller", arguments->controller,
                   "Address of the controller, e.g. 127.0.0.1:7070")
      ->required();
  verb->add_option("--listen", arguments->listen, "Address to serve at; port 0 takes a free one")
      ->capture_default_str();
  verb->add_option("--name", arguments->name, "Slot in the fleet; a restart keeps it")
      ->capture_default_str();
  AddRuns(*verb, arguments->runs);
  verb->add_option("--log-level", arguments->log_level, "debug, info, warning or error")
      ->capture_default_str();
  AddListenCredentials(*verb, arguments->credentials);
  verb->callback(
      [arguments, &chosen] { chosen = [arguments] { return Report(ServeLearner(*arguments)); }; });
}

}  // namespace temper::cli
