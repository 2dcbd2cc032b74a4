// fork, exec, wait: the only place where processes are made.
#include "orchestrator/supervisor.h"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "base/blocking.h"
#include "base/file.h"
#include "base/status_macros.h"

namespace temper::orchestrator {
namespace {

constexpr absl::Duration kKilledEnd = absl::Seconds(10);

void Describe(int status, Supervisor::Death& death) {
  if (WIFSIGNALED(status)) {
    const int signal = WTERMSIG(status);
    death.how = absl::StrCat("killed by signal ", signal);
    death.crashed = signal != SIGKILL && signal != SIGTERM;
  } else {
    death.exit_code = WEXITSTATUS(status);
    death.how = absl::StrCat("exit code ", death.exit_code);
    death.crashed = death.exit_code != 0;
  }
}

}  // namespace

Supervisor::Supervisor(std::string program, const Clock& clock, Limits limits)
    : program_(std::move(program)), clock_(clock), limits_(limits) {}

Supervisor::~Supervisor() { StopAll(absl::ZeroDuration()); }

absl::Status Supervisor::Start(ChildProcess process) {
  Child& child = children_[process.name];
  child.process = std::move(process);
  return Spawn(child);
}

absl::Status Supervisor::Spawn(Child& child) {
  // Everything the child needs is made before fork: after it only async-signal-safe calls are
  // allowed.
  std::vector<char*> argv = {const_cast<char*>(program_.c_str())};
  for (std::string& argument : child.process.arguments) argv.push_back(argument.data());
  argv.push_back(nullptr);
  const int log =
      open(child.process.log_path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
  if (log < 0) return ErrnoStatus(child.process.log_path, "cannot open log");
  const pid_t parent = getpid();
  const pid_t pid = fork();
  if (pid == 0) {
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) _exit(127);  // the parent died before prctl
    setpgid(0, 0);                        // Ctrl-C is for the parent, which ends children in order
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, nullptr);
    const int null = open("/dev/null", O_RDONLY);
    dup2(null, STDIN_FILENO);
    dup2(log, STDOUT_FILENO);
    dup2(log, STDERR_FILENO);
    execv(argv[0], argv.data());
    _exit(127);
  }
  close(log);
  if (pid < 0) return ErrnoStatus(program_, "cannot fork");
  child.pid = pid;
  return absl::OkStatus();
}

bool Supervisor::Reap(Child& child, absl::Duration timeout, Death& death) {
  struct rusage usage {};
  const std::optional<int> status = AwaitChild(
      Wait::OrDrop(absl::StrCat("the end of ", child.process.name), timeout), child.pid, &usage);
  if (!status.has_value()) return false;
  child.peak_memory = std::max<int64_t>(child.peak_memory, usage.ru_maxrss * 1024);
  death.name = child.process.name;
  death.pid = std::exchange(child.pid, -1);
  Describe(*status, death);
  return true;
}

absl::Status Supervisor::ScheduleRestart(Child& child, const std::string& how) {
  const absl::Duration now = clock_.Uptime();
  std::erase_if(child.deaths, [&](absl::Duration at) { return now - at > limits_.deaths_window; });
  if (child.deaths.empty()) child.pause = absl::Milliseconds(50);
  child.deaths.push_back(now);
  if (static_cast<int>(child.deaths.size()) > limits_.deaths_max) {
    return absl::ResourceExhaustedError(absl::StrCat(
        child.process.name, " died ", child.deaths.size(), " times within ",
        absl::FormatDuration(limits_.deaths_window), " (last: ", how, "); the end of its log ",
        child.process.log_path, ":\n", LastLines(child.process.log_path, 12)));
  }
  child.restart_at = now + child.pause;
  child.pause = std::min(child.pause * 2, limits_.pause_max);
  ++child.restarts;
  return absl::OkStatus();
}

absl::Status Supervisor::Poll(std::vector<Death>& deaths) {
  for (auto& [name, child] : children_) {
    Death death;
    if (child.pid > 0 && Reap(child, absl::ZeroDuration(), death)) {
      deaths.push_back(death);
      TEMPER_RETURN_IF_ERROR(ScheduleRestart(child, death.how));
    }
    if (child.pid < 0 && clock_.Uptime() >= child.restart_at) TEMPER_RETURN_IF_ERROR(Spawn(child));
  }
  return absl::OkStatus();
}

void Supervisor::StopAll(absl::Duration grace) {
  Death death;
  for (auto& [name, child] : children_) {
    if (child.pid > 0) kill(child.pid, SIGTERM);
  }
  const Waiting waiting(Wait::OrDrop("the end of the children", grace));
  do {
    bool running = false;
    for (auto& [name, child] : children_) {
      if (child.pid > 0 && !Reap(child, absl::ZeroDuration(), death)) running = true;
    }
    if (!running) break;
  } while (waiting.Nap(absl::Milliseconds(5)));
  for (auto& [name, child] : children_) {
    if (child.pid <= 0) continue;
    kill(child.pid, SIGKILL);
    Reap(child, kKilledEnd, death);
  }
  for (auto& [name, child] : children_) child.restart_at = absl::InfiniteDuration();
}

pid_t Supervisor::pid(const std::string& name) const {
  const auto found = children_.find(name);
  return found == children_.end() ? -1 : found->second.pid;
}

int64_t Supervisor::peak_memory(const std::string& name) const {
  const auto found = children_.find(name);
  return found == children_.end() ? 0 : found->second.peak_memory;
}

int Supervisor::restarts(const std::string& name) const {
  const auto found = children_.find(name);
  return found == children_.end() ? 0 : found->second.restarts;
}

std::string LastLines(const std::string& path, int lines) {
  const auto text = ReadFile(path);
  if (!text.ok()) return "";
  std::vector<std::string> all = absl::StrSplit(*text, '\n', absl::SkipEmpty());
  if (static_cast<int>(all.size()) > lines) all.erase(all.begin(), all.end() - lines);
  return absl::StrJoin(all, "\n");
}

}  // namespace temper::orchestrator
