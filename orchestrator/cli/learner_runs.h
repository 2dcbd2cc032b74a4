// The runs of one learner: a trainer and its thread for each.
#pragma once

#include <atomic>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "orchestrator/cli/assigned_runs.h"
#include "policy/learner/service.h"

namespace temper::cli {

class LearnerRuns final : public RunHost {
 public:
  ~LearnerRuns() override;

  // Outlives the service that looks runs up in it.
  const learner::TrainerDirectory& directory() const { return directory_; }
  // Where this learner serves; goes into every manifest. Set before the first Open().
  void set_address(const std::string& address) { address_ = address; }

  void Expect(const std::vector<std::string>& runs) override { directory_.Expect(runs); }
  // Loads the newest checkpoint of the run folder, or the model's own weights.
  absl::Status Open(const v1::Assignment& assignment) override;
  // Waits for a training step in progress; its answer is still sent.
  void Close(const std::string& run) override;
  int64_t progress() const override { return progress_.load(std::memory_order_relaxed); }

 private:
  std::string address_;
  std::atomic<int64_t> progress_{0};  // of all trainers, which it outlives
  learner::TrainerDirectory directory_;
};

}  // namespace temper::cli
