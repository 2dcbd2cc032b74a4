// The loop around the jobs that run: poll, drain, watch, kill, reap.
#include "reward/sandbox/process.h"

#include <fcntl.h>
#include <linux/seccomp.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/blocking.h"
#include "base/file.h"
#include "base/status_macros.h"
#include "reward/sandbox/process_tree.h"
#include "reward/sandbox/seccomp_filter.h"

namespace temper::sandbox {
namespace {

constexpr absl::Duration kTick = absl::Milliseconds(20);
constexpr absl::Duration kFirstWatch = absl::Milliseconds(30);
constexpr absl::Duration kDeathMax = absl::Seconds(20);
constexpr absl::Duration kKilledEnd = absl::Seconds(10);
constexpr size_t kStandardErrorKept = 64 << 10;

double WallLimit(const Limits& limits) {
  return limits.wall_seconds > 0 ? limits.wall_seconds : 3 * limits.cpu_seconds + 5;
}

double Seconds(const timeval& time) {
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) * 1e-6;
}

}  // namespace

Process::Process(const Job& job, std::unique_ptr<Cgroup> group,
                 std::function<void(std::unique_ptr<Cgroup>)> give_back)
    : program_(job.argv.front()),
      limits_(job.limits),
      group_(std::move(group)),
      give_back_(std::move(give_back)) {
  for (const std::string& path : job.fetch) {
    outcome_.fetched.push_back({path, "", "the job ended before it could be read"});
  }
}

absl::StatusOr<std::unique_ptr<Process>> Process::Start(
    const LaunchPad& pad, const Job& job, std::unique_ptr<Cgroup> group,
    std::function<void(std::unique_ptr<Cgroup>)> give_back) {
  std::unique_ptr<Process> process(new Process(job, std::move(group), std::move(give_back)));
  process->started_ = process->watched_ = absl::Now();
  TEMPER_ASSIGN_OR_RETURN(process->launched_, Launch(pad, job, process->group_.get()));
  if (!process->launched_.ended.open()) return ErrnoStatus("bubblewrap", "open a pidfd");
  return process;
}

Process::~Process() {
  if (finished_ || launched_.bubblewrap < 0) return;
  Kill();
  (void)AwaitChild(Wait::OrDrop("the end of a killed sandbox", kKilledEnd), launched_.bubblewrap);
  if (group_ != nullptr) give_back_(std::move(group_));
}

bool Process::Alive() const {
  pollfd ended = {launched_.ended.get(), POLLIN, 0};
  return !finished_ && PollNow(absl::MakeSpan(&ended, 1)) == 0;
}

absl::Duration Process::Elapsed() const { return absl::Now() - started_; }

void Process::Send(std::string_view bytes) {
  if (!launched_.channel.open()) return;
  to_channel_.append(bytes);
  WriteChannel();
}

void Process::Stop() {
  if (finished_ || ended_ || outcome_.stopped) return;
  outcome_.stopped = true;
  Kill();
}

// The starter is pid 1 of its namespace: with it goes everything. Before we know it, bubblewrap's
// death is the starter's.
void Process::Kill() {
  if (killed_ == absl::Time()) killed_ = absl::Now();
  if (starter_.open()) {
    syscall(SYS_pidfd_send_signal, starter_.get(), SIGKILL, nullptr, 0);
  } else if (launched_.ended.open()) {
    syscall(SYS_pidfd_send_signal, launched_.ended.get(), SIGKILL, nullptr, 0);
  }
}

void Process::Reached(Limit limit) {
  if (outcome_.limit != Limit::kNone || !outcome_.violation.empty() || ended_) return;
  outcome_.limit = limit;
  Kill();
}

void Process::AddTo(std::vector<pollfd>& events) const {
  const auto add = [&](const UniqueFd& fd, short what) { events.push_back({fd.get(), what, 0}); };
  add(launched_.ended, POLLIN);
  add(launched_.control, POLLIN);
  add(launched_.standard_output, POLLIN);
  add(launched_.standard_error, POLLIN);
  add(launched_.channel, static_cast<short>(to_channel_.empty() ? POLLIN : POLLIN | POLLOUT));
  add(listener_, POLLIN);
}

void Process::Handle(absl::Span<const pollfd> events) {
  if (finished_) return;
  if (events[5].revents != 0) ReadViolation();
  if (events[2].revents != 0) {
    // One byte over the limit tells that there was more.
    const size_t most = static_cast<size_t>(limits_.output_bytes) + 1;
    Drain(launched_.standard_output, outcome_.standard_output, most);
    if (outcome_.standard_output.size() >= most) Reached(Limit::kOutput);
  }
  if (events[3].revents != 0) {
    Drain(launched_.standard_error, outcome_.standard_error, kStandardErrorKept);
  }
  if (events[4].revents != 0) {
    WriteChannel();
    ReadChannel();
  }
  if (events[1].revents != 0) ReadReports();
  if (events[0].revents != 0) {
    Finish();
  } else {
    Watch();
  }
}

