// `temper rollout`: one rollout worker, of a run or alone.
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/log.h"
#include "base/rpc.h"
#include "base/status_macros.h"
#include "base/stop.h"
#include "kernels/device.h"
#include "orchestrator/cli/dtype_option.h"
#include "orchestrator/cli/verbs.h"
#include "orchestrator/cli/worker.h"
#include "policy/model/chat/chat_prompt.h"
#include "policy/model/chat/chat_template.h"
#include "policy/model/folder/model_folder.h"
#include "policy/model/parameters.h"
#include "policy/model/weights.h"
#include "rollout/engine/engine.h"
#include "rollout/engine_loop.h"
#include "rollout/service.h"
#include "rollout/weight_follower.h"

namespace temper::cli {
namespace {

struct RolloutArguments {
  std::string controller;
  std::string model;
  std::string listen = "127.0.0.1:0";
  std::string name = "rollout-0";
  std::string dtype = "source";
  int threads = 0;
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

// Everything that computes; built once it is known which model.
class RolloutWorker {
 public:
  // Of a run: the weights come with the first update.
  static absl::StatusOr<std::unique_ptr<RolloutWorker>> Join(const v1::Assignment& orders) {
    const v1::Fleet& fleet = orders.fleet();
    rollout::Engine::Options options = Options(fleet);
    TEMPER_ASSIGN_OR_RETURN(options.dtype, model::ParseDtype(orders.dtype()));
    return Open(orders.model_dir(), fleet.rollout_threads(), options);
  }

  // Alone: the folder's own weights are version 0. Judges are asked about what others wrote, so
  // messages cannot spell special tokens.
  static absl::StatusOr<std::unique_ptr<RolloutWorker>> Serve(const RolloutArguments& arguments) {
    rollout::Engine::Options options = Options({});
    options.content_as_text = true;
    TEMPER_ASSIGN_OR_RETURN(std::unique_ptr<RolloutWorker> worker,
                            Open(arguments.model, arguments.threads, options));
    TEMPER_ASSIGN_OR_RETURN(std::unique_ptr<model::Weights> weights,
                            model::Weights::Load(arguments.model, worker->layout_, *worker->device_,
                                                 DtypeOf(arguments.dtype)));
    worker->engine_.SetWeights(0, std::move(weights));
    worker->follows_ = false;
    return worker;
  }

  void Start(rollout::EngineLoop& loop) { loop.Start(engine_, follows_ ? &follower_ : nullptr); }

 private:
  // What a folder says of prompts; a folder may have neither.
  struct Words {
    std::optional<model::ChatTemplate> chat;
    std::vector<std::string> added_tokens;
  };

  RolloutWorker(model::ModelFolder folder, Words words, int threads,
                const rollout::Engine::Options& options)
      : folder_(std::move(folder)),
        chat_(std::move(words.chat)),
        layout_(folder_.config),
        device_(kernels::OpenCpuDevice(threads)),
        engine_({folder_.config, layout_, folder_.tokenizer.get(), *device_,
                 chat_.has_value() ? &*chat_ : nullptr, std::move(words.added_tokens)},
                options),
        follower_(layout_, HostId()) {}

  static absl::StatusOr<std::unique_ptr<RolloutWorker>> Open(
      const std::string& path, int threads, const rollout::Engine::Options& options) {
    TEMPER_ASSIGN_OR_RETURN(model::ModelFolder folder, model::OpenModelFolder(path));
    Words words;
    absl::StatusOr<model::ChatTemplate> chat = model::ChatTemplate::Read(path);
    if (!chat.ok() && !absl::IsNotFound(chat.status())) return chat.status();
    if (chat.ok()) words.chat = *std::move(chat);
    if (folder.tokenizer != nullptr) {
      TEMPER_ASSIGN_OR_RETURN(words.added_tokens, model::ReadAddedTokens(path));
    }
    return std::unique_ptr<RolloutWorker>(
        new RolloutWorker(std::move(folder), std::move(words), threads, options));
  }

