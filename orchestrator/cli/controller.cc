// `temper controller`: the daemon of one run folder.
#include "orchestrator/controller.h"

#include <unistd.h>

#include <memory>
#include <string>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_cat.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/rpc.h"
#include "base/status_macros.h"
#include "base/stop.h"
#include "orchestrator/cli/run_folder.h"
#include "orchestrator/cli/verbs.h"
#include "orchestrator/controller_service.h"

namespace temper::cli {
namespace {

struct ControllerOptions {
  std::string dir;
  std::string listen = "127.0.0.1:0";
  std::string spec;
  std::string log_level = "info";
};

absl::Status Serve(const ControllerOptions& options, StopToken& stop) {
  RunFolder folder;
  if (options.spec.empty()) {
    TEMPER_ASSIGN_OR_RETURN(folder, OpenRunFolder(options.dir));
  } else {
    TEMPER_ASSIGN_OR_RETURN(folder, PrepareRunFolder(options.spec, options.dir, {}));
  }
  TEMPER_RETURN_IF_ERROR(LockForever(JoinPath(folder.dir, "lock"), "another controller"));
  const SystemClock clock;
  orchestrator::Controller::Options controller_options;
  controller_options.dir = folder.dir;
  controller_options.model_dir = folder.model_dir;
  TEMPER_ASSIGN_OR_RETURN(const std::unique_ptr<orchestrator::Controller> controller,
                          orchestrator::Controller::Open(controller_options, folder.spec, clock));
  orchestrator::ControllerServiceOnWire service(*controller);
  orchestrator::FleetServiceOnWire fleet_service(*controller);
  TEMPER_ASSIGN_OR_RETURN(ListeningServer listening, Listen(options.listen, {&service, &fleet_service}));
  const std::string address_path = JoinPath(folder.dir, "controller.address");
  TEMPER_RETURN_IF_ERROR(WriteFileAtomically(address_path, listening.address));
  const auto remove_address = absl::MakeCleanup([&] { unlink(address_path.c_str()); });
  log::Info("the controller listens", {{"address", listening.address}, {"dir", folder.dir}});

  const absl::Status status = controller->Run(stop);
  ShutDown(*listening.server, absl::Milliseconds(500));
  return status;
}

}  // namespace

void AddController(CLI::App& program, Chosen& chosen) {
  auto options = std::make_shared<ControllerOptions>();
  CLI::App* verb = program.add_subcommand(
      "controller", "Coordinates the run in a folder; workers and `temper show` connect to it");
  verb->add_option("--dir", options->dir, "The folder of the run")->required();
  verb->add_option("--listen", options->listen,
                   "Loopback address to serve on; port 0 picks a free one")
      ->capture_default_str();
  verb->add_option("spec", options->spec, "A spec to start in --dir when it holds no run yet");
  verb->add_option("--log-level", options->log_level, "debug, info, warning or error")
      ->capture_default_str();
  verb->callback([options, &chosen] {
    chosen = [options] {
      log::Start("controller", options->log_level);
      return Report(Serve(*options, StopOnSignals()));
    };
  });
}

}  // namespace temper::cli