// Reads what is there; bytes beyond `most` are dropped. False when nothing can follow.
bool Process::Drain(UniqueFd& fd, std::string& into, size_t most) {
  char buffer[65536];
  for (int round = 0; fd.open() && round < 16; ++round) {
    const ssize_t n = read(fd.get(), buffer, sizeof(buffer));
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) return true;
    if (n <= 0) {
      fd.Close();
      return false;
    }
    const size_t room = most - std::min(most, into.size());
    into.append(buffer, std::min(room, static_cast<size_t>(n)));
  }
  return fd.open();
}

void Process::ReadChannel() {
  std::string bytes;
  Drain(launched_.channel, bytes, SIZE_MAX);
  if (bytes.empty()) return;
  from_channel_bytes_ += static_cast<int64_t>(bytes.size());
  if (from_channel_bytes_ > limits_.output_bytes) {
    Reached(Limit::kOutput);
  } else if (on_channel) {
    on_channel(bytes);
  }
}

void Process::WriteChannel() {
  while (!to_channel_.empty() && launched_.channel.open()) {
    const ssize_t n = send(launched_.channel.get(), to_channel_.data(), to_channel_.size(),
                           MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (n < 0) {
      to_channel_.clear();  // the job has closed its end
      return;
    }
    to_channel_.erase(0, static_cast<size_t>(n));
  }
}

void Process::ReadReports() {
  while (launched_.control.open()) {
    Report report;
    iovec bytes = {&report, sizeof(report)};
    alignas(cmsghdr) char space[CMSG_SPACE(sizeof(int))];
    msghdr message = {};
    message.msg_iov = &bytes;
    message.msg_iovlen = 1;
    message.msg_control = space;
    message.msg_controllen = sizeof(space);
    const ssize_t n = recvmsg(launched_.control.get(), &message, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
    if (n <= 0) {
      launched_.control.Close();
      return;
    }
    UniqueFd fd;
    const cmsghdr* header = CMSG_FIRSTHDR(&message);
    if (header != nullptr && header->cmsg_type == SCM_RIGHTS) {
      int received;
      std::memcpy(&received, CMSG_DATA(header), sizeof(received));
      fd = UniqueFd(received);
    }
    if (n == sizeof(report)) HandleReport(report, std::move(fd));
  }
}

void Process::HandleReport(const Report& report, UniqueFd fd) {
  switch (report.event) {
    case Event::kAlive:
      starter_ = std::move(fd);
      starter_pid_ = PidBehind(starter_.get());
      if (killed_ != absl::Time()) Kill();
      break;
    case Event::kListening:
      listener_ = std::move(fd);
      break;
    case Event::kSetupFailed:
      status_ = absl::InternalError(
          absl::StrCat("the sandbox cannot be set up: ",
                       std::string(report.step, strnlen(report.step, sizeof(report.step))), ": ",
                       std::strerror(report.error)));
      Kill();
      break;
    case Event::kExecFailed:
      outcome_.exec_error =
          absl::StrCat(program_, " cannot be executed: ", std::strerror(report.error));
      break;
    case Event::kSharedMemory:
      Reached(Limit::kMemory);
      break;
    case Event::kEnded:
      ended_ = true;
      outcome_.exit_code = WIFEXITED(report.status) ? WEXITSTATUS(report.status) : -1;
      outcome_.signal = WIFSIGNALED(report.status) ? WTERMSIG(report.status) : 0;
      outcome_.cpu_seconds = static_cast<double>(report.cpu_microseconds) * 1e-6;
      outcome_.memory_peak_bytes =
          std::max(outcome_.memory_peak_bytes, static_cast<int64_t>(report.resident_peak_bytes));
      break;
    case Event::kFetched:
      ReadFetched(report, fd);
      break;
  }
}

// The forbidden call still waits for an answer: the job is killed instead.
void Process::ReadViolation() {
  seccomp_notif notification = {};
  if (ioctl(listener_.get(), SECCOMP_IOCTL_NOTIF_RECV, &notification) != 0) {
    if (errno != EINTR && errno != ENOENT) listener_.Close();
    return;
  }
  if (outcome_.limit == Limit::kNone && outcome_.violation.empty()) {
    outcome_.violation = SystemCallName(notification.data.nr);
  }
  Kill();
}

void Process::ReadFetched(const Report& report, const UniqueFd& fd) {
  if (report.status < 0 || static_cast<size_t>(report.status) >= outcome_.fetched.size()) return;
  FetchedFile& file = outcome_.fetched[static_cast<size_t>(report.status)];
  struct stat about;
  if (!fd.open() || fstat(fd.get(), &about) != 0) {
    file.problem = report.error == ELOOP ? "not a regular file" : std::strerror(report.error);
  } else if (!S_ISREG(about.st_mode)) {
    file.problem = "not a regular file";
  } else if (about.st_size > limits_.output_bytes) {
    file.problem = absl::StrCat(about.st_size, " bytes, at most ", limits_.output_bytes);
  } else {
    file.content.resize(static_cast<size_t>(about.st_size));
    size_t done = 0;
    while (done < file.content.size()) {
      const ssize_t n = pread(fd.get(), file.content.data() + done, file.content.size() - done,
                              static_cast<off_t>(done));
      if (n <= 0) break;
      done += static_cast<size_t>(n);
    }
    file.content.resize(done);
    file.problem = done == static_cast<size_t>(about.st_size) ? "" : "it cannot be read";
  }
}

void Process::Watch() {
  const absl::Time now = absl::Now();
  if (killed_ != absl::Time()) {
    Kill();
    if (now - killed_ > kDeathMax) {
      status_ = absl::InternalError("the sandbox does not die");
      finished_ = true;
      if (on_end) on_end();
    }
    return;
  }
  if (now - started_ > absl::Seconds(WallLimit(limits_))) return Reached(Limit::kWall);
  if (now - started_ < kFirstWatch || now - watched_ < kTick || starter_pid_ == 0) return;
  watched_ = now;
  if (group_ != nullptr && group_->MemoryKills() > 0) return Reached(Limit::kMemory);
  const TreeUse use = UseOfTree(starter_pid_, group_ == nullptr ? limits_.memory_bytes : 0);
  outcome_.cpu_seconds = std::max(outcome_.cpu_seconds, use.cpu_seconds);
  if (use.cpu_seconds > limits_.cpu_seconds) return Reached(Limit::kCpu);
  if (group_ == nullptr) {
    outcome_.memory_peak_bytes = std::max(outcome_.memory_peak_bytes, use.memory_bytes);
    if (use.memory_bytes > limits_.memory_bytes) return Reached(Limit::kMemory);
  }
}

void Process::Finish() {
  rusage used = {};
  int status = 0;
  pid_t ended;
  while ((ended = wait4(launched_.bubblewrap, &status, WNOHANG, &used)) < 0 && errno == EINTR) {
  }
  if (ended == 0) return;
  finished_ = true;
  ReadReports();
  const size_t most = static_cast<size_t>(limits_.output_bytes) + 1;
  while (Drain(launched_.standard_output, outcome_.standard_output, most) &&
         ioctl(launched_.standard_output.get(), FIONREAD, &status) == 0 && status > 0) {
  }
  Drain(launched_.standard_error, outcome_.standard_error, kStandardErrorKept);
  ReadChannel();
  outcome_.wall_seconds = absl::ToDoubleSeconds(Elapsed());
  JudgeEnd(used, ended < 0 ? -1 : status);
  if (group_ != nullptr) {
    outcome_.memory_peak_bytes = std::max(outcome_.memory_peak_bytes, group_->PeakBytes());
    give_back_(std::move(group_));
  }
  if (on_end) on_end();
}

// Counts once more when all is over: a limit may have been passed between two looks.
void Process::JudgeEnd(const rusage& used, int bubblewrap_status) {
  // The kernel may kill all of a group at once, and us with it inside.
  if (!ended_ && group_ != nullptr && group_->MemoryKills() > 0) Reached(Limit::kMemory);
  if (!ended_ && killed_ == absl::Time() && status_.ok()) {
    status_ = absl::InternalError(absl::StrCat("bubblewrap failed (status ", bubblewrap_status,
                                               "): ", outcome_.standard_error));
    return;
  }
  // Of a killed tree the system adds up only a part.
  const double seconds = Seconds(used.ru_utime) + Seconds(used.ru_stime);
  if (!ended_) outcome_.cpu_seconds = std::max(outcome_.cpu_seconds, seconds);
  const bool free = outcome_.limit == Limit::kNone && outcome_.violation.empty();
  if (!free) return;
  if (outcome_.standard_output.size() > static_cast<size_t>(limits_.output_bytes)) {
    outcome_.limit = Limit::kOutput;
  } else if (group_ != nullptr ? group_->MemoryKills() > 0
                               : outcome_.memory_peak_bytes > limits_.memory_bytes) {
    outcome_.limit = Limit::kMemory;
  } else if (outcome_.cpu_seconds > limits_.cpu_seconds || outcome_.signal == SIGXCPU) {
    outcome_.limit = Limit::kCpu;
  }
}

void Drive(absl::Span<Process* const> processes) {
  Drive(processes, [] { return false; });
}

void Drive(absl::Span<Process* const> processes, absl::FunctionRef<bool()> enough) {
  constexpr size_t kEach = 6;
  absl::Duration longest = kDeathMax;
  for (const Process* process : processes) {
    longest = std::max(longest, absl::Seconds(WallLimit(process->limits_)) + kDeathMax);
  }
  const Waiting waiting(
      Wait::OrDrop("programs in the sandbox", longest));  // each is killed in time
  while (!enough()) {
    std::vector<Process*> running;
    std::vector<pollfd> events;
    for (Process* process : processes) {
      if (process->finished_) continue;
      running.push_back(process);
      process->AddTo(events);
    }
    if (running.empty()) return;
    PollFor(Wait::OrRetry("news of programs in the sandbox", kTick), absl::MakeSpan(events));
    for (size_t i = 0; i < running.size(); ++i) {
      running[i]->Handle(absl::MakeConstSpan(events).subspan(i * kEach, kEach));
    }
  }
}

}  // namespace temper::sandbox
