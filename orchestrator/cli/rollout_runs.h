// The runs of one rollout worker: a model, an engine and its thread for each.
//
// Runs share nothing but the machine: what is sampled for one is the same whether others are open
// beside it or not.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "base/mutex.h"
#include "kernels/open_device.h"
#include "kernels/shapes.h"
#include "orchestrator/cli/assigned_runs.h"
#include "rollout/service.h"

namespace temper::cli {

class LoadedModel;  // everything that computes for one run

class RolloutRuns final : public RunHost {
 public:
  // runs_max: among which the memory for sequence states is shared.
  explicit RolloutRuns(int runs_max);
  ~RolloutRuns() override;

  // Outlives the service that looks runs up in it.
  const rollout::EngineDirectory& directory() const { return directory_; }

  // A folder's own weights as version 0 of a run without a name, which takes no other versions.
  // dtype: how matrices are packed; absent: as the folder has them.
  absl::Status OpenAlone(const std::string& model_dir, const kernels::DeviceChoice& device,
                         std::optional<kernels::Dtype> dtype);

  void Expect(const std::vector<std::string>& runs) override { directory_.Expect(runs); }
  // The weights come with the first update.
  absl::Status Open(const v1::Assignment& assignment) override;
  void Close(const std::string& run) override;
  int64_t progress() const override;  // tokens that went through a model

 private:
  void Start(const std::string& run, std::unique_ptr<LoadedModel> model);

  const int64_t state_bytes_max_;  // of one run
  rollout::EngineDirectory directory_;
  mutable Mutex mutex_;
  std::map<std::string, std::unique_ptr<LoadedModel>> models_ ABSL_GUARDED_BY(mutex_);
  int64_t closed_progress_ ABSL_GUARDED_BY(mutex_) = 0;  // of runs that are closed
};

}  // namespace temper::cli
