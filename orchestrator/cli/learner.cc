// `temper learner`: the process that owns a run's weights and trains them.
#include <atomic>
#include <cstdint>
#include <memory>
#include <string>

#include "absl/cleanup/cleanup.h"
#include "base/log.h"
#include "base/rpc.h"
#include "base/status_macros.h"
#include "base/stop.h"
#include "orchestrator/cli/verbs.h"
#include "orchestrator/cli/worker.h"
#include "policy/learner/service.h"
#include "policy/learner/trainer.h"

namespace temper::cli {
namespace {

struct LearnerArguments {
  std::string controller;
  std::string listen = "127.0.0.1:0";
  std::string name = "learner-0";
  std::string log_level = "info";
};

// Registers, loads and trains until `stop`. The server is down when it returns: calls end before
// the weights go.
absl::Status Work(const LearnerArguments& arguments, ListeningServer& listening,
                  learner::Service& service, StopToken& stop) {
  std::atomic<int64_t> progress{0};
  std::unique_ptr<learner::Trainer> trainer;
  auto shut_down = absl::MakeCleanup([&] {
    service.Close();
    ShutDown(*listening.server, absl::Seconds(2));
  });
  WorkerMembership membership(arguments.controller, temper::v1::ROLE_LEARNER, arguments.name,
                              listening.address, stop);
  const absl::StatusOr<temper::v1::RegisterResponse> orders = membership.Register();
  if (!orders.ok()) {
    return absl::IsCancelled(orders.status()) ? absl::OkStatus() : orders.status();
  }
  membership.StartHeartbeat(progress, orders->heartbeat_ms());  // loading may take a while
  const temper::v1::Assignment& run = orders->assignments(0);
  TEMPER_ASSIGN_OR_RETURN(const kernels::Dtype dtype, model::ParseDtype(run.dtype()));
  TEMPER_ASSIGN_OR_RETURN(trainer,
                          learner::Trainer::Open({.run_dir = run.run_dir(),
                                                  .model_dir = run.model_dir(),
                                                  .learner_address = listening.address,
                                                  .threads = run.fleet().learner_threads(),
                                                  .dtype = dtype},
                                                 progress));
  service.Run(*trainer, stop);
  return absl::OkStatus();
}

absl::Status ServeLearner(const LearnerArguments& arguments) {
  log::Start(arguments.name, arguments.log_level);
  StopToken& stop = StopOnSignals();
  learner::Service service;
  TEMPER_ASSIGN_OR_RETURN(ListeningServer listening, Listen(arguments.listen, {&service.wire()}));
  log::Info("serving", {{"address", listening.address}});
  const absl::Status ended = Work(arguments, listening, service, stop);
  log::Info("learner ends", {{"status", ended.ToString()}});
  return ended;
}

}  // namespace

void AddLearner(CLI::App& program, Chosen& chosen) {
  auto arguments = std::make_shared<LearnerArguments>();
  CLI::App* verb =
      program.add_subcommand("learner", "Own and train the weights of a run (one worker)");
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
      [arguments, &chosen] { chosen = [arguments] { return Report(ServeLearner(*arguments)); }; });
}

}  // namespace temper::cli
