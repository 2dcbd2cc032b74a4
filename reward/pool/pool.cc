// One poll over all sockets; decisions are made from what the kernel says about each process.
#include "reward/pool/pool.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include <algorithm>
#include <cstring>
#include <iterator>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/blocking.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/log.h"
#include "base/status_macros.h"
#include "reward/pool/worker.h"
#include "temper/v1/reward.pb.h"

extern char** environ;

namespace temper::reward {
namespace {

constexpr size_t kBatchUnitsMax = 32;
constexpr size_t kBatchBytesMax = 1 << 20;
constexpr int kHostStartsMax = 5;  // in a row without a single worker
// What computes beside its lane gets little processor time on a busy machine, so only this bounds
// how long it may take in all.
constexpr absl::Duration kBackstop = absl::Minutes(20);
// It takes 4 s where verifiers must be killed, and more on a busy machine.
constexpr absl::Duration kHostEnd = absl::Seconds(30);

absl::Duration Uptime() { return SystemClock().Uptime(); }

size_t BytesOf(const Unit& unit) {
  return unit.item->response().size() + unit.item->metadata_json().size() +
         unit.item->prompt().size() + unit.item->answer().size();
}

std::string HowItEnded(int status) {
  if (WIFSIGNALED(status)) {
    return absl::StrCat("its process died of signal ", WTERMSIG(status), " (",
                        strsignal(WTERMSIG(status)), ")");
  }
  return absl::StrCat("its process ended with code ", WEXITSTATUS(status));
}

size_t LaneIndex(const Unit& unit) { return unit.parts->lane == Lane::kSandbox ? 1 : 0; }

}  // namespace

Pool::Pool(Options options, Deliver deliver)
    : options_(std::move(options)), deliver_(std::move(deliver)) {}

Pool::~Pool() {
  for (const auto& process : processes_) {
    if (process->busy()) process->Kill();
  }
  processes_.clear();  // the idle ones see their sockets close, and leave in order
  starting_.clear();
  host_.Close();
  if (host_pid_ <= 0) return;
  if (AwaitChild(Wait::OrDrop("the end of the verifier host", kHostEnd), host_pid_)) return;
  log::Error("the verifier host does not end; killing it", {{"pid", host_pid_}});
  KillHost();
}

void Pool::Add(Unit unit) {
  ++inside_;
  waiting_[LaneIndex(unit)].push_back(std::move(unit));
}

absl::Status Pool::StartHost() {
  if (host_) return absl::OkStatus();
  if (++host_starts_ > kHostStartsMax) {
    return absl::InternalError(absl::StrCat(options_.host_command.front(),
                                            ": the verifier host ended ", kHostStartsMax,
                                            " times before it had started a worker"));
  }
  int ends[2];
  if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) {
    return ErrnoStatus("verifier host", "making a socket");
  }
  UniqueFd ours(ends[0]);
  const UniqueFd theirs(ends[1]);
  fcntl(ours.get(), F_SETFL, O_NONBLOCK);
  std::vector<char*> arguments;
  for (const std::string& word : options_.host_command) {
    arguments.push_back(const_cast<char*>(word.c_str()));
  }
  arguments.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, theirs.get(), kHostDescriptor);
  const int failed =
      posix_spawnp(&host_pid_, arguments[0], &actions, nullptr, arguments.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  if (failed != 0) {
    host_pid_ = -1;
    return absl::InternalError(
        absl::StrCat("starting the verifier host ", arguments[0], ": ", std::strerror(failed)));
  }
  host_ = std::move(ours);
  return absl::OkStatus();
}

int Pool::Count(Place place) const {
  return static_cast<int>(std::count_if(processes_.begin(), processes_.end(),
                                        [&](const auto& each) { return each->place == place; }));
}

int Pool::Count(Place place, Lane lane) const {
  return static_cast<int>(
      std::count_if(processes_.begin(), processes_.end(), [&](const auto& each) {
        return each->place == place && each->busy() && each->current().parts->lane == lane;
      }));
}

