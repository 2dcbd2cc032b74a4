// `temper controller`: the daemon that keeps runs and the workers that serve them.
#include "orchestrator/controller/controller.h"

#include <unistd.h>

#include <filesystem>
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
#include "orchestrator/cli/credential_options.h"
#include "orchestrator/cli/run_folder.h"
#include "orchestrator/cli/run_models.h"
#include "orchestrator/cli/verbs.h"
#include "orchestrator/controller/controller_service.h"
#include "orchestrator/controller/fleet_service.h"
#include "orchestrator/dashboard/dashboard.h"

namespace temper::cli {
namespace {

struct ControllerOptions {
  std::string dir;
  std::string listen = "127.0.0.1:0";
  std::string spec;
  std::string log_level = "info";
  int dashboard = -1;
  CredentialOptions credentials;
};

// Browsers bring credentials of their own; ours would give each of them our role.
ClientCredentials CheckingOnly(const ClientCredentials& own) {
  ClientCredentials checking;
  if (own.tls.has_value()) checking.tls = TlsIdentity{.ca = own.tls->ca};
  return checking;
}

absl::Status Serve(const ControllerOptions& options, StopToken& stop) {
  ListenOptions listen{.request_bytes_max = kControlMessageBytesMax};
  TEMPER_ASSIGN_OR_RETURN(listen.credentials, UseListenCredentials(options.credentials));
  const std::string dir = std::filesystem::absolute(options.dir).lexically_normal().string();
  if (!options.spec.empty()) {
    TEMPER_RETURN_IF_ERROR(PrepareRunFolder(options.spec, dir, {}).status());
  }
  TEMPER_RETURN_IF_ERROR(MakeDirectories(dir));
  TEMPER_RETURN_IF_ERROR(LockForever(JoinPath(dir, "lock"), "another controller"));
  const SystemClock clock;
  LinkedModels models;
  TEMPER_ASSIGN_OR_RETURN(
      const std::unique_ptr<orchestrator::Controller> controller,
      orchestrator::Controller::Open(
          {.dir = dir, .lone = Exists(JoinPath(dir, "spec.json")), .host_id = HostId(), .program = "/proc/self/exe"}, models,
          clock));
  orchestrator::ControllerServiceOnWire service(*controller);
  orchestrator::FleetServiceOnWire fleet_service(*controller);
  TEMPER_ASSIGN_OR_RETURN(ListeningServer listening,
                          Listen(options.listen, {&service, &fleet_service}, listen));
  const std::string address_path = JoinPath(dir, "controller.address");
  TEMPER_RETURN_IF_ERROR(WriteFileAtomically(address_path, listening.address));
  const auto remove_address = absl::MakeCleanup([&] { unlink(address_path.c_str()); });
  log::Info("the controller listens", {{"address", listening.address}, {"dir", dir}});
  std::unique_ptr<orchestrator::Dashboard> dashboard;
  if (options.dashboard >= 0) {
    TEMPER_ASSIGN_OR_RETURN(
        dashboard, orchestrator::Dashboard::Start(
                       {.listen = absl::StrCat("127.0.0.1:", options.dashboard),
                        .controller = Dial(listening.address, CheckingOnly(OwnCredentials()))}));
    log::Info("the dashboard listens", {{"url", absl::StrCat("http://", dashboard->address())}});
  }

  const absl::Status status = controller->Run(stop);
  if (dashboard != nullptr) dashboard->Stop();
  ShutDown(*listening.server, absl::Milliseconds(500));
  return status;
}

}  // namespace

void AddController(CLI::App& program, Chosen& chosen) {
  auto options = std::make_shared<ControllerOptions>();
  CLI::App* verb = program.add_subcommand("controller",
                                          "The daemon: keeps runs and the workers that serve them; "
                                          "`temper submit` and the like talk to "
                                          "it");
  verb->add_option("--dir", options->dir,
                   "A folder of runs (made when absent), or the folder of one run")
      ->required();
  verb->add_option("--listen", options->listen,
                   "Address to serve on; port 0 picks a free one, unix:PATH a socket of your own; "
                   "credentials are needed where others can reach it")
      ->capture_default_str();
  verb->add_option("spec", options->spec, "A spec: --dir becomes the folder of this one run");
  verb->add_option("--log-level", options->log_level, "debug, info, warning or error")
      ->capture_default_str();
  verb->add_option("--dashboard", options->dashboard,
                   "Serve the dashboard and /metrics at this port of 127.0.0.1; 0 picks a free one")
      ->check(CLI::Range(0, 65535));
  AddListenCredentials(*verb, options->credentials);
  verb->callback([options, &chosen] {
    chosen = [options] {
      log::Start("controller", options->log_level);
      return Report(Serve(*options, StopOnSignals()));
    };
  });
}

}  // namespace temper::cli
