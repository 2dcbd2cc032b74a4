// A model folder with an engine and its thread: everything that computes for one model.
//
// One thread opens, loads and starts it; from then on the loop is asked, from any.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "kernels/open_device.h"
#include "policy/model/chat/prompt_encoder.h"
#include "policy/model/folder/model_folder.h"
#include "policy/model/parameters.h"
#include "rollout/engine/engine.h"
#include "rollout/engine_loop.h"
#include "rollout/weight_follower.h"

namespace temper::cli {

// Groups of one model that may wait; more are refused and come again.
inline constexpr int64_t kWaitingGroupsMax = 1024;

// For one model's sequence states: all models together half of the memory, one alone a quarter and
// at most 4 GiB, for several workers and a learner may share the machine.
int64_t StateBytesMax(int models_max);

class LoadedModel {
 public:
  // Everything but the weights.
  static absl::StatusOr<std::unique_ptr<LoadedModel>> Open(const std::string& path,
                                                           const kernels::DeviceChoice& device,
                                                           const rollout::Engine::Options& options);
  ~LoadedModel();

  // The folder's own weights are version 0, and there is no other. dtype: how matrices are packed;
  // absent: as the folder has them.
  absl::Status LoadOwnWeights(std::optional<kernels::Dtype> dtype);

  const std::shared_ptr<rollout::EngineLoop>& Start();
  int64_t progress() const { return loop_->progress().load(); }

  const model::ModelFolder& folder() const { return folder_; }
  kernels::Device& device() const { return *device_; }
  const model::ChatTemplate* chat() const { return words_.chat ? &*words_.chat : nullptr; }
  const std::vector<std::string>& added_tokens() const { return words_.added_tokens; }

 private:
  LoadedModel(model::ModelFolder folder, model::FolderWords words,
              std::unique_ptr<kernels::Device> device, const rollout::Engine::Options& options);

  const model::ModelFolder folder_;
  const model::FolderWords words_;
  const model::ParameterLayout layout_;
  const std::unique_ptr<kernels::Device> device_;
  rollout::Engine engine_;
  const rollout::WeightFollower follower_;
  const std::shared_ptr<rollout::EngineLoop> loop_;  // callers hold it a moment longer
  bool follows_ = true;                              // takes other versions
};

}  // namespace temper::cli
