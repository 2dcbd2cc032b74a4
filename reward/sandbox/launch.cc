// Writes the setup file, forks, and executes bubblewrap with descriptors in fixed places.
#include "reward/sandbox/launch.h"

#include <fcntl.h>
#include <grp.h>
#include <linux/close_range.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cmath>
#include <csignal>
#include <cstring>

#include "absl/strings/str_cat.h"
#include "base/file.h"
#include "base/status_macros.h"
#include "reward/sandbox/starter_protocol.h"

namespace temper::sandbox {
namespace {

constexpr const char* kEnvironment[] = {"PATH=/usr/bin:/bin", "HOME=/tmp", "TMPDIR=/tmp",
                                        "LANG=C.UTF-8", "PYTHONHASHSEED=0"};

// Everything that a job sees of the machine, and nothing else.
constexpr const char* kBubblewrapArguments[] = {
    "bwrap", "--unshare-all", "--unshare-user", "--die-with-parent", "--new-session", "--clearenv",
    "--uid", "65534", "--gid", "65534", "--hostname", "sandbox",
    // The starter mounts /tmp and then gives these up.
    "--cap-drop", "ALL", "--cap-add", "CAP_SYS_ADMIN", "--cap-add", "CAP_SETPCAP", "--ro-bind",
    "/usr", "/usr", "--symlink", "usr/lib", "/lib", "--symlink", "usr/lib64", "/lib64", "--symlink",
    "usr/bin", "/bin", "--symlink", "usr/sbin", "/sbin", "--proc", "/proc", "--dev-bind",
    "/dev/null", "/dev/null", "--dev-bind", "/dev/zero", "/dev/zero", "--dev-bind", "/dev/full",
    "/dev/full", "--dev-bind", "/dev/urandom", "/dev/urandom", "--dev-bind", "/dev/urandom",
    "/dev/random", "--symlink", "/tmp", "/dev/shm", "--symlink", "/proc/self/fd", "/dev/fd",
    "--symlink", "/proc/self/fd/0", "/dev/stdin", "--symlink", "/proc/self/fd/1", "/dev/stdout",
    "--symlink", "/proc/self/fd/2", "/dev/stderr", "--dir", "/tmp", "--remount-ro", "/",
    "--as-pid-1", "--", "/proc/self/fd/6", nullptr};
static_assert(kStarterFd == 6);

// Above memory_bytes, so that a job that touches more is seen to, and since each thread reserves
// 128 MiB for its stack and its arena; below what only a hostile job reserves.
constexpr int64_t kAddressSpaceSpare = 4LL << 30;

template <class T>
void AppendRaw(std::string& bytes, const T& value) {
  bytes.append(reinterpret_cast<const char*>(&value), sizeof(value));
}

void AppendString(std::string& bytes, std::string_view text) {
  bytes.append(text);
  bytes.push_back('\0');
}

std::string SetupBytes(const LaunchPad& pad, const Job& job, bool group) {
  const Limits& limits = job.limits;
  Setup setup = {};
  setup.filter_bytes = pad.filter.size();
  setup.arguments = job.argv.size();
  setup.variables = std::size(kEnvironment);
  setup.files = job.files.size();
  setup.fetches = job.fetch.size();
  int64_t disk = limits.disk_bytes;
  for (const JobFile& file : job.files) disk += static_cast<int64_t>(file.content.size()) + 8192;
  setup.disk_bytes = static_cast<uint64_t>(disk);
  setup.disk_files = static_cast<uint64_t>(limits.disk_files) + 3 * job.files.size() + 2;
  setup.memory_bytes = static_cast<uint64_t>(limits.memory_bytes);
  setup.address_space_bytes = static_cast<uint64_t>(limits.memory_bytes + kAddressSpaceSpare);
  setup.open_files = static_cast<uint64_t>(limits.open_files);
  setup.processes = static_cast<uint64_t>(limits.processes);
  // Whole seconds only; the launcher itself counts more finely, and all processes together.
  setup.cpu_seconds = static_cast<uint64_t>(std::ceil(limits.cpu_seconds)) + 1;
  setup.message_queue_bytes = 819200;
  setup.channel = job.channel ? 1 : 0;
  setup.shared_memory = group ? 0 : 1;

  std::string bytes;
  AppendRaw(bytes, setup);
  bytes += pad.filter;
  for (const std::string& argument : job.argv) AppendString(bytes, argument);
  for (const char* variable : kEnvironment) AppendString(bytes, variable);
  for (const JobFile& file : job.files) {
    AppendString(bytes, file.path);
    AppendRaw(bytes, static_cast<uint32_t>(file.executable ? 0555 : 0444));
    AppendRaw(bytes, static_cast<uint64_t>(file.content.size()));
    bytes += file.content;
  }
  for (const std::string& path : job.fetch) AppendString(bytes, path);
  bytes.push_back('\0');
  setup.bytes = bytes.size();
  std::memcpy(bytes.data(), &setup, sizeof(setup));
  return bytes;
}

// A file in memory that can be read and no longer written.
absl::StatusOr<UniqueFd> ReadOnlyFile(std::string_view bytes) {
  const UniqueFd writable(memfd_create("sandbox", MFD_CLOEXEC));
  if (!writable.open()) return ErrnoStatus("a file in memory", "create");
  for (size_t written = 0; written < bytes.size();) {
    const ssize_t n = write(writable.get(), bytes.data() + written, bytes.size() - written);
    if (n < 0 && errno != EINTR) return ErrnoStatus("a file in memory", "write");
    if (n > 0) written += static_cast<size_t>(n);
  }
  const std::string path = absl::StrCat("/proc/self/fd/", writable.get());
  UniqueFd readable(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!readable.open()) return ErrnoStatus(path, "open");
  return readable;
}

struct Ends {
  UniqueFd ours, theirs;
};

absl::StatusOr<Ends> MakePipe() {
  int ends[2];
  if (pipe2(ends, O_CLOEXEC) != 0) return ErrnoStatus("a pipe", "create");
  fcntl(ends[0], F_SETFL, O_NONBLOCK);
  return Ends{UniqueFd(ends[0]), UniqueFd(ends[1])};
}

absl::StatusOr<Ends> MakeSockets(int type) {
  int ends[2];
  if (socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, ends) != 0) {
    return ErrnoStatus("a pair of sockets", "create");
  }
  fcntl(ends[0], F_SETFL, O_NONBLOCK);
  return Ends{UniqueFd(ends[0]), UniqueFd(ends[1])};
}

// Only system calls: the child borrows our memory, and locks that other threads of ours may hold.
[[noreturn]] void BecomeBubblewrap(const LaunchPad& pad, const std::vector<int>& descriptors,
                                   const Cgroup* group) {
  const auto die = [](const char* step) {
    [[maybe_unused]] const ssize_t n = write(2, step, std::strlen(step));
    _exit(125);
  };
  if (group != nullptr) {
    for (const UniqueFd& entrance : group->entrances()) {
      if (write(entrance.get(), "0", 1) != 1) die("cannot enter the cgroup");
    }
  }
  int moved[7];
  for (size_t i = 0; i < descriptors.size(); ++i) {
    moved[i] = fcntl(descriptors[i], F_DUPFD_CLOEXEC, 64);
    if (moved[i] < 0) die("cannot move a descriptor");
  }
  for (size_t i = 0; i < descriptors.size(); ++i) {
    if (dup2(moved[i], static_cast<int>(i)) < 0) die("cannot place a descriptor");
  }
  syscall(SYS_close_range, descriptors.size(), ~0U, 0);
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  std::signal(SIGPIPE, SIG_DFL);
  std::signal(SIGCHLD, SIG_DFL);
  if (pad.root) {
    // Raw calls: those of libc would signal threads that this child does not have.
    const uid_t user = JobUser();
    if (syscall(SYS_setgroups, 0, nullptr) != 0 || syscall(SYS_setresgid, user, user, user) != 0 ||
        syscall(SYS_setresuid, user, user, user) != 0) {
      die("cannot become another user");
    }
  }
  const rlimit no_core = {0, 0};
  setrlimit(RLIMIT_CORE, &no_core);
  if (chdir("/") != 0) die("cannot enter /");
  char* const environment[] = {nullptr};
  execve(pad.bubblewrap.c_str(), const_cast<char* const*>(kBubblewrapArguments), environment);
  die("cannot execute bubblewrap");
  _exit(125);
}

}  // namespace

