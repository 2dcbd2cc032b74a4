// libcurl's multi interface, with its own wake-up for tasks of other threads.
#include "agents/endpoint/multi_loop.h"

#include <algorithm>

#include "base/check.h"
#include "base/http_rules.h"
#include "base/wait.h"

namespace temper::agents {
namespace {

constexpr absl::Duration kLook = absl::Seconds(1);  // how soon a closing is seen at the latest

CURLM* OpenMulti() {
  static const CURLcode started = curl_global_init(CURL_GLOBAL_DEFAULT);
  TEMPER_CHECK(started == CURLE_OK);
  CURLM* const multi = curl_multi_init();
  TEMPER_CHECK(multi != nullptr);
  // As many connections as endpoints allow calls; libcurl would queue beyond a limit of its own,
  // and what waits there would count against the time of a transfer.
  curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, 1024L);
  return multi;
}

}  // namespace

MultiLoop::MultiLoop(const Clock& clock, const StopToken* stop)
    : clock_(clock), stop_(stop), multi_(OpenMulti()), thread_("endpoints", [this] { Loop(); }) {}

MultiLoop::~MultiLoop() {
  {
    MutexLock lock(mutex_);
    closing_ = true;
  }
  curl_multi_wakeup(multi_);
  thread_.Join(kLoopEnd, WaitPolicy::kFail);
  curl_multi_cleanup(multi_);
}

void MultiLoop::Post(std::function<void()> task) {
  bool first = false;
  {
    MutexLock lock(mutex_);
    first = tasks_.empty();
    tasks_.push_back(std::move(task));
  }
  if (first) curl_multi_wakeup(multi_);
}

void MultiLoop::Run(std::function<void()> task) {
  Mutex mutex;
  bool ended = false;
  Post([&] {
    task();
    MutexLock lock(mutex);
    ended = true;
    mutex.Changed();
  });
  MutexLock lock(mutex);
  TEMPER_CHECK(mutex.Await(Wait::OrFail("a task of the endpoints' loop", kLoopEnd),
                           [&ended] { return ended; }));
}

MultiLoop::Timer MultiLoop::After(absl::Duration pause, std::function<void()> task) {
  const Timer timer(Now() + pause, ++last_number_);
  timers_.emplace(timer, std::move(task));
  return timer;
}

uint64_t MultiLoop::OnStop(std::function<void()> task) {
  if (stopped_) {
    task();
    return 0;
  }
  on_stop_.emplace(++last_number_, std::move(task));
  return last_number_;
}

void MultiLoop::StartTransfer(CURL* easy, std::function<void(CURLcode)> ended) {
  TEMPER_CHECK(transfers_.emplace(easy, std::move(ended)).second);
  TEMPER_CHECK(curl_multi_add_handle(multi_, easy) == CURLM_OK);
}

void MultiLoop::StopTransfer(CURL* easy) {
  if (transfers_.erase(easy) > 0) curl_multi_remove_handle(multi_, easy);
}

void MultiLoop::Loop() {
  for (;;) {
    if (!RunTasks()) return;
    RunTimers();
    MoveTransfers();
    WaitForNews();
  }
}

// False once the loop is to end.
bool MultiLoop::RunTasks() {
  if (!stopped_ && stop_ != nullptr && stop_->stopped()) {
    stopped_ = true;
    const auto tasks = std::exchange(on_stop_, {});
    for (const auto& entry : tasks) entry.second();
  }
  {
    MutexLock lock(mutex_);
    running_.swap(tasks_);
    if (closing_ && running_.empty()) return false;
  }
  for (auto& task : running_) std::exchange(task, nullptr)();
  running_.clear();
  return true;
}

void MultiLoop::RunTimers() {
  const absl::Duration now = Now();
  while (!timers_.empty() && timers_.begin()->first.first <= now) {
    const std::function<void()> task = std::move(timers_.begin()->second);
    timers_.erase(timers_.begin());
    task();
  }
}

void MultiLoop::MoveTransfers() {
  if (transfers_.empty()) return;
  int running = 0;
  TEMPER_CHECK(curl_multi_perform(multi_, &running) == CURLM_OK);
  int left = 0;
  while (CURLMsg* const message = curl_multi_info_read(multi_, &left)) {
    if (message->msg != CURLMSG_DONE) continue;
    CURL* const easy = message->easy_handle;
    const CURLcode code = message->data.result;
    const auto found = transfers_.find(easy);
    TEMPER_CHECK(found != transfers_.end());
    const std::function<void(CURLcode)> ended = std::move(found->second);
    transfers_.erase(found);
    curl_multi_remove_handle(multi_, easy);
    ended(code);
  }
}

void MultiLoop::WaitForNews() {
  absl::Duration time = kLook;
  if (!timers_.empty()) time = std::min(time, timers_.begin()->first.first - Now());
  {
    MutexLock lock(mutex_);
    if (!tasks_.empty() || closing_) time = absl::ZeroDuration();
  }
  time = std::max(time, absl::ZeroDuration());
  curl_waitfd stop{};
  if (stop_ != nullptr && !stopped_) {
    stop.fd = stop_->descriptor();
    stop.events = CURL_WAIT_POLLIN;
  }
  const Waiting waiting(Wait::ForWork("calls of endpoints", kLook));
  const auto milliseconds =
      static_cast<int>(absl::ToInt64Milliseconds(absl::Ceil(time, absl::Milliseconds(1))));
  int news = 0;
  TEMPER_CHECK(curl_multi_poll(multi_, stop.events != 0 ? &stop : nullptr, stop.events != 0 ? 1 : 0,
                               milliseconds, &news) == CURLM_OK);
}

}  // namespace temper::agents
