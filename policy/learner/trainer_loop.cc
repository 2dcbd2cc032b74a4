// Work in, one thread, an orderly end.
#include "policy/learner/trainer_loop.h"

#include <optional>
#include <utility>

#include "absl/time/time.h"

namespace temper::learner {
namespace {

// The controller is the only caller and repeats what timed out; more than this is a fault.
constexpr size_t kWaitingMax = 64;
// How long an idle thread sleeps; closing the queue wakes it.
constexpr absl::Duration kIdleWait = absl::Seconds(1);

absl::Status Stopped() {
  return absl::UnavailableError("this learner is stopping, or closes the run");
}

}  // namespace

TrainerLoop::TrainerLoop(std::unique_ptr<Trainer> trainer)
    : queue_(kWaitingMax), trainer_(std::move(trainer)), store_(&trainer_->store()) {
  thread_ = Thread("trainer", [this] { Run(); });
}

absl::Status TrainerLoop::Push(Work work) {
  if (queue_.TryPush(std::move(work))) return absl::OkStatus();
  if (queue_.closed()) return Stopped();
  return absl::ResourceExhaustedError("too many calls wait for the learner");
}

absl::StatusOr<Manifest> TrainerLoop::Newest() const {
  MutexLock lock(mutex_);
  if (store_ == nullptr) return Stopped();
  return store_->newest();
}

absl::StatusOr<MappedFile> TrainerLoop::Map(int64_t version) const {
  MutexLock lock(mutex_);
  if (store_ == nullptr) return Stopped();
  return store_->Map(version);
}

absl::StatusOr<std::string> TrainerLoop::AskForFile(int64_t version) {
  MutexLock lock(mutex_);
  if (store_ == nullptr) return Stopped();
  return store_->AskForFile(version);
}

void TrainerLoop::Run() {
  while (!queue_.closed()) {
    std::optional<Work> work = queue_.Pop(Wait::ForWork("a call", kIdleWait));
    if (!work.has_value()) continue;
    (*work)(queue_.closed() ? nullptr : trainer_.get());
  }
  while (std::optional<Work> work = queue_.TryPop()) (*work)(nullptr);
}

void TrainerLoop::Stop() {
  queue_.Close();
  // A step under way may take long.
  if (thread_.joinable()) thread_.Join(kLoopEnd, WaitPolicy::kRetry);
  {
    MutexLock lock(mutex_);
    store_ = nullptr;
  }
  trainer_.reset();
}

}  // namespace temper::learner
