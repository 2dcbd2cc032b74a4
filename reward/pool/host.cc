// Waits for two things: a message, and a child's end (as a descriptor, so that one poll does).
#include "reward/pool/host.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <set>

#include "base/blocking.h"
#include "base/check.h"
#include "base/system_file.h"
#include "base/unique_fd.h"
#include "base/wait.h"
#include "reward/pool/worker.h"
#include "reward/sandbox/cgroup.h"

namespace temper::reward {
namespace {

// Only the soft limit: programs that a verifier starts set limits of their own. Sanitizers reserve
// more address space than any limit allows; under them memory is not limited.
void LimitMemory([[maybe_unused]] size_t bytes_max) {
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
  rlimit limit{};
  if (getrlimit(RLIMIT_AS, &limit) != 0) return;
  limit.rlim_cur = std::min<rlim_t>(limit.rlim_max,
                                    static_cast<rlim_t>(ReadOwnMemory().address_space) + bytes_max);
  setrlimit(RLIMIT_AS, &limit);
#endif
}

// What follows a fork, in the child; never returns.
[[noreturn]] void BecomeWorker(int socket, pid_t host, const HostOptions& options) {
  prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (getppid() != host) _exit(0);  // the host died in between
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  // Whatever a verifier's libraries print has no reader; the service's own log stays clean.
  const int nothing = open("/dev/null", O_RDWR | O_CLOEXEC);
  for (int standard = 0; standard <= 2; ++standard) dup2(nothing, standard);
  dup2(socket, kHostDescriptor);
  close_range(kHostDescriptor + 1, ~0U, 0);
  fcntl(kHostDescriptor, F_SETFD, FD_CLOEXEC);
  const rlimit no_core{0, 0};
  setrlimit(RLIMIT_CORE, &no_core);
  LimitMemory(options.memory_bytes_max);
  _exit(RunVerifierWorker(kHostDescriptor, options.make_verifier));
}

using Workers = std::set<pid_t>;

bool Fork(int control, int socket, const HostOptions& options, Workers& workers) {
  const pid_t host = getpid();
  const pid_t pid = fork();
  if (pid == 0) BecomeWorker(socket, host, options);
  if (pid < 0) return SendHostMessage(control, {HostMessage::Kind::kStarted, -1, errno}, -1);
  workers.insert(pid);
  const UniqueFd process(static_cast<int>(syscall(SYS_pidfd_open, pid, 0)));
  return SendHostMessage(control, {HostMessage::Kind::kStarted, pid}, process.get());
}

bool ReportExits(int control, Workers& workers) {
  int status = 0;
  for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG)) > 0;) {
    workers.erase(pid);
    if (!SendHostMessage(control, {HostMessage::Kind::kExited, pid, status}, -1)) return false;
  }
  return true;
}

// Takes note of children's ends until there are none; false when some are left after `time`.
bool AwaitChildren(absl::Duration time) {
  const Waiting waiting(Wait::OrDrop("the end of the verifiers", time));
  do {
    pid_t pid;
    do {
      pid = waitpid(-1, nullptr, WNOHANG);
    } while (pid > 0);
    if (pid < 0) return true;  // none is left
  } while (waiting.Nap(absl::Milliseconds(5)));
  return false;
}

// Nobody is left behind, not even as a zombie, and no control group of a sandbox. Workers whose
// socket has closed leave by themselves, and put away what they hold; the others are killed. What
// they had started comes to us.
void EndWorkers(const Workers& workers) {
  if (!AwaitChildren(absl::Milliseconds(300))) {
    for (const pid_t pid : workers) kill(pid, SIGKILL);
    AwaitChildren(absl::Seconds(3));
  }
  const sandbox::CgroupPool sweeps_those_of_dead_owners;
}

