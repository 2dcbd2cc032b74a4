// `temper rollout`: one rollout worker of a run.
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <string>

#include "absl/time/clock.h"
#include "base/log.h"
#include "base/rpc.h"
#include "base/status_macros.h"
#include "base/stop.h"
#include "kernels/device.h"
#include "orchestrator/cli/verbs.h"
#include "orchestrator/cli/worker.h"
#include "policy/model/chat/chat_template.h"
#include "policy/model/folder/model_folder.h"
#include "policy/model/parameters.h"
#include "rollout/engine/engine.h"
#include "rollout/engine_loop.h"
#include "rollout/service.h"
#include "rollout/weight_follower.h"

namespace temper::cli {
namespace {

struct RolloutArguments {
  std::string controller;
  std::string listen = "127.0.0.1:0";
  std::string name = "rollout-0";
};

// Groups that may wait; more are refused and come again.
constexpr int64_t kWaitingMax = 1024;

// A quarter of the machine, at most 4 GiB: several workers and a learner may share it.
int64_t StateBytesMax() {
  const int64_t machine = static_cast<int64_t>(sysconf(_SC_PHYS_PAGES)) * sysconf(_SC_PAGESIZE);
  return std::min(int64_t{4} << 30, machine / 4);
}

// A quantity of the fleet, or its documented default where the controller sent none.
int64_t OrDefault(bool present, int32_t value, int64_t otherwise) {
  return present && value > 0 ? value : otherwise;
}

// Everything that computes; built once the controller has said which model.
class RolloutWorker {
 public:
  static absl::StatusOr<std::unique_ptr<RolloutWorker>> Open(const v1::RegisterResponse& orders) {
    TEMPER_ASSIGN_OR_RETURN(model::ModelFolder folder, model::OpenModelFolder(orders.model_dir()));
    absl::StatusOr<model::ChatTemplate> read = model::ChatTemplate::Read(folder.path);
    if (!read.ok() && !absl::IsNotFound(read.status())) return read.status();
    std::optional<model::ChatTemplate> chat;
    if (read.ok()) chat = *std::move(read);
    TEMPER_ASSIGN_OR_RETURN(const kernels::Dtype dtype, model::ParseDtype(orders.dtype()));
    return std::unique_ptr<RolloutWorker>(
        new RolloutWorker(std::move(folder), std::move(chat), orders.fleet(), dtype));
  }
  void Serve(rollout::EngineLoop& loop) { loop.Start(engine_, follower_); }

 private:
  RolloutWorker(model::ModelFolder folder, std::optional<model::ChatTemplate> chat,
                const v1::Fleet& fleet, kernels::Dtype dtype)
      : folder_(std::move(folder)),
        chat_(std::move(chat)),
        layout_(folder_.config),
        device_(kernels::OpenCpuDevice(fleet.rollout_threads())),
        engine_({folder_.config, layout_, folder_.tokenizer.get(), *device_,
                 chat_.has_value() ? &*chat_ : nullptr},
                Options(fleet, dtype)),
        follower_(layout_, HostId()) {}

  static rollout::Engine::Options Options(const v1::Fleet& fleet, kernels::Dtype dtype) {
    return {.sequences_max =
                static_cast<int>(OrDefault(fleet.has_sequences_max(), fleet.sequences_max(), 64)),
            .prefill_chunk = OrDefault(fleet.has_prefill_chunk(), fleet.prefill_chunk(), 512),
            .waiting_max = kWaitingMax,
            .state_bytes_max = StateBytesMax(),
            .dtype = dtype};
  }

  const model::ModelFolder folder_;
  const std::optional<model::ChatTemplate> chat_;  // a folder may have none
  const model::ParameterLayout layout_;
  const std::unique_ptr<kernels::Device> device_;
  rollout::Engine engine_;
  const rollout::WeightFollower follower_;
};

void LogPeakMemory(const rollout::EngineLoop& loop) {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  log::Info("rollout worker ends",
            {{"tokens", loop.progress().load()}, {"peak_memory", int64_t{usage.ru_maxrss} << 10}});
}

absl::Status Work(const RolloutArguments& arguments, const std::string& address,
                  rollout::EngineLoop& loop, StopToken& stop) {
  WorkerMembership membership(arguments.controller, v1::ROLE_ROLLOUT, arguments.name, address,
                              stop);
  absl::StatusOr<v1::RegisterResponse> orders = membership.Register();
  if (!orders.ok()) {
    return absl::IsCancelled(orders.status()) ? absl::OkStatus() : orders.status();
  }
  TEMPER_ASSIGN_OR_RETURN(const std::unique_ptr<RolloutWorker> worker,
                          RolloutWorker::Open(*orders));
  worker->Serve(loop);
  membership.StartHeartbeat(loop.progress(), orders->heartbeat_ms());
  while (!stop.stopped()) absl::SleepFor(absl::Milliseconds(50));
  loop.Stop();  // before the engine goes
  LogPeakMemory(loop);
  return absl::OkStatus();
}

absl::Status ServeRollout(const RolloutArguments& arguments) {
  log::Start(arguments.name, "info");
  StopToken& stop = StopOnSignals();
  rollout::EngineLoop loop(kWaitingMax);
  const std::unique_ptr<grpc::Service> service = rollout::MakeRolloutService(loop);
  TEMPER_ASSIGN_OR_RETURN(ListeningServer listening, Listen(arguments.listen, {service.get()}));
  log::Info("serving", {{"address", listening.address}});
  const absl::Status ended = Work(arguments, listening.address, loop, stop);
  loop.Stop();  // refuses what was waiting for a start that did not come
  listening.server->Shutdown(absl::ToChronoTime(absl::Now() + absl::Seconds(2)));
  return ended;
}

}  // namespace

void AddRollout(CLI::App& program, Chosen& chosen) {
  auto arguments = std::make_shared<RolloutArguments>();
  CLI::App* verb = program.add_subcommand("rollout", "Sample responses for a run (one worker)");
  verb->add_option("--controller", arguments->controller,
                   "Address of the controller, e.g. 127.0.0.1:7070")
      ->required();
  verb->add_option("--listen", arguments->listen, "Address to serve at; port 0 takes a free one")
      ->capture_default_str();
  verb->add_option("--name", arguments->name, "Slot in the run; a restart keeps it")
      ->capture_default_str();
  verb->callback(
      [arguments, &chosen] { chosen = [arguments] { return Report(ServeRollout(*arguments)); }; });
}

}  // namespace temper::cli