// Spares stand ready, so that a place that becomes free is filled at once.
void Pool::AskForProcesses(size_t wanted) {
  if (Uptime() < ask_after_) return;
  const size_t ready = starting_.size() + static_cast<size_t>(Count(Place::kIdle));
  const size_t spares = static_cast<size_t>(options_.compute_processes);
  for (size_t i = ready; i < wanted + spares; ++i) {
    int ends[2];
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) return;
    UniqueFd ours(ends[0]);
    const UniqueFd theirs(ends[1]);
    if (!SendHostMessage(host_.get(), {HostMessage::Kind::kFork}, theirs.get())) return;
    starting_.push_back(std::move(ours));
  }
}

// The next units of a lane that one process takes together.
std::deque<Unit> Pool::TakeBatch(Lane lane) {
  std::deque<Unit>& line = waiting_[lane == Lane::kSandbox ? 1 : 0];
  std::deque<Unit> batch;
  const size_t share = line.size() / static_cast<size_t>(2 * options_.compute_processes);
  const size_t units_max =
      lane == Lane::kSandbox ? 1 : std::clamp<size_t>(share, 1, kBatchUnitsMax);
  size_t bytes = 0;
  while (!line.empty() && batch.size() < units_max &&
         (batch.empty() || (line.front().parts == batch.front().parts && bytes < kBatchBytesMax))) {
    bytes += BytesOf(line.front());
    batch.push_back(std::move(line.front()));
    line.pop_front();
  }
  return batch;
}

void Pool::Dispatch() {
  struct Opening {
    Place place;
    Lane lane;
  };
  std::deque<Opening> openings;
  const auto open = [&](Place place, Lane lane, int places, size_t waiting) {
    for (int i = 0; i < std::min(places, static_cast<int>(waiting)); ++i) {
      openings.push_back({place, lane});
    }
  };
  open(Place::kLane, Lane::kCompute,
       options_.compute_processes - Count(Place::kLane, Lane::kCompute), waiting_[0].size());
  open(Place::kLane, Lane::kSandbox,
       options_.sandbox_processes - Count(Place::kLane, Lane::kSandbox), waiting_[1].size());
  open(Place::kSlow, Lane::kCompute, options_.slow_max - Count(Place::kSlow), deferred_.size());
  if (inside_ > 0) AskForProcesses(openings.size());
  for (const auto& process : processes_) {
    if (openings.empty()) return;
    if (process->place != Place::kIdle || process->hung_up) continue;
    const Opening opening = openings.front();
    openings.pop_front();
    std::deque<Unit> batch;
    if (opening.place == Place::kSlow) {
      batch.push_back(std::move(deferred_.front()));
      deferred_.pop_front();
      process->LowerPriority();
    } else {
      batch = TakeBatch(opening.lane);
      if (batch.empty()) continue;
    }
    process->place = opening.place;
    // A process that is gone says so by its exit, which brings the units back.
    (void)process->Give(std::move(batch), Uptime());
  }
}

void Pool::Return(std::deque<Unit> units) {
  if (units.empty()) return;
  std::deque<Unit>& line = waiting_[LaneIndex(units.front())];
  line.insert(line.begin(), std::make_move_iterator(units.begin()),
              std::make_move_iterator(units.end()));
}

void Pool::Retry(Unit unit, std::string death, absl::Duration elapsed) {
  if (++unit.deaths >= options_.deaths_max) {
    GiveUp(std::move(unit), std::move(death), elapsed);
    return;
  }
  ++lost_;
  (unit.parts->lane == Lane::kCompute ? deferred_ : waiting_[1]).push_back(std::move(unit));
}

void Pool::GiveUp(Unit unit, std::string death, absl::Duration elapsed) {
  ++lost_;
  --inside_;
  deliver_({std::move(unit), nullptr, std::move(death), elapsed});
}

void Pool::KillFor(WorkerProcess& process, const std::string& why, absl::Duration now) {
  std::deque<Unit> units = process.TakeBackAll();
  process.Kill();
  Unit blamed = std::move(units.front());
  units.pop_front();
  Return(std::move(units));
  GiveUp(std::move(blamed), why, process.Elapsed(now));
}

