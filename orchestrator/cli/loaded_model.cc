// Opens a folder, puts its parts together, ends them in order.
#include "orchestrator/cli/loaded_model.h"

#include <algorithm>
#include <utility>

#include "base/rpc.h"
#include "base/status_macros.h"
#include "orchestrator/cli/capabilities.h"
#include "policy/model/device_memory.h"
#include "policy/model/weights.h"

namespace temper::cli {

int64_t StateBytesMax(int models_max) {
  const int64_t memory = MemoryBytesMax();
  return std::min({int64_t{4} << 30, memory / 4, memory / 2 / std::max(models_max, 1)});
}

absl::StatusOr<std::unique_ptr<LoadedModel>> LoadedModel::Open(
    const std::string& path, const kernels::DeviceChoice& device,
    const rollout::Engine::Options& options) {
  TEMPER_ASSIGN_OR_RETURN(std::unique_ptr<kernels::Device> opened, kernels::OpenDevice(device));
  TEMPER_ASSIGN_OR_RETURN(model::ModelFolder folder, model::OpenModelFolder(path));
  TEMPER_ASSIGN_OR_RETURN(model::FolderWords words,
                          model::FolderWords::Read(path, folder.tokenizer != nullptr));
  const model::ParameterLayout layout(folder.config);
  const int64_t weights = model::WeightBytes(layout, options.dtype);
  TEMPER_RETURN_IF_ERROR(model::CheckRoom(*opened, layout, weights, "sampling"));
  rollout::Engine::Options there = options;
  there.state_bytes_max = model::StateBytes(*opened, weights, options.state_bytes_max);
  return std::unique_ptr<LoadedModel>(
      new LoadedModel(std::move(folder), std::move(words), std::move(opened), there));
}

LoadedModel::LoadedModel(model::ModelFolder folder, model::FolderWords words,
                         std::unique_ptr<kernels::Device> device,
                         const rollout::Engine::Options& options)
    : folder_(std::move(folder)),
      words_(std::move(words)),
      layout_(folder_.config),
      device_(std::move(device)),
      engine_(
          {folder_.config, layout_, folder_.tokenizer.get(), *device_, chat(), words_.added_tokens},
          options),
      follower_(layout_, HostId(), *device_),
      loop_(std::make_shared<rollout::EngineLoop>(kWaitingGroupsMax)) {}

LoadedModel::~LoadedModel() { loop_->Stop(); }  // before the engine goes

absl::Status LoadedModel::LoadOwnWeights(std::optional<kernels::Dtype> dtype) {
  TEMPER_ASSIGN_OR_RETURN(std::unique_ptr<model::Weights> weights,
                          model::Weights::Load(folder_.path, layout_, *device_, dtype));
  engine_.SetWeights(0, std::move(weights));
  follows_ = false;
  return absl::OkStatus();
}

const std::shared_ptr<rollout::EngineLoop>& LoadedModel::Start() {
  loop_->Start(engine_, follows_ ? &follower_ : nullptr);
  return loop_;
}

}  // namespace temper::cli
