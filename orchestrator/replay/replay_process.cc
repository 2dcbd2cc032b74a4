// fork, exec, read, wait: every wait here is a poll of 50 ms that sees a cancel and the deadline.
#include "orchestrator/replay/replay_process.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <csignal>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "base/blocking.h"
#include "base/clock.h"
#include "base/file.h"
#include "base/status_macros.h"
#include "base/unique_fd.h"
#include "orchestrator/replay/replay_lines.h"

namespace temper::orchestrator {
namespace {

constexpr absl::Duration kPoll = absl::Milliseconds(50);
// A child that was killed is gone by then, or the system is.
constexpr absl::Duration kEndsWithin = absl::Seconds(10);
constexpr size_t kLineMax = 1 << 20;

struct Started {
  pid_t pid = -1;
  UniqueFd output;
};

// Only async-signal-safe calls between fork and exec; everything else is made before.
[[noreturn]] void Become(char** argv, int out, int log, int nice, pid_t parent) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != parent) _exit(127);  // the parent died before prctl
  setpgid(0, 0);
  setpriority(PRIO_PROCESS, 0, nice);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  const int null = open("/dev/null", O_RDONLY);
  dup2(null, STDIN_FILENO);
  dup2(out, STDOUT_FILENO);
  dup2(log, STDERR_FILENO);
  execv(argv[0], argv);
  _exit(127);
}

absl::StatusOr<Started> StartChild(const ReplayProcess::Child& child) {
  std::vector<std::string> words = {child.program};
  words.insert(words.end(), child.arguments.begin(), child.arguments.end());
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  const UniqueFd log(open(child.log_path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644));
  if (!log) return ErrnoStatus(child.log_path, "cannot open log");
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return ErrnoStatus(child.program, "cannot make a pipe");
  Started started{.output = UniqueFd(ends[0])};
  const UniqueFd write_end(ends[1]);
  const pid_t parent = getpid();
  started.pid = fork();
  if (started.pid == 0) Become(argv.data(), write_end.get(), log.get(), child.nice, parent);
  if (started.pid < 0) return ErrnoStatus(child.program, "cannot fork");
  return started;
}

// What the child has said: lines that are delivered, and in the end one status.
class Conversation {
 public:
  explicit Conversation(const ReplayProcess::Deliver& deliver) : deliver_(deliver) {}

  // False: this must end now.
  bool Take(std::string_view bytes) {
    unread_.append(bytes);
    size_t end;
    while (status_.ok() && (end = unread_.find('\n')) != std::string::npos) {
      TakeLine(unread_.substr(0, end));
      unread_.erase(0, end + 1);
    }
    if (status_.ok() && unread_.size() > kLineMax) {
      status_ = absl::InternalError("the replay said a line without an end");
    }
    return status_.ok();
  }
  const absl::Status& status() const { return status_; }
  bool reported() const { return reported_; }

 private:
  void TakeLine(const std::string& line) {
    const absl::StatusOr<v1::ReplayResponse> response = ParseReplayLine(line);
    if (!response.ok()) {
      status_ = response.status();
      return;
    }
    reported_ = reported_ || response->has_report();
    deliver_(*response);
  }

  const ReplayProcess::Deliver& deliver_;
  std::string unread_;
  absl::Status status_;
  bool reported_ = false;
};

// Until the child closes its output or must be ended; says why it must.
absl::Status Listen(int output, Conversation& conversation, const std::atomic<bool>& cancel,
                    absl::Duration deadline) {
  const SystemClock clock;
  const absl::Duration until = clock.Uptime() + deadline;
  char buffer[1 << 14];
  for (;;) {
    if (cancel.load()) return absl::CancelledError("the replay was cancelled");
    if (clock.Uptime() >= until) {
      return absl::DeadlineExceededError(
          absl::StrCat("the replay was not done within ", absl::FormatDuration(deadline)));
    }
    pollfd ready{output, POLLIN, 0};
    if (PollFor(Wait::OrRetry("the replay's next line", kPoll), absl::MakeSpan(&ready, 1)) <= 0) {
      continue;
    }
    const ssize_t got = read(output, buffer, sizeof(buffer));
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return absl::OkStatus();
    if (!conversation.Take({buffer, static_cast<size_t>(got)})) return absl::OkStatus();
  }
}

// How it ended; nothing when it did not within `patience`.
std::optional<int> Reap(pid_t pid, absl::Duration patience) {
  return AwaitChild(Wait::OrDrop("the end of a replay", patience), pid);
}

std::string EndWords(int status) {
  return WIFSIGNALED(status) ? absl::StrCat("was killed by signal ", WTERMSIG(status))
                             : absl::StrCat("ended with exit code ", WEXITSTATUS(status));
}

absl::Status Converse(const ReplayProcess::Child& child, const ReplayProcess::Deliver& deliver,
                      const std::atomic<bool>& cancel) {
  TEMPER_ASSIGN_OR_RETURN(Started started, StartChild(child));
  Conversation conversation(deliver);
  const absl::Status ended = Listen(started.output.get(), conversation, cancel, child.deadline);
  const bool spoke_to_the_end =
      ended.ok() && (conversation.reported() || !conversation.status().ok());
  std::optional<int> status;
  if (ended.ok()) status = Reap(started.pid, spoke_to_the_end ? absl::Seconds(1) : kEndsWithin);
  if (!status.has_value()) {
    kill(-started.pid, SIGKILL);  // its group: verifiers run in processes of their own
    kill(started.pid, SIGKILL);
    status = Reap(started.pid, kEndsWithin);
  }
  TEMPER_RETURN_IF_ERROR(ended);
  TEMPER_RETURN_IF_ERROR(conversation.status());
  if (conversation.reported()) return absl::OkStatus();
  return absl::InternalError(absl::StrCat("the replay ",
                                          status.has_value() ? EndWords(*status) : "does not end",
                                          " without a report; its log is ", child.log_path));
}

}  // namespace

ReplayProcess::~ReplayProcess() {
  Cancel();
  if (thread_.joinable()) thread_.Join(kLoopEnd, WaitPolicy::kFail);
}

absl::Status ReplayProcess::Start(Child child, Deliver deliver, Ended ended) {
  if (busy_.load()) {
    return absl::ResourceExhaustedError(
        "a replay is at work already, one is made at a time; try later");
  }
  if (thread_.joinable()) thread_.Join(kLoopEnd, WaitPolicy::kFail);  // it has ended
  busy_.store(true);
  cancel_.store(false);
  // The child dies with the thread that made it, so that thread listens to it.
  thread_ = Thread("replay", [this, child = std::move(child), deliver = std::move(deliver),
                              ended = std::move(ended)] { Run(child, deliver, ended); });
  return absl::OkStatus();
}

void ReplayProcess::Run(const Child& child, const Deliver& deliver, const Ended& ended) {
  const absl::Status status = Converse(child, deliver, cancel_);
  busy_.store(false);
  ended(status);
}

}  // namespace temper::orchestrator
