// What is recorded when a step with an environment is complete.
#include <utility>

#include "absl/strings/str_cat.h"
#include "orchestrator/graph_step.h"
#include "orchestrator/run_state.h"
#include "orchestrator/train_options.h"

namespace temper::orchestrator {

// In one transaction with the batch: what is left out, and the figures. Samples that are left out
// are recorded as dropped, so a later start does not work them out again.
void RunCore::State::FixGraphBatch() {
  absl::StatusOr<GraphStep> step = ConcludeStep(*gathering_.environment(), gathering_.groups());
  if (!step.ok()) return board_.Fail(std::string(step.status().message()));
  if (step->entries.empty()) {
    return board_.Fail(
        absl::StrCat(board_.StepName(),
                     ": no group of a role that learns is left; the notes of the run say "
                     "why"));
  }
  step_ = std::move(step->metrics);
  MeasureTimes();
  batch_fixed_ = true;
  board_.Record(FixBatch{.step = board_.version,
                         .options = TrainOptionsAt(board_.spec, board_.version),
                         .entries = std::move(step->entries)});
  for (DropGroup& group : step->left_out) board_.Record(std::move(group));
  board_.Record(RecordMeasured{step_});
}

}  // namespace temper::orchestrator