// Makes room in the lane; what was not begun is for others.
void Pool::StepAside(WorkerProcess& process, Place place) {
  Return(process.TakeBackRest());
  const bool full = place == Place::kSlow ? Count(Place::kSlow) >= options_.slow_max
                                          : Count(Place::kAsleep) >= options_.beside_max;
  if (!full) {
    process.place = place;
    if (place == Place::kSlow) process.LowerPriority();
  } else if (place == Place::kSlow) {
    std::deque<Unit> units = process.TakeBackAll();
    process.Kill();
    deferred_.push_back(std::move(units.front()));
  }  // too many sleepers: it keeps its place in the lane
}

absl::Duration Pool::Patience() const {
  constexpr int kUsualItems = 4;
  return std::max(options_.patience, kUsualItems * usual_);
}

void Pool::WatchComputing(WorkerProcess& process, absl::Duration now) {
  const absl::Duration elapsed = process.Elapsed(now);
  const absl::Duration patience = Patience();
  if (elapsed < patience) return;
  const absl::Duration used = process.ProcessorTime();
  const absl::Duration deadline = process.current().parts->deadline;
  if (used >= deadline) {
    KillFor(process,
            absl::StrCat("no verdict after ", absl::FormatDuration(deadline), " of processor time"),
            now);
  } else if (elapsed >= kBackstop) {
    KillFor(process, absl::StrCat("no verdict after ", absl::FormatDuration(kBackstop)), now);
  } else if (process.place != Place::kSlow && used >= patience) {
    StepAside(process, Place::kSlow);
  } else if (elapsed >= 2 * patience && used < patience && process.Sleeps()) {
    if (elapsed >= options_.asleep_deadline) {
      KillFor(process,
              absl::StrCat("no verdict after sleeping for ",
                           absl::FormatDuration(options_.asleep_deadline)),
              now);
    } else if (process.place == Place::kLane) {
      StepAside(process, Place::kAsleep);
    }
  }
}

void Pool::Watch(absl::Duration now) {
  for (const auto& process : processes_) {
    if (!process->busy()) continue;
    const PartSet& parts = *process->current().parts;
    if (parts.lane == Lane::kCompute) {
      WatchComputing(*process, now);
    } else if (process->Elapsed(now) >= parts.deadline) {
      KillFor(*process, absl::StrCat("no verdict after ", absl::FormatDuration(parts.deadline)),
              now);
    }
  }
}

// How long nobody needs to be looked at.
absl::Duration Pool::TimeToWatch() const {
  if (Count(Place::kLane, Lane::kCompute) > 0) return Patience() / 2;
  for (const auto& process : processes_) {
    if (process->busy()) return absl::Milliseconds(50);
  }
  return absl::InfiniteDuration();
}

// Results that the process has sent. Once it has no more to do it is idle, or, from beside the
// lane, at its end: its priority cannot be raised again, and its memory is the item's.
void Pool::Hear(WorkerProcess& process) {
  const bool alive = process.reader().ReadFrom(process.socket());
  const absl::Duration now = Uptime();
  while (process.busy()) {
    const std::optional<std::string_view> frame = process.reader().Next();
    if (!frame.has_value()) break;
    temper::v1::ScoreResult result;
    const bool read = result.ParseFromArray(frame->data(), static_cast<int>(frame->size()));
    if (!read || result.outcome_case() == temper::v1::ScoreResult::OUTCOME_NOT_SET) {
      return KillFor(process, "its process sent what is no result", now);
    }
    const absl::Duration elapsed = process.Elapsed(now);
    --inside_;
    if (process.place == Place::kLane && process.current().parts->lane == Lane::kCompute) {
      constexpr double kShare = 0.01;
      usual_ += kShare * (std::min(elapsed, Patience()) - usual_);
    }
    deliver_({process.FinishCurrent(now), &result, "", elapsed});
  }
  if (process.place == Place::kDying) return;
  if (!process.busy() && process.place == Place::kLane) process.place = Place::kIdle;
  if (!process.busy() && process.place != Place::kIdle) process.Kill();
  if (!alive) process.hung_up = true;
}

