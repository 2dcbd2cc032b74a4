// The thread of one run's trainer: takes what callbacks enqueued, one piece of work after another.
//
// The thread alone trains. Push() and what reads the versions published may be called from any
// thread; the latter never wait for a step in progress.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/bounded_queue.h"
#include "base/file.h"
#include "base/mutex.h"
#include "base/thread.h"
#include "policy/learner/trainer.h"

namespace temper::learner {

class TrainerLoop {
 public:
  // Called once, on the loop's thread; null: the loop was stopped first.
  using Work = std::function<void(Trainer*)>;

  explicit TrainerLoop(std::unique_ptr<Trainer> trainer);
  ~TrainerLoop() { Stop(); }

  // When refused, `work` is not called. RESOURCE_EXHAUSTED: the line is full. UNAVAILABLE: stopped.
  absl::Status Push(Work work);

  // What the run's weights are now, and of a version its bytes and its file, as WeightStore says.
  // UNAVAILABLE: stopped.
  absl::StatusOr<Manifest> Newest() const ABSL_LOCKS_EXCLUDED(mutex_);
  absl::StatusOr<MappedFile> Map(int64_t version) const ABSL_LOCKS_EXCLUDED(mutex_);
  absl::StatusOr<std::string> AskForFile(int64_t version) ABSL_LOCKS_EXCLUDED(mutex_);

  // Lets the work in progress end, hands null to what waits, and frees the trainer with the
  // versions it has published. Called by one thread.
  void Stop() ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  void Run();

  BoundedQueue<Work> queue_;
  std::unique_ptr<Trainer> trainer_;  // the thread's, until it has ended
  mutable Mutex mutex_;
  WeightStore* store_ ABSL_GUARDED_BY(mutex_);  // null: stopped
  Thread thread_;
};

}  // namespace temper::learner
