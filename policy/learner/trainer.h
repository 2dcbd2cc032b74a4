// Owns the weights and the optimiser, and turns one batch after the other into new versions.
//
// The semantics are LearnerService's: idempotent by step, nothing changed on refusal, a restart
// resumes bit for bit from the newest whole checkpoint. One loop thread calls it; store() may be
// asked from any thread.
//
// On a GPU the values it trains are what workers open: no copy is made of a version, on the device or
// on the host, but for a checkpoint, a reference, or a worker that must have a file.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "kernels/device.h"
#include "policy/learner/checkpoint.h"
#include "policy/learner/gradient_pass.h"
#include "policy/learner/optimizer.h"
#include "policy/learner/weight_store.h"
#include "policy/model/chat/prompt_encoder.h"
#include "policy/model/device_floats.h"
#include "policy/model/folder/model_folder.h"
#include "policy/model/hybrid_model.h"
#include "policy/model/weights.h"
#include "temper/v1/learner.pb.h"

namespace temper::learner {

class Trainer {
 public:
  struct Options {
    std::string run;  // its name: goes into every manifest
    std::string run_dir;
    std::string model_dir;                // config, tokenizer and the weights of version 0
    std::string learner_address;          // goes into every manifest
    std::string shared_dir = "/dev/shm";  // where versions are published
    std::string device = "auto";          // kernels::DeviceChoice
    int threads = 0;                      // of a CPU; 0: one per core
    kernels::Dtype dtype = kernels::Dtype::kFloat32;  // of packed matrices
  };

  // Loads the newest whole checkpoint of the run, or version 0, and publishes it. `progress` counts
  // units of work and must outlive the trainer.
  static absl::StatusOr<std::unique_ptr<Trainer>> Open(const Options& options,
                                                       std::atomic<int64_t>& progress);

  absl::StatusOr<temper::v1::TrainResponse> Train(const temper::v1::TrainRequest& request);
  absl::StatusOr<temper::v1::SaveCheckpointResponse> SaveCheckpoint(
      const temper::v1::SaveCheckpointRequest& request);

  // Makes sure that the version's file is in the store. NOT_FOUND: another version is held.
  absl::Status MakeFile(int64_t version);

  int64_t version() const { return record_.version; }
  WeightStore& store() { return *store_; }

 private:
  Trainer(const Options& options, model::ModelFolder folder, model::FolderWords words,
          std::unique_ptr<kernels::Device> device, std::atomic<int64_t>& progress);
  absl::Status Load();
  // Refuses a step that is not the next; the recorded answer when it was the last.
  absl::StatusOr<std::optional<temper::v1::TrainResponse>> Recorded(
      const temper::v1::TrainRequest& request, const std::string& digest);
  // The answer for the version held, which is published if it is not yet.
  absl::StatusOr<temper::v1::TrainResponse> Answer();
  absl::StatusOr<Manifest> Publish();
  // Lets other processes open the values, where they are a GPU's.
  void ShareValues();
  // Where the values are a GPU's: says whose they are from here on (policy/model/shared_values.h).
  void MarkValues(int64_t version);
  absl::StatusOr<temper::v1::TrainMetrics> Update(const temper::v1::TrainRequest& request);
  // The gradient of the batch, in gradients_, and its figures; refuses what the model is not for.
  absl::StatusOr<temper::v1::TrainMetrics> TokenGradient(const temper::v1::TrainRequest& request);
  absl::StatusOr<temper::v1::TrainMetrics> PreferenceGradient(
      const temper::v1::TrainRequest& request);
  absl::StatusOr<std::vector<Sequence>> Sequences(const temper::v1::TrainRequest& request) const;
  // Makes the update from gradients_; fills in what became of it.
  void Step(const temper::v1::TrainRequest& request, const AdamW& adamw,
            temper::v1::TrainMetrics& metrics);
  // Makes sure that a reference is on disk and, when `needed`, in memory.
  absl::Status EnsureReference(bool needed);

  const Options options_;
  const model::ModelFolder folder_;
  const model::FolderWords words_;
  const model::PromptEncoder encoder_;
  const model::ParameterLayout layout_;
  const std::unique_ptr<kernels::Device> device_;
  CheckpointFolder checkpoints_;
  CheckpointFolder references_;
  std::unique_ptr<WeightStore> store_;
  std::atomic<int64_t>& progress_;

  CheckpointRecord record_;  // of the version held
  model::DeviceFloats values_, gradients_;
  std::string values_handle_;    // by which others open values_; "": they cannot
  int64_t marked_version_ = -1;  // as MarkValues wrote it last
  Optimizer optimizer_;
  model::HybridModel model_;
  std::unique_ptr<model::Weights> weights_;  // packed from values_
  bool reference_on_disk_ = false;
  std::vector<float> reference_values_;  // what reference_ reads where it lies; empty: nothing
  std::unique_ptr<model::Weights> reference_;  // may be null
};

}  // namespace temper::learner
