// `temper reward`: one reward worker of a fleet.
#include <memory>
#include <string>
#include <vector>

#include "base/log.h"
#include "base/rpc.h"
#include "base/status_macros.h"
#include "base/stop.h"
#include "orchestrator/cli/capabilities.h"
#include "orchestrator/cli/credential_options.h"
#include "orchestrator/cli/runs_option.h"
#include "orchestrator/cli/scorer_options.h"
#include "orchestrator/cli/verbs.h"
#include "orchestrator/cli/worker.h"
#include "reward/code/code_verifier.h"
#include "reward/service.h"
#include "temper/v1/code_verifier.pb.h"

namespace temper::cli {
namespace {

struct RewardArguments {
  std::string controller;
  std::string listen = "127.0.0.1:0";
  std::string name = "reward-0";
  std::string log_level = "info";
  int runs = 64;
  CredentialOptions credentials;
};

// Requests say themselves how they are scored: there is nothing to open.
class RewardRuns final : public RunHost {
 public:
  explicit RewardRuns(const reward::Scorer& scorer) : scorer_(scorer) {}

  void Expect(const std::vector<std::string>&) override {}
  absl::Status Open(const v1::Assignment&) override { return absl::OkStatus(); }
  void Close(const std::string&) override {}
  int64_t progress() const override { return scorer_.progress().load(); }

 private:
  const reward::Scorer& scorer_;
};

absl::Status ServeReward(const RewardArguments& arguments) {
  log::Start(arguments.name, arguments.log_level);
  const StopToken& stop = StopOnSignals();
  ListenOptions listen;
  TEMPER_ASSIGN_OR_RETURN(listen.credentials, UseListenCredentials(arguments.credentials));
  reward::Scorer scorer(ScorerOptions());
  reward::RewardService service(scorer);
  auto listening = Listen(arguments.listen, {&service}, listen);
  if (!listening.ok()) return listening.status();
  log::Info("serving", {{"address", listening->address}});
  if (const auto code = reward::CodeVerifier::Create({}); code.ok()) {
    const auto isolation = (*code)->DescribeIsolation();
    log::Info("programs of verifier \"code\" would run in",
              {{"sandbox", isolation.ok() ? *isolation : isolation.status().ToString()}});
  }
  RewardRuns runs(scorer);
  const absl::Status ended = WorkerMembership({.controller = arguments.controller,
                                               .role = v1::ROLE_REWARD,
                                               .name = arguments.name,
                                               .address = listening->address,
                                               .capabilities = OwnCapabilities(arguments.runs)},
                                              runs, stop)
                                 .Serve();
  ShutDown(*listening->server, absl::Seconds(2));
  return ended;
}

}  // namespace

void AddReward(CLI::App& program, Chosen& chosen) {
  auto arguments = std::make_shared<RewardArguments>();
  CLI::App* verb = program.add_subcommand("reward", "Score responses for runs (one worker)");
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
      [arguments, &chosen] { chosen = [arguments] { return Report(ServeReward(*arguments)); }; });
}

}  // namespace temper::cli
