// Draws what is missing, scores it, keeps it.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "base/bounded_queue.h"
#include "base/stop.h"
#include "orchestrator/cli/sample_source.h"
#include "orchestrator/eval/sample.h"
#include "orchestrator/eval/sample_store.h"
#include "orchestrator/eval/task.h"
#include "reward/scorer.h"
#include "temper/v1/run_spec.pb.h"

namespace temper::cli {

// The parts are borrowed; used on one thread. The source draws on a thread of its own, the scorer
// judges on its own, and both hand over to this one, which alone writes.
class EvalRun {
 public:
  struct Parts {
    const std::vector<eval::Task>& tasks;
    const eval::Asking& asking;
    const Drawing& drawing;
    int samples = 1;                   // of each task
    const temper::v1::Rubric& rubric;  // its first part decides; "loose" may follow
    // The final answer of a response, for votes; null: there are none.
    std::function<std::optional<std::string>(const std::string& response)> final_answer;
    SampleSource& source;
    reward::Scorer& scorer;
    eval::SampleStore* store = nullptr;  // null: nothing is kept
    const StopToken& stop;
  };
  // After every sample: how many are done (right ones, errors) of how many.
  using Watch = std::function<void(int64_t done, int64_t right, int64_t errors, int64_t all)>;

  explicit EvalRun(const Parts& parts);

  // INVALID_ARGUMENT, before anything is drawn: a task that the verifier cannot judge.
  absl::Status CheckTasks() const;

  // Goes on from what the store has. Fails when the source or the disk does, or when stopped.
  absl::Status Run(const Watch& watch);

  // One for each (task, index) that came so far, without its texts.
  const std::vector<eval::Sample>& samples() const { return samples_; }

 private:
  struct Event {
    std::optional<Drawn> drawn;
    size_t slot = 0;  // of a result
    temper::v1::ScoreResult result;
    bool source_ended = false;
  };

  temper::v1::ScoreItem ItemFor(const eval::Task& task, const eval::Sample& sample) const;
  void TakeOver();
  void Reuse(size_t task, eval::Sample sample);
  void Count(size_t slot);
  void Take(Drawn drawn);
  absl::Status Score(size_t slot);
  absl::Status ScoreWaiting();
  void Fill(const temper::v1::ScoreResult& result, eval::Sample& sample) const;
  absl::Status Finish(size_t slot);
  absl::Status Handle(Event event);

  const Parts parts_;
  std::vector<SampleJob> jobs_;
  std::vector<size_t> job_tasks_;      // which task a job is of
  std::vector<eval::Sample> samples_;  // by slot
  std::vector<size_t> slot_tasks_;     // which task a slot is of
  std::vector<size_t> waiting_;        // slots that the scorer has no room for yet
  std::shared_ptr<BoundedQueue<Event>> events_;
  int64_t inside_ = 0;  // in the scorer
  int64_t done_ = 0, right_ = 0, errors_ = 0;
};

}  // namespace temper::cli
