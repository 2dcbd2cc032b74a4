// A list a thread, under a lock that nobody but a reader of all lists ever contends for.
#include "base/wait.h"

#include <pthread.h>

#include <algorithm>
#include <array>
#include <memory>
#include <mutex>

#include "absl/time/clock.h"
#include "base/check.h"
#include "base/clock.h"

namespace temper {
namespace {

struct Board {
  std::mutex mutex;
  std::vector<std::unique_ptr<ThreadWaits>> threads;
};

Board& TheBoard() {
  static Board* const board = new Board;  // threads may outlive static objects
  return *board;
}

std::string NameOfThisThread() {
  std::array<char, 16> name{};
  pthread_getname_np(pthread_self(), name.data(), name.size());
  return name.data();
}

// The operating system keeps 15 characters.
void SetSystemName(const std::string& name) {
  pthread_setname_np(pthread_self(), name.substr(0, 15).c_str());
}

thread_local ThreadWaits* mine = nullptr;

}  // namespace

struct ThreadWaits {
  static ThreadWaits& Mine() {
    if (mine == nullptr) Join();
    return *mine;
  }

  void Add(Waiting& waiting) {
    const std::lock_guard<std::mutex> lock(mutex);
    waiting.outer_ = newest;
    newest = &waiting;
  }

  void Remove(Waiting& waiting) {
    const std::lock_guard<std::mutex> lock(mutex);
    Waiting** link = &newest;
    while (*link != &waiting) {
      TEMPER_CHECK(*link != nullptr);  // of another thread
      link = &(*link)->outer_;
    }
    *link = waiting.outer_;
  }

  void Report(absl::Duration older_than, absl::Duration now, std::vector<WaitReport>& reports) {
    const std::lock_guard<std::mutex> lock(mutex);
    for (const Waiting* each = newest; each != nullptr; each = each->outer_) {
      const Wait& wait = each->wait_;
      if (now - each->began_ < older_than) continue;
      reports.push_back({.name = wait.name().text(),
                         .owner = owner,
                         .run = run,
                         .age = now - each->began_,
                         .timeout = wait.timeout(),
                         .policy = wait.policy()});
    }
  }

  std::mutex mutex;
  std::string owner;
  std::string run;
  Waiting* newest = nullptr;

 private:
  static void Join();
};

namespace {

struct LeaveAtThreadEnd {
  ~LeaveAtThreadEnd() {
    Board& board = TheBoard();
    const std::lock_guard<std::mutex> lock(board.mutex);
    std::erase_if(board.threads, [](const auto& each) { return each.get() == mine; });
    mine = nullptr;
  }
};

}  // namespace

void ThreadWaits::Join() {
  thread_local const LeaveAtThreadEnd leave;
  auto joining = std::make_unique<ThreadWaits>();
  joining->owner = NameOfThisThread();
  mine = joining.get();
  Board& board = TheBoard();
  const std::lock_guard<std::mutex> lock(board.mutex);
  board.threads.push_back(std::move(joining));
}

Wait::Wait(WaitName name, absl::Duration timeout, WaitPolicy policy)
    : name_(std::move(name)), timeout_(timeout), policy_(policy) {
  TEMPER_CHECK(timeout < absl::InfiniteDuration());  // every wait has a deadline
}

Waiting::Waiting(Wait wait)
    : wait_(std::move(wait)), thread_(ThreadWaits::Mine()), began_(WaitClockNow()) {
  thread_.Add(*this);
}

Waiting::~Waiting() { thread_.Remove(*this); }

absl::Duration Waiting::left() const {
  return std::max(absl::ZeroDuration(), wait_.timeout() - (WaitClockNow() - began_));
}

bool Waiting::Nap(absl::Duration pause) const {
  const absl::Duration left = this->left();
  absl::SleepFor(std::min(pause, left));
  return left > absl::ZeroDuration();
}

void Sleep(Wait wait) {
  const absl::Duration whole = wait.timeout();
  const Waiting waiting(std::move(wait));
  waiting.Nap(whole);
}

ThreadName::ThreadName(std::string name, std::string run) {
  SetSystemName(name);
  ThreadWaits& mine = ThreadWaits::Mine();
  const std::lock_guard<std::mutex> lock(mine.mutex);
  name_before_ = std::exchange(mine.owner, std::move(name));
  run_before_ = std::exchange(mine.run, std::move(run));
}

ThreadName::~ThreadName() {
  SetSystemName(name_before_);
  ThreadWaits& mine = ThreadWaits::Mine();
  const std::lock_guard<std::mutex> lock(mine.mutex);
  mine.owner = std::move(name_before_);
  mine.run = std::move(run_before_);
}

absl::Duration WaitClockNow() { return SystemClock().Uptime(); }

std::vector<WaitReport> CurrentWaits(absl::Duration older_than, absl::Duration now) {
  std::vector<WaitReport> reports;
  Board& board = TheBoard();
  {
    const std::lock_guard<std::mutex> lock(board.mutex);
    for (const auto& thread : board.threads) thread->Report(older_than, now, reports);
  }
  std::stable_sort(reports.begin(), reports.end(),
                   [](const WaitReport& a, const WaitReport& b) { return a.age > b.age; });
  return reports;
}

}  // namespace temper
