// Opens a trainer for each run.
#include "orchestrator/cli/learner_runs.h"

#include <memory>
#include <utility>

#include "base/status_macros.h"
#include "policy/learner/trainer.h"
#include "policy/model/weights.h"

namespace temper::cli {

LearnerRuns::~LearnerRuns() {
  for (const std::string& run : directory_.names()) Close(run);
}

absl::Status LearnerRuns::Open(const v1::Assignment& assignment) {
  TEMPER_ASSIGN_OR_RETURN(const kernels::Dtype dtype, model::ParseDtype(assignment.dtype()));
  TEMPER_ASSIGN_OR_RETURN(std::unique_ptr<learner::Trainer> trainer,
                          learner::Trainer::Open({.run = assignment.run(),
                                                  .run_dir = assignment.run_dir(),
                                                  .model_dir = assignment.model_dir(),
                                                  .learner_address = address_,
                                                  .device = assignment.device(),
                                                  .threads = assignment.fleet().learner_threads(),
                                                  .dtype = dtype},
                                                 progress_));
  directory_.Open(assignment.run(), std::make_shared<learner::TrainerLoop>(std::move(trainer)));
  return absl::OkStatus();
}

void LearnerRuns::Close(const std::string& run) {
  const std::shared_ptr<learner::TrainerLoop> loop = directory_.Close(run);
  if (loop != nullptr) loop->Stop();
}

}  // namespace temper::cli
