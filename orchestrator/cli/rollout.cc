// `temper rollout`: one rollout worker, of a fleet or alone.
#include <sys/resource.h>

#include <memory>
#include <string>

#include "base/log.h"
#include "base/rpc.h"
#include "base/status_macros.h"
#include "base/stop.h"
#include "orchestrator/cli/capabilities.h"
#include "orchestrator/cli/credential_options.h"
#include "orchestrator/cli/device_option.h"
#include "orchestrator/cli/dtype_option.h"
#include "orchestrator/cli/rollout_runs.h"
#include "orchestrator/cli/runs_option.h"
#include "orchestrator/cli/verbs.h"
#include "orchestrator/cli/worker.h"
#include "rollout/service.h"

namespace temper::cli {
namespace {

struct RolloutArguments {
  std::string controller;
  std::string model;
  std::string listen = "127.0.0.1:0";
  std::string name = "rollout-0";
  std::string dtype = "source";
  std::string device = "auto";
  int threads = 0;
  int runs = 4;
  CredentialOptions credentials;
};

// Of the whole process, at its end.
void LogPeakMemory(const RolloutRuns& runs) {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  log::Info("rollout worker ends",
            {{"tokens", runs.progress()}, {"peak_memory", int64_t{usage.ru_maxrss} << 10}});
}

absl::Status ServeRollout(const RolloutArguments& arguments) {
  if (arguments.controller.empty() == arguments.model.empty()) {
    return absl::InvalidArgumentError(
        "expected exactly one of --controller ADDRESS (a fleet's worker) and --model DIR (alone)");
  }
  log::Start(arguments.name, "info");
  const StopToken& stop = StopOnSignals();
  ListenOptions listen;
  TEMPER_ASSIGN_OR_RETURN(listen.credentials, UseListenCredentials(arguments.credentials));
  const bool alone = !arguments.model.empty();
  RolloutRuns runs(alone ? 1 : arguments.runs);
  if (alone) {  // ready before anybody can ask
    TEMPER_RETURN_IF_ERROR(
        runs.OpenAlone(arguments.model, {.name = arguments.device, .threads = arguments.threads},
                       DtypeOf(arguments.dtype)));
  }
  const std::unique_ptr<grpc::Service> service = rollout::MakeRolloutService(runs.directory());
  TEMPER_ASSIGN_OR_RETURN(ListeningServer listening,
                          Listen(arguments.listen, {service.get()}, listen));
  log::Info("serving", {{"address", listening.address}});
  absl::Status ended;
  if (alone) {
    while (!stop.WaitFor(Wait::ForWork("the signal to end", absl::Hours(1)))) {
    }
    runs.Close("");
  } else {
    ended = WorkerMembership({.controller = arguments.controller,
                              .role = v1::ROLE_ROLLOUT,
                              .name = arguments.name,
                              .address = listening.address,
                              .capabilities = OwnCapabilities(arguments.runs)},
                             runs, stop)
                .Serve();
  }
  LogPeakMemory(runs);
  ShutDown(*listening.server, absl::Seconds(2));
  return ended;
}

}  // namespace

void AddRollout(CLI::App& program, Chosen& chosen) {
  auto arguments = std::make_shared<RolloutArguments>();
  CLI::App* verb =
      program.add_subcommand("rollout",
                             "Sample and measure responses: one worker of a fleet, or alone for a "
                             "model folder\n(judges and "
                             "reward models: RolloutService's Generate and Measure, version 0)");
  CLI::Option* fleet =
      verb->add_option("--controller", arguments->controller,
                       "A fleet's worker: address of the controller, e.g. 127.0.0.1:7070");
  CLI::Option* alone =
      verb->add_option("--model", arguments->model, "Alone: the model folder to serve");
  verb->add_option("--listen", arguments->listen, "Address to serve at; port 0 takes a free one")
      ->capture_default_str();
  verb->add_option("--name", arguments->name, "Slot in the fleet; a restart keeps it")
      ->capture_default_str();
  AddRuns(*verb, arguments->runs)->needs(fleet);
  AddDtype(*verb, arguments->dtype);
  verb->get_option("--dtype")->needs(alone);
  AddDevice(*verb, arguments->device);
  verb->get_option("--device")->needs(alone);
  verb->add_option("--threads", arguments->threads, "Threads; 0: all cores")
      ->check(CLI::Range(0, 1024))
      ->capture_default_str()
      ->needs(alone);
  AddListenCredentials(*verb, arguments->credentials);
  verb->callback(
      [arguments, &chosen] { chosen = [arguments] { return Report(ServeRollout(*arguments)); }; });
}

}  // namespace temper::cli
