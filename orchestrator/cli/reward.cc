// `temper reward`: one reward worker of a run.
#include <memory>
#include <string>

#include "base/log.h"
#include "base/rpc.h"
#include "base/stop.h"
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
};

absl::Status ServeReward(const RewardArguments& arguments) {
  log::Start(arguments.name, arguments.log_level);
  StopToken& stop = StopOnSignals();
  reward::Scorer scorer(ScorerOptions());
  reward::RewardService service(scorer);
  auto listening = Listen(arguments.listen, {&service});
  if (!listening.ok()) return listening.status();
  log::Info("serving", {{"address", listening->address}});
  if (const auto code = reward::CodeVerifier::Create({}); code.ok()) {
    const auto isolation = (*code)->DescribeIsolation();
    log::Info("programs of verifier \"code\" would run in",
              {{"sandbox", isolation.ok() ? *isolation : isolation.status().ToString()}});
  }
  absl::Status ended;
  {
    WorkerMembership membership(arguments.controller, temper::v1::ROLE_REWARD, arguments.name,
                                listening->address, stop);
    auto registered = membership.Register();
    if (registered.ok()) {
      membership.StartHeartbeat(scorer.progress(), registered->heartbeat_ms());
      while (!stop.WaitFor(Wait::ForWork("the signal to end", absl::Hours(1)))) {
      }
    } else if (!absl::IsCancelled(registered.status())) {
      ended = registered.status();
    }
  }
  ShutDown(*listening->server, absl::Seconds(2));
  return ended;
}

}  // namespace

void AddReward(CLI::App& program, Chosen& chosen) {
  auto arguments = std::make_shared<RewardArguments>();
  CLI::App* verb = program.add_subcommand("reward", "Score responses for a run (one worker)");
  verb->add_option("--controller", arguments->controller,
                   "Address of the controller, e.g. 127.0.0.1:7070")
      ->required();
  verb->add_option("--listen", arguments->listen, "Address to serve at; port 0 takes a free one")
      ->capture_default_str();
  verb->add_option("--name", arguments->name, "Slot in the run; a restart keeps it")
      ->capture_default_str();
  verb->add_option("--log-level", arguments->log_level, "debug, info, warning or error")
      ->capture_default_str();
  verb->callback(
      [arguments, &chosen] { chosen = [arguments] { return Report(ServeReward(*arguments)); }; });
}

}  // namespace temper::cli
