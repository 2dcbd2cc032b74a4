// std::thread::join has no deadline: it is called when the end has already been announced.
#include "base/thread.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "base/log.h"
#include "base/mutex.h"

namespace temper {

struct Thread::Progress {
  Mutex mutex;
  bool ended ABSL_GUARDED_BY(mutex) = false;
};

Thread::Thread() = default;

Thread::Thread(std::string name, std::function<void()> body)
    : name_(std::move(name)), progress_(std::make_shared<Progress>()) {
  thread_ = std::thread([name = name_, progress = progress_, body = std::move(body)]() mutable {
    const ThreadName named(std::move(name));
    body();
    body = nullptr;  // what it holds goes before the end is told
    MutexLock lock(progress->mutex);
    progress->ended = true;
    progress->mutex.Changed();
  });
}

Thread::Thread(Thread&&) noexcept = default;

Thread& Thread::operator=(Thread&& other) noexcept {
  TEMPER_CHECK(!joinable());
  name_ = std::move(other.name_);
  progress_ = std::move(other.progress_);
  thread_ = std::move(other.thread_);
  return *this;
}

Thread::~Thread() { TEMPER_CHECK(!joinable()); }

void Thread::Join(absl::Duration timeout, WaitPolicy policy) {
  TEMPER_CHECK(joinable());
  TEMPER_CHECK(policy == WaitPolicy::kFail || policy == WaitPolicy::kRetry);
  const std::string what = absl::StrCat("the end of thread \"", name_, "\"");
  const Wait wait =
      policy == WaitPolicy::kFail ? Wait::OrFail(what, timeout) : Wait::OrRetry(what, timeout);
  {
    MutexLock lock(progress_->mutex);
    const auto ended = [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(progress_->mutex) {
      return progress_->ended;
    };
    while (!progress_->mutex.Await(wait, ended)) {
      log::Warning("a thread does not end",
                   {{"thread", name_}, {"waited", absl::FormatDuration(timeout)}});
      TEMPER_CHECK(policy != WaitPolicy::kFail);
    }
  }
  thread_.join();
}

}  // namespace temper