void Pool::OnExit(pid_t pid, int status) {
  const auto found = std::find_if(processes_.begin(), processes_.end(),
                                  [&](const auto& each) { return each->pid() == pid; });
  if (found == processes_.end()) return;
  WorkerProcess& process = **found;
  if (process.busy()) Hear(process);  // what it said before it died counts
  if (process.busy()) {
    std::deque<Unit> units = process.TakeBackAll();
    if (!(WIFEXITED(status) && WEXITSTATUS(status) == kRetired)) {
      Unit blamed = std::move(units.front());
      units.pop_front();
      Retry(std::move(blamed), HowItEnded(status), process.Elapsed(Uptime()));
    }
    Return(std::move(units));
  }
  processes_.erase(std::find_if(processes_.begin(), processes_.end(),
                                [&](const auto& each) { return each->pid() == pid; }));
}

void Pool::KillHost() {
  kill(host_pid_, SIGKILL);
  (void)AwaitChild(Wait::OrDrop("the end of the killed verifier host", kHostEnd), host_pid_);
}

// The host is gone, and its workers with it; nobody is to blame.
void Pool::LoseHost() {
  log::Warning("the verifier host ended; starting another", {{"pid", host_pid_}});
  host_.Close();
  if (host_pid_ > 0) KillHost();
  for (const auto& process : processes_) {
    process->Kill();
    Return(process->TakeBackAll());
  }
  processes_.clear();
  starting_.clear();
}

void Pool::HearHost() {
  while (host_) {
    HostMessage message;
    int descriptor = -1;
    bool empty = false;
    if (!ReceiveHostMessage(host_.get(), &message, &descriptor, &empty)) return LoseHost();
    if (empty) return;
    UniqueFd pidfd(descriptor);
    if (message.kind == HostMessage::Kind::kExited) {
      OnExit(message.pid, message.status);
    } else if (message.kind == HostMessage::Kind::kStarted && !starting_.empty()) {
      UniqueFd socket = std::move(starting_.front());
      starting_.pop_front();
      if (message.pid < 0 || !pidfd) {
        log::Warning("a verifier process could not be started",
                     {{"error", std::strerror(message.status)}});
        ask_after_ = Uptime() + absl::Milliseconds(200);
        continue;
      }
      ++started_;
      host_starts_ = 0;
      processes_.push_back(
          std::make_unique<WorkerProcess>(std::move(socket), std::move(pidfd), message.pid));
    }
  }
}

absl::Status Pool::Poll(int wake, absl::Duration timeout) {
  if (inside_ > 0) TEMPER_RETURN_IF_ERROR(StartHost());
  if (host_) Dispatch();
  std::vector<pollfd> waits{{.fd = wake, .events = POLLIN}, {.fd = host_.get(), .events = POLLIN}};
  for (const auto& process : processes_) {
    const short events = static_cast<short>(POLLIN | (process->writer().empty() ? 0 : POLLOUT));
    waits.push_back({.fd = process->hung_up ? -1 : process->socket(), .events = events});
  }
  const absl::Duration wait = std::min(timeout, TimeToWatch());
  if (PollFor(Wait::ForWork("letters and verdicts", wait), absl::MakeSpan(waits)) < 0) {
    return ErrnoStatus("reward pool", "poll");
  }
  for (size_t i = 0; i + 2 < waits.size(); ++i) {
    WorkerProcess& process = *processes_[i];
    const short seen = waits[i + 2].revents;
    if (seen & POLLOUT) (void)process.writer().WriteTo(process.socket());
    if (seen & (POLLIN | POLLHUP | POLLERR)) Hear(process);
  }
  if (waits[1].revents != 0) HearHost();
  Watch(Uptime());
  if (host_) Dispatch();
  return absl::OkStatus();
}

}  // namespace temper::reward