uid_t JobUser() { return 1900000000u + static_cast<uid_t>(getpid()) % 10000000u; }

absl::StatusOr<Launched> Launch(const LaunchPad& pad, const Job& job, const Cgroup* group) {
  TEMPER_ASSIGN_OR_RETURN(UniqueFd setup, ReadOnlyFile(SetupBytes(pad, job, group != nullptr)));
  TEMPER_ASSIGN_OR_RETURN(UniqueFd input, ReadOnlyFile(job.standard_input));
  TEMPER_ASSIGN_OR_RETURN(Ends output, MakePipe());
  TEMPER_ASSIGN_OR_RETURN(Ends error, MakePipe());
  TEMPER_ASSIGN_OR_RETURN(Ends control, MakeSockets(SOCK_SEQPACKET));
  Ends channel;
  if (job.channel) {
    TEMPER_ASSIGN_OR_RETURN(channel, MakeSockets(SOCK_STREAM));
  }
  // Without a channel its place holds anything: the starter closes it.
  const std::vector<int> descriptors = {
      input.get(),          output.theirs.get(), error.theirs.get(),
      control.theirs.get(), setup.get(),         job.channel ? channel.theirs.get() : input.get(),
      pad.starter.get()};

  // No copy of our memory is made: we stand still until the child has become bubblewrap.
  const pid_t child = vfork();
  if (child < 0) return ErrnoStatus("bubblewrap", "fork");
  if (child == 0) BecomeBubblewrap(pad, descriptors, group);

  Launched launched;
  launched.bubblewrap = child;
  launched.ended = UniqueFd(static_cast<int>(syscall(SYS_pidfd_open, child, 0)));
  launched.standard_output = std::move(output.ours);
  launched.standard_error = std::move(error.ours);
  launched.control = std::move(control.ours);
  launched.channel = std::move(channel.ours);
  return launched;
}

}  // namespace temper::sandbox