  static rollout::Engine::Options Options(const v1::Fleet& fleet) {
    return {.sequences_max =
                static_cast<int>(OrDefault(fleet.has_sequences_max(), fleet.sequences_max(), 64)),
            .prefill_chunk = OrDefault(fleet.has_prefill_chunk(), fleet.prefill_chunk(), 512),
            .waiting_max = kWaitingMax,
            .state_bytes_max = StateBytesMax()};
  }

  const model::ModelFolder folder_;
  const std::optional<model::ChatTemplate> chat_;
  const model::ParameterLayout layout_;
  const std::unique_ptr<kernels::Device> device_;
  rollout::Engine engine_;
  const rollout::WeightFollower follower_;
  bool follows_ = true;  // takes other versions
};

void LogPeakMemory(const rollout::EngineLoop& loop) {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  log::Info("rollout worker ends",
            {{"tokens", loop.progress().load()}, {"peak_memory", int64_t{usage.ru_maxrss} << 10}});
}

void WaitForStop(const StopToken& stop, rollout::EngineLoop& loop) {
  while (!stop.WaitFor(Wait::ForWork("the signal to end", absl::Hours(1)))) {
  }
  loop.Stop();  // before the engine goes
  LogPeakMemory(loop);
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
                          RolloutWorker::Join(orders->assignments(0)));
  worker->Start(loop);
  membership.StartHeartbeat(loop.progress(), orders->heartbeat_ms());
  WaitForStop(stop, loop);
  return absl::OkStatus();
}

absl::Status ServeRollout(const RolloutArguments& arguments) {
  if (arguments.controller.empty() == arguments.model.empty()) {
    return absl::InvalidArgumentError(
        "expected exactly one of --controller ADDRESS (a run's worker) and --model DIR (alone)");
  }
  log::Start(arguments.name, "info");
  StopToken& stop = StopOnSignals();
  std::unique_ptr<RolloutWorker> alone;  // ready before anybody can ask
  if (!arguments.model.empty()) {
    TEMPER_ASSIGN_OR_RETURN(alone, RolloutWorker::Serve(arguments));
  }
  rollout::EngineLoop loop(kWaitingMax);
  const std::unique_ptr<grpc::Service> service = rollout::MakeRolloutService(loop);
  TEMPER_ASSIGN_OR_RETURN(ListeningServer listening, Listen(arguments.listen, {service.get()}));
  log::Info("serving", {{"address", listening.address}});
  absl::Status ended;
  if (alone != nullptr) {
    alone->Start(loop);
    WaitForStop(stop, loop);
  } else {
    ended = Work(arguments, listening.address, loop, stop);
  }
  loop.Stop();  // refuses what was waiting for a start that did not come
  ShutDown(*listening.server, absl::Seconds(2));
  return ended;
}

}  // namespace

void AddRollout(CLI::App& program, Chosen& chosen) {
  auto arguments = std::make_shared<RolloutArguments>();
  CLI::App* verb = program.add_subcommand(
      "rollout",
      "Sample and measure responses: one worker of a run, or alone for a model folder\n(judges and "
      "reward models: RolloutService's Generate and Measure, version 0)");
  verb->add_option("--controller", arguments->controller,
                   "A run's worker: address of the controller, e.g. 127.0.0.1:7070");
  CLI::Option* alone =
      verb->add_option("--model", arguments->model, "Alone: the model folder to serve");
  verb->add_option("--listen", arguments->listen, "Address to serve at; port 0 takes a free one")
      ->capture_default_str();
  verb->add_option("--name", arguments->name, "Slot in the run; a restart keeps it")
      ->capture_default_str();
  AddDtype(*verb, arguments->dtype);
  verb->get_option("--dtype")->needs(alone);
  verb->add_option("--threads", arguments->threads, "Threads; 0: all cores")
      ->check(CLI::Range(0, 1024))
      ->capture_default_str()
      ->needs(alone);
  verb->callback(
      [arguments, &chosen] { chosen = [arguments] { return Report(ServeRollout(*arguments)); }; });
}

}  // namespace temper::cli
