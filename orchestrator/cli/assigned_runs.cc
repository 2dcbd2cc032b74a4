// Closes what must go and opens what is missing, whenever the list or a run has changed.
#include "orchestrator/cli/assigned_runs.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/log.h"

namespace temper::cli {
namespace {

// The longest pause between two tries to open a run.
constexpr absl::Duration kRetryPauseMax = absl::Seconds(30);
// How long the thread sleeps when nobody wakes it.
constexpr absl::Duration kIdleWait = absl::Seconds(1);

bool Same(const v1::Assignment& a, const v1::Assignment& b) {
  return a.SerializeAsString() == b.SerializeAsString();  // has no maps: one text for one value
}

}  // namespace

AssignedRuns::AssignedRuns(RunHost& host, int runs_max) : host_(host), runs_max_(runs_max) {
  thread_ = Thread("runs", [this] { Work(); });
}

AssignedRuns::~AssignedRuns() {
  {
    MutexLock lock(mutex_);
    ending_ = true;
    wanted_.clear();
    changed_ = true;
    mutex_.Changed();
  }
  thread_.Join(kLoopEnd, WaitPolicy::kRetry);  // loading a model may take long
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
    if (run.state == State::kOpen) beat.add_ready(name);
    if (run.failure.has_value()) (*beat.mutable_failed())[name] = run.failure->reason;
  }
}

bool AssignedRuns::AwaitNews(absl::Duration timeout) {
  MutexLock lock(mutex_);
  return mutex_.Await(Wait::ForWork("news of runs", timeout),
                      [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return news_; });
}

bool AssignedRuns::none() const {
  MutexLock lock(mutex_);
  return wanted_.empty() && runs_.empty();
}

bool AssignedRuns::IsWanted(const v1::Assignment& assignment) const {
  return std::ranges::any_of(
      wanted_, [&](const v1::Assignment& wanted) { return Same(wanted, assignment); });
}

bool AssignedRuns::HasRoom() const {
  return std::ranges::count_if(
             runs_, [](const auto& run) { return run.second.state != State::kFailed; }) < runs_max_;
}

bool AssignedRuns::IsClosing() const {
  return std::ranges::any_of(runs_,
                             [](const auto& run) { return run.second.state == State::kClosing; });
}

void AssignedRuns::Work() {
  MutexLock lock(mutex_);
  while (!ending_ || !runs_.empty()) {
    mutex_.Await(Wait::ForWork("a new list of runs", UntilNextTry()),
                 [this]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_) { return changed_; });
    changed_ = false;
    Advance();
  }
}

void AssignedRuns::Advance() {
  DropUnwanted();
  const absl::Duration now = clock_.Uptime();
  for (const v1::Assignment& wanted : wanted_) {
    const auto known = runs_.find(wanted.run());
    const bool due = known == runs_.end() ||
                     (known->second.state == State::kFailed && known->second.failure->again <= now);
    if (due && (HasRoom() || !IsClosing())) StartOpening(wanted);
  }
}

void AssignedRuns::DropUnwanted() {
  for (auto run = runs_.begin(); run != runs_.end();) {
    const std::string& name = run->first;
    Run& known = run->second;
    const bool wanted = IsWanted(known.assignment);
    if (known.state == State::kOpen && !wanted) {
      known.thread.Join(kLoopEnd, WaitPolicy::kFail);  // has nothing left to do
      known.state = State::kClosing;
      known.thread = Thread("close", [this, name] { Close(name); });
      news_ = true;
      mutex_.Changed();
    }
    if (known.state == State::kClosed || (known.state == State::kFailed && !wanted)) {
      if (known.thread.joinable()) known.thread.Join(kLoopEnd, WaitPolicy::kFail);
      run = runs_.erase(run);
    } else {
      ++run;
    }
  }
}

void AssignedRuns::StartOpening(const v1::Assignment& wanted) {
  const bool room = HasRoom();
  Run& run = runs_[wanted.run()];
  if (run.thread.joinable()) run.thread.Join(kLoopEnd, WaitPolicy::kFail);  // of the last try
  run.assignment = wanted;
  run.state = State::kOpening;
  if (!room) {
    return Opened(
        run, absl::ResourceExhaustedError(absl::StrCat("this worker has ", runs_max_,
                                                       " runs open and takes no more (--runs)")));
  }
  run.thread = Thread("open", [this, wanted] { Open(wanted); });
}

absl::Duration AssignedRuns::UntilNextTry() const {
  const absl::Duration now = clock_.Uptime();
  absl::Duration wait = kIdleWait;
  for (const auto& [name, run] : runs_) {
    if (run.state == State::kFailed) wait = std::min(wait, run.failure->again - now);
  }
  return std::max(wait, absl::Milliseconds(1));
}

void AssignedRuns::Open(const v1::Assignment& assignment) {
  const std::string& name = assignment.run();
  log::Info("opening a run", {{"run", name}});
  const absl::Duration start = clock_.Uptime();
  const absl::Status opened = host_.Open(assignment);
  if (opened.ok()) {
    log::Info("a run is open",
              {{"run", name}, {"seconds", absl::ToDoubleSeconds(clock_.Uptime() - start)}});
  }
  MutexLock lock(mutex_);
  Opened(runs_.at(name), opened);
}

void AssignedRuns::Opened(Run& run, const absl::Status& status) {
  if (status.ok()) {
    run.state = State::kOpen;
    run.failure.reset();
  } else {
    log::Error("a run cannot be opened",
               {{"run", run.assignment.run()}, {"error", status.ToString()}});
    run.state = State::kFailed;
    if (!run.failure.has_value()) run.failure.emplace(Failure{"", Backoff(kRetryPauseMax), {}});
    run.failure->reason = std::string(status.message());
    run.failure->again = clock_.Uptime() + run.failure->backoff.Next();
  }
  news_ = true;
  changed_ = true;
  mutex_.Changed();
}

void AssignedRuns::Close(const std::string& name) {
  host_.Close(name);
  log::Info("a run is closed", {{"run", name}});
  MutexLock lock(mutex_);
  runs_.at(name).state = State::kClosed;
  for (auto& [other, run] : runs_) {  // there is room for what failed
    if (run.state == State::kFailed) run.failure->again = absl::ZeroDuration();
  }
  changed_ = true;
  mutex_.Changed();
}

}  // namespace temper::cli
