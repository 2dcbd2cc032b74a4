// One task at a time, chosen anew after each: close what must go, then open what is missing.
#include "orchestrator/cli/assigned_runs.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/log.h"

namespace temper::cli {
namespace {

// The longest pause between two tries to open a run.
constexpr absl::Duration kRetryPauseMax = absl::Seconds(30);
// How long the thread sleeps when nobody wakes it.
constexpr absl::Duration kIdleWait = absl::Seconds(1);

template <class... Cases>
struct Overloaded : Cases... {
  using Cases::operator()...;
};

bool Same(const v1::Assignment& a, const v1::Assignment& b) {
  return a.SerializeAsString() == b.SerializeAsString();  // has no maps: one text for one value
}

}  // namespace

AssignedRuns::AssignedRuns(RunHost& host, int runs_max) : host_(host), runs_max_(runs_max) {
  thread_ = std::thread([this] { Work(); });
}

AssignedRuns::~AssignedRuns() {
  {
    MutexLock lock(mutex_);
    ending_ = true;
    wanted_.clear();
    changed_ = true;
    mutex_.Changed();
  }
  thread_.join();
}

void AssignedRuns::Follow(std::vector<v1::Assignment> wanted) {
  std::vector<std::string> names;
  for (const v1::Assignment& assignment : wanted) names.push_back(assignment.run());
  host_.Expect(names);
  MutexLock lock(mutex_);
  wanted_ = std::move(wanted);
  changed_ = true;
  mutex_.Changed();
}

void AssignedRuns::Report(v1::HeartbeatRequest& beat) {
  MutexLock lock(mutex_);
  news_ = false;
  for (const auto& [name, run] : runs_) {
    if (run.open) beat.add_ready(name);
    if (run.failure.has_value()) (*beat.mutable_failed())[name] = run.failure->reason;
  }
}

bool AssignedRuns::AwaitNews(absl::Duration timeout) {
  MutexLock lock(mutex_);
  return mutex_.Await(timeout, [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return news_; });
}

bool AssignedRuns::none() const {
  MutexLock lock(mutex_);
  return wanted_.empty() && runs_.empty();
}

const v1::Assignment* AssignedRuns::Wanted(const std::string& run) const {
  for (const v1::Assignment& assignment : wanted_) {
    if (assignment.run() == run) return &assignment;
  }
  return nullptr;
}

int AssignedRuns::OpenCount() const {
  return static_cast<int>(
      std::ranges::count_if(runs_, [](const auto& run) { return run.second.open; }));
}

std::optional<AssignedRuns::Task> AssignedRuns::FindTask() {
  changed_ = false;
  for (const auto& [name, run] : runs_) {
    const v1::Assignment* const wanted = Wanted(name);
    if (run.open && (wanted == nullptr || !Same(*wanted, run.assignment))) return Close{name};
  }
  std::erase_if(runs_, [this](const auto& run) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) {
    const v1::Assignment* const wanted = Wanted(run.first);
    return wanted == nullptr || !Same(*wanted, run.second.assignment);
  });
  const absl::Time now = absl::Now();
  for (const v1::Assignment& wanted : wanted_) {
    const auto known = runs_.find(wanted.run());
    if (known == runs_.end()) return Open{wanted};
    if (known->second.failure.has_value() && known->second.failure->again <= now) {
      return Open{wanted};
    }
  }
  if (ending_) return End{};
  return std::nullopt;
}

absl::Duration AssignedRuns::UntilNextTry() const {
  const absl::Time now = absl::Now();
  absl::Duration wait = kIdleWait;
  for (const auto& [name, run] : runs_) {
    if (run.failure.has_value()) wait = std::min(wait, run.failure->again - now);
  }
  return std::max(wait, absl::Milliseconds(1));
}

AssignedRuns::Task AssignedRuns::NextTask() {
  MutexLock lock(mutex_);
  std::optional<Task> task = FindTask();
  while (!task.has_value()) {
    mutex_.Await(UntilNextTry(),
                 [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return changed_; });
    task = FindTask();
  }
  return *std::move(task);
}

void AssignedRuns::Work() {
  bool ended = false;
  while (!ended) {
    std::visit(Overloaded{[this](const Open& open) { OpenNow(open.assignment); },
                          [this](const Close& close) { CloseNow(close.run); },
                          [&ended](const End&) { ended = true; }},
               NextTask());
  }
}

void AssignedRuns::OpenNow(const v1::Assignment& assignment) {
  const std::string& name = assignment.run();
  bool room = false;
  {
    MutexLock lock(mutex_);
    room = OpenCount() < runs_max_;
  }
  const absl::Time start = absl::Now();
  log::Info("opening a run", {{"run", name}});
  const absl::Status opened =
      room ? host_.Open(assignment)
           : absl::ResourceExhaustedError(absl::StrCat("this worker has ", runs_max_,
                                                       " runs open and takes no more (--runs)"));
  if (opened.ok()) {
    log::Info("a run is open",
              {{"run", name}, {"seconds", absl::ToDoubleSeconds(absl::Now() - start)}});
  } else {
    log::Error("a run cannot be opened", {{"run", name}, {"error", opened.ToString()}});
  }
  MutexLock lock(mutex_);
  Run& run = runs_[name];
  run.assignment = assignment;
  run.open = opened.ok();
  if (opened.ok()) {
    run.failure.reset();
  } else {
    if (!run.failure.has_value()) run.failure.emplace(Failure{"", Backoff(kRetryPauseMax), {}});
    run.failure->reason = std::string(opened.message());
    run.failure->again = absl::Now() + run.failure->backoff.Next();
  }
  news_ = true;
  mutex_.Changed();
}

void AssignedRuns::CloseNow(const std::string& name) {
  {
    MutexLock lock(mutex_);
    runs_.erase(name);
    news_ = true;
    mutex_.Changed();
  }
  host_.Close(name);
  log::Info("a run is closed", {{"run", name}});
  MutexLock lock(mutex_);  // there is room for what failed
  for (auto& [other, run] : runs_) {
    if (run.failure.has_value()) run.failure->again = absl::InfinitePast();
  }
}

}  // namespace temper::cli