// Until the service is gone.
void Serve(int control, int exits, const HostOptions& options, Workers& workers) {
  std::array<pollfd, 2> waits{{{.fd = control, .events = POLLIN}, {.fd = exits, .events = POLLIN}}};
  while (true) {
    if (PollFor(Wait::ForWork("an order of the service", absl::Minutes(1)), absl::MakeSpan(waits)) <
        0) {
      return;
    }
    if (waits[1].revents != 0) {
      std::array<signalfd_siginfo, 16> signals;
      while (read(exits, signals.data(), sizeof signals) > 0) {
      }
      if (!ReportExits(control, workers)) return;
    }
    if (waits[0].revents == 0) continue;
    HostMessage message;
    int socket = -1;
    bool empty = false;
    if (!ReceiveHostMessage(control, &message, &socket, &empty)) return;
    const UniqueFd workers_end(socket);
    if (message.kind != HostMessage::Kind::kFork || !workers_end) continue;
    if (!Fork(control, workers_end.get(), options, workers)) return;
  }
}

}  // namespace

bool SendHostMessage(int socket, const HostMessage& message, int descriptor) {
  iovec bytes{const_cast<HostMessage*>(&message), sizeof message};
  msghdr header{};
  header.msg_iov = &bytes;
  header.msg_iovlen = 1;
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> control{};
  if (descriptor >= 0) {
    header.msg_control = control.data();
    header.msg_controllen = control.size();
    cmsghdr* carried = CMSG_FIRSTHDR(&header);
    carried->cmsg_level = SOL_SOCKET;
    carried->cmsg_type = SCM_RIGHTS;
    carried->cmsg_len = CMSG_LEN(sizeof(int));
    std::memcpy(CMSG_DATA(carried), &descriptor, sizeof descriptor);
  }
  constexpr absl::Duration kRoomMax = absl::Seconds(10);
  ssize_t sent;
  while ((sent = sendmsg(socket, &header, MSG_NOSIGNAL | MSG_DONTWAIT)) < 0) {
    if (errno == EINTR) continue;
    pollfd room{socket, POLLOUT, 0};
    if (errno != EAGAIN ||
        PollFor(Wait::OrFail("room for a message", kRoomMax), absl::MakeSpan(&room, 1)) <= 0) {
      return false;
    }
  }
  return sent == static_cast<ssize_t>(sizeof message);
}

bool ReceiveHostMessage(int socket, HostMessage* message, int* descriptor, bool* empty) {
  *descriptor = -1;
  *empty = false;
  iovec bytes{message, sizeof *message};
  alignas(cmsghdr) std::array<char, CMSG_SPACE(sizeof(int))> control{};
  msghdr header{};
  header.msg_iov = &bytes;
  header.msg_iovlen = 1;
  header.msg_control = control.data();
  header.msg_controllen = control.size();
  ssize_t got;
  do {
    got = recvmsg(socket, &header, MSG_CMSG_CLOEXEC | MSG_DONTWAIT);
  } while (got < 0 && errno == EINTR);
  if (got < 0 && errno == EAGAIN) *empty = true;
  if (got != static_cast<ssize_t>(sizeof *message)) return *empty;
  const cmsghdr* carried = CMSG_FIRSTHDR(&header);
  if (carried != nullptr && carried->cmsg_type == SCM_RIGHTS) {
    std::memcpy(descriptor, CMSG_DATA(carried), sizeof *descriptor);
  }
  return true;
}

int RunVerifierHost(const HostOptions& options) {
  // No signal for its parent's death: the socket tells of it, and leaves time to put things away.
  prctl(PR_SET_NAME, "verifier-host");
  prctl(PR_SET_CHILD_SUBREAPER, 1);  // what a killed worker had started becomes ours to reap
  close_range(kHostDescriptor + 1, ~0U, 0);
  setpgid(0, 0);  // what is sent to the service's group is for the service, whose end we see
  sigset_t children;
  sigemptyset(&children);
  sigaddset(&children, SIGCHLD);
  sigprocmask(SIG_BLOCK, &children, nullptr);
  const UniqueFd exits(signalfd(-1, &children, SFD_CLOEXEC | SFD_NONBLOCK));
  TEMPER_CHECK(static_cast<bool>(exits));
  fcntl(kHostDescriptor, F_SETFD, FD_CLOEXEC);
  Workers workers;
  Serve(kHostDescriptor, exits.get(), options, workers);
  EndWorkers(workers);
  return 0;
}

}  // namespace temper::reward
