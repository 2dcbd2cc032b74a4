// posix_spawn, three pipes, one poll.
#include "agents/run/tool_process.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "base/blocking.h"
#include "base/check.h"
#include "base/unique_fd.h"
#include "base/utf8.h"

extern char** environ;

namespace temper::agents {
namespace {

struct Pipe {
  UniqueFd read, write;
};

bool Open(Pipe& pipe) {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return false;
  pipe.read = UniqueFd(ends[0]);
  pipe.write = UniqueFd(ends[1]);
  return true;
}

void NeverBlock(int descriptor) { TEMPER_CHECK(fcntl(descriptor, F_SETFL, O_NONBLOCK) == 0); }

// While it lives, writing to a program that has closed its input is an error, not a signal; that of
// this thread which then is pending is taken back.
class WithoutSigpipe {
 public:
  WithoutSigpipe() {
    sigemptyset(&pipe_);
    sigaddset(&pipe_, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &pipe_, &before_);
  }
  ~WithoutSigpipe() {
    const timespec now{};
    while (sigtimedwait(&pipe_, nullptr, &now) > 0) {
    }
    pthread_sigmask(SIG_SETMASK, &before_, nullptr);
  }
  WithoutSigpipe(const WithoutSigpipe&) = delete;
  WithoutSigpipe& operator=(const WithoutSigpipe&) = delete;

 private:
  sigset_t pipe_, before_;
};

absl::StatusOr<pid_t> Spawn(const std::vector<std::string>& command, const Pipe& in,
                            const Pipe& out, const Pipe& err) {
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, in.read.get(), STDIN_FILENO);
  posix_spawn_file_actions_adddup2(&actions, out.write.get(), STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&actions, err.write.get(), STDERR_FILENO);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  // A group of its own, so that its children end with it; signals as a fresh program has them.
  posix_spawnattr_setflags(&attributes,
                           POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK);
  sigset_t none, usual;
  sigemptyset(&none);
  sigemptyset(&usual);
  sigaddset(&usual, SIGPIPE);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setsigdefault(&attributes, &usual);
  std::vector<char*> arguments;
  for (const std::string& argument : command) {
    arguments.push_back(const_cast<char*>(argument.c_str()));
  }
  arguments.push_back(nullptr);
  pid_t child = 0;
  const int error =
      posix_spawnp(&child, arguments.front(), &actions, &attributes, arguments.data(), environ);
  posix_spawn_file_actions_destroy(&actions);
  posix_spawnattr_destroy(&attributes);
  if (error == 0) return child;
  return absl::InvalidArgumentError(
      absl::StrCat(command.front(), ": cannot be started: ", std::strerror(error)));
}

// Reads what is there; false at the end.
bool Take(int descriptor, std::string& text) {
  char part[65536];
  const ssize_t got = read(descriptor, part, sizeof(part));
  if (got > 0) text.append(part, static_cast<size_t>(got));
  return got > 0 || (got < 0 && (errno == EAGAIN || errno == EINTR));
}

struct Talk {
  std::string out, err;
  absl::Status status;
};

// Feeds and reads until the program closes its output.
Talk TalkWith(Pipe& in, Pipe& out, Pipe& err, const std::string& input, absl::Duration timeout,
              const StopToken& stop) {
  Talk talk;
  const Waiting waiting(Wait::OrFail("a graph's tool", timeout));
  size_t sent = 0;
  bool out_open = true, err_open = true;
  while (out_open || err_open) {
    if (waiting.left() <= absl::ZeroDuration()) {
      talk.status = absl::DeadlineExceededError(
          absl::StrCat("it took longer than ", absl::FormatDuration(timeout)));
      return talk;
    }
    pollfd events[] = {{out_open ? out.read.get() : -1, POLLIN, 0},
                       {err_open ? err.read.get() : -1, POLLIN, 0},
                       {sent < input.size() ? in.write.get() : -1, POLLOUT, 0},
                       {stop.descriptor(), POLLIN, 0}};
    PollWithin(waiting, absl::Seconds(1), absl::MakeSpan(events));
    if (stop.stopped()) {
      talk.status = absl::CancelledError("stopped");
      return talk;
    }
    if (events[0].revents != 0) out_open = Take(out.read.get(), talk.out);
    if (events[1].revents != 0) err_open = Take(err.read.get(), talk.err);
    if (events[2].revents != 0) {
      const ssize_t done = write(in.write.get(), input.data() + sent, input.size() - sent);
      if (done > 0) sent += static_cast<size_t>(done);
      // It may not care for its input.
      if (done < 0 && errno != EAGAIN && errno != EINTR) sent = input.size();
    }
    if (sent >= input.size()) in.write.Close();
    if (talk.out.size() > kToolOutputMax || talk.err.size() > kToolOutputMax) {
      talk.status = absl::ResourceExhaustedError(
          absl::StrCat("it wrote more than ", kToolOutputMax, " bytes"));
      return talk;
    }
  }
  return talk;
}

}  // namespace

absl::StatusOr<std::string> RunTool(const std::vector<std::string>& command,
                                    const std::string& input, absl::Duration timeout,
                                    const StopToken& stop) {
  TEMPER_CHECK(!command.empty());
  const WithoutSigpipe quiet;
  Pipe in, out, err;
  if (!Open(in) || !Open(out) || !Open(err)) {
    return absl::ResourceExhaustedError(
        absl::StrCat(command.front(), ": no pipe: ", std::strerror(errno)));
  }
  const absl::StatusOr<pid_t> child = Spawn(command, in, out, err);
  if (!child.ok()) return child.status();
  in.read.Close();
  out.write.Close();
  err.write.Close();
  NeverBlock(in.write.get());
  NeverBlock(out.read.get());
  NeverBlock(err.read.get());
  if (input.empty()) in.write.Close();
  Talk talk = TalkWith(in, out, err, input, timeout, stop);
  if (!talk.status.ok()) kill(-*child, SIGKILL);
  // It has closed its output; what it still does is not waited for long.
  std::optional<int> status =
      AwaitChild(Wait::OrRetry("the end of a graph's tool", absl::Seconds(10)), *child);
  if (!status.has_value()) {
    kill(-*child, SIGKILL);
    status = AwaitChild(Wait::OrFail("the end of a killed tool", absl::Seconds(60)), *child);
  }
  const std::string name = command.front();
  if (!talk.status.ok()) {
    return absl::Status(talk.status.code(),
                        absl::StrCat(name, ": ", std::string(talk.status.message())));
  }
  if (!status.has_value() || !WIFEXITED(*status) || WEXITSTATUS(*status) != 0) {
    const std::string how = status.has_value() && WIFEXITED(*status)
                                ? absl::StrCat("ended with code ", WEXITSTATUS(*status))
                                : std::string("was killed");
    return absl::AbortedError(
        absl::StrCat(name, ": ", how, ": ", ValidUtf8(talk.err.substr(0, 500))));
  }
  return ValidUtf8(talk.out);
}

}  // namespace temper::agents
