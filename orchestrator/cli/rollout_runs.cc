// Loads a model folder for each run and hands it to an engine's thread.
#include "orchestrator/cli/rollout_runs.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "base/status_macros.h"
#include "orchestrator/cli/capabilities.h"
#include "orchestrator/cli/loaded_model.h"
#include "policy/model/weights.h"

namespace temper::cli {
namespace {

// A quantity of the fleet, or its documented default where the controller sent none.
int64_t OrDefault(bool present, int32_t value, int64_t otherwise) {
  return present && value > 0 ? value : otherwise;
}

rollout::Engine::Options Options(const v1::Fleet& fleet, int64_t state_bytes_max) {
  return {.sequences_max =
              static_cast<int>(OrDefault(fleet.has_sequences_max(), fleet.sequences_max(), 64)),
          .prefill_chunk = OrDefault(fleet.has_prefill_chunk(), fleet.prefill_chunk(), 512),
          .waiting_max = kWaitingGroupsMax,
          .state_bytes_max = state_bytes_max};
}

}  // namespace

RolloutRuns::RolloutRuns(int runs_max) : state_bytes_max_(StateBytesMax(runs_max)) {}

RolloutRuns::~RolloutRuns() {
  for (const std::string& run : directory_.names()) Close(run);
}

absl::Status RolloutRuns::OpenAlone(const std::string& model_dir, const kernels::DeviceChoice& device,
                                    std::optional<kernels::Dtype> dtype) {
  rollout::Engine::Options options = Options({}, state_bytes_max_);
  // Judges are asked about what others wrote: messages cannot spell special tokens.
  options.content_as_text = true;
  options.dtype = dtype.value_or(kernels::Dtype::kBFloat16);  // to plan memory with
  TEMPER_ASSIGN_OR_RETURN(std::unique_ptr<LoadedModel> model,
                          LoadedModel::Open(model_dir, device, options));
  TEMPER_RETURN_IF_ERROR(model->LoadOwnWeights(dtype));
  Start("", std::move(model));
  return absl::OkStatus();
}

absl::Status RolloutRuns::Open(const v1::Assignment& assignment) {
  rollout::Engine::Options options = Options(assignment.fleet(), state_bytes_max_);
  TEMPER_ASSIGN_OR_RETURN(options.dtype, model::ParseDtype(assignment.dtype()));
  TEMPER_ASSIGN_OR_RETURN(
      std::unique_ptr<LoadedModel> model,
      LoadedModel::Open(
          assignment.model_dir(),
          {.name = assignment.device(), .threads = assignment.fleet().rollout_threads()}, options));
  Start(assignment.run(), std::move(model));
  return absl::OkStatus();
}

void RolloutRuns::Start(const std::string& run, std::unique_ptr<LoadedModel> model) {
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
  std::unique_ptr<LoadedModel> model;  // freed outside the lock
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
