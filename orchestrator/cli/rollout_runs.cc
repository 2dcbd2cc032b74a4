// Loads a model folder for each run and hands it to an engine's thread.
#include "orchestrator/cli/rollout_runs.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "base/rpc.h"
#include "base/status_macros.h"
#include "kernels/device.h"
#include "orchestrator/cli/capabilities.h"
#include "policy/model/chat/prompt_encoder.h"
#include "policy/model/folder/model_folder.h"
#include "policy/model/parameters.h"
#include "policy/model/weights.h"
#include "rollout/engine/engine.h"
#include "rollout/weight_follower.h"

namespace temper::cli {
namespace {

// Groups of a run that may wait; more are refused and come again.
constexpr int64_t kWaitingMax = 1024;

// Of one run's sequence states: all runs together half of the memory, one alone a quarter and at
// most 4 GiB, for several workers and a learner may share the machine.
int64_t StateBytesMax(int runs_max) {
  const int64_t memory = MemoryBytesMax();
  return std::min({int64_t{4} << 30, memory / 4, memory / 2 / std::max(runs_max, 1)});
}

// A quantity of the fleet, or its documented default where the controller sent none.
int64_t OrDefault(bool present, int32_t value, int64_t otherwise) {
  return present && value > 0 ? value : otherwise;
}

rollout::Engine::Options Options(const v1::Fleet& fleet, int64_t state_bytes_max) {
  return {.sequences_max =
              static_cast<int>(OrDefault(fleet.has_sequences_max(), fleet.sequences_max(), 64)),
          .prefill_chunk = OrDefault(fleet.has_prefill_chunk(), fleet.prefill_chunk(), 512),
          .waiting_max = kWaitingMax,
          .state_bytes_max = state_bytes_max};
}

}  // namespace

class ServedModel {
 public:
  static absl::StatusOr<std::unique_ptr<ServedModel>> Open(
      const std::string& path, int threads, const rollout::Engine::Options& options) {
    TEMPER_ASSIGN_OR_RETURN(model::ModelFolder folder, model::OpenModelFolder(path));
    TEMPER_ASSIGN_OR_RETURN(model::FolderWords words,
                            model::FolderWords::Read(path, folder.tokenizer != nullptr));
    return std::unique_ptr<ServedModel>(
        new ServedModel(std::move(folder), std::move(words), threads, options));
  }
  ~ServedModel() { loop_->Stop(); }  // before the engine goes

  // The folder's own weights are version 0, and there is no other.
  absl::Status LoadOwnWeights(const std::string& path, std::optional<kernels::Dtype> dtype) {
    TEMPER_ASSIGN_OR_RETURN(std::unique_ptr<model::Weights> weights,
                            model::Weights::Load(path, layout_, *device_, dtype));
    engine_.SetWeights(0, std::move(weights));
    follows_ = false;
    return absl::OkStatus();
  }

  const std::shared_ptr<rollout::EngineLoop>& Start() {
    loop_->Start(engine_, follows_ ? &follower_ : nullptr);
    return loop_;
  }
  int64_t progress() const { return loop_->progress().load(); }

 private:
  ServedModel(model::ModelFolder folder, model::FolderWords words, int threads,
              const rollout::Engine::Options& options)
      : folder_(std::move(folder)),
        chat_(std::move(words.chat)),
        layout_(folder_.config),
        device_(kernels::OpenCpuDevice(threads)),
        engine_({folder_.config, layout_, folder_.tokenizer.get(), *device_,
                 chat_.has_value() ? &*chat_ : nullptr, std::move(words.added_tokens)},
                options),
        follower_(layout_, HostId()),
        loop_(std::make_shared<rollout::EngineLoop>(kWaitingMax)) {}

  const model::ModelFolder folder_;
  const std::optional<model::ChatTemplate> chat_;
  const model::ParameterLayout layout_;
  const std::unique_ptr<kernels::Device> device_;
  rollout::Engine engine_;
  const rollout::WeightFollower follower_;
  const std::shared_ptr<rollout::EngineLoop> loop_;  // callers hold it a moment longer
  bool follows_ = true;                              // takes other versions
};

RolloutRuns::RolloutRuns(int runs_max) : state_bytes_max_(StateBytesMax(runs_max)) {}

RolloutRuns::~RolloutRuns() {
  for (const std::string& run : directory_.names()) Close(run);
}

absl::Status RolloutRuns::OpenAlone(const std::string& model_dir, int threads,
                                    std::optional<kernels::Dtype> dtype) {
  rollout::Engine::Options options = Options({}, state_bytes_max_);
  // Judges are asked about what others wrote: messages cannot spell special tokens.
  options.content_as_text = true;
  TEMPER_ASSIGN_OR_RETURN(std::unique_ptr<ServedModel> model,
                          ServedModel::Open(model_dir, threads, options));
  TEMPER_RETURN_IF_ERROR(model->LoadOwnWeights(model_dir, dtype));
  Start("", std::move(model));
  return absl::OkStatus();
}

absl::Status RolloutRuns::Open(const v1::Assignment& assignment) {
  rollout::Engine::Options options = Options(assignment.fleet(), state_bytes_max_);
  TEMPER_ASSIGN_OR_RETURN(options.dtype, model::ParseDtype(assignment.dtype()));
  TEMPER_ASSIGN_OR_RETURN(
      std::unique_ptr<ServedModel> model,
      ServedModel::Open(assignment.model_dir(), assignment.fleet().rollout_threads(), options));
  Start(assignment.run(), std::move(model));
  return absl::OkStatus();
}

void RolloutRuns::Start(const std::string& run, std::unique_ptr<ServedModel> model) {
  std::shared_ptr<rollout::EngineLoop> loop = model->Start();
  {
    MutexLock lock(mutex_);
    models_[run] = std::move(model);
  }
  directory_.Open(run, std::move(loop));
}

void RolloutRuns::Close(const std::string& run) {
  const std::shared_ptr<rollout::EngineLoop> loop = directory_.Close(run);
  if (loop == nullptr) return;
  loop->Stop();
  std::unique_ptr<ServedModel> model;  // freed outside the lock
  MutexLock lock(mutex_);
  closed_progress_ += loop->progress().load();
  const auto found = models_.find(run);
  model = std::move(found->second);
  models_.erase(found);
}

int64_t RolloutRuns::progress() const {
  MutexLock lock(mutex_);
  int64_t progress = closed_progress_;
  for (const auto& [run, model] : models_) progress += model->progress();
  return progress;
}

}  // namespace temper::cli
