// Pid 1 inside the sandbox: readies the job's folder, starts the job under the filter, waits for
// it, kills and reaps whatever it left, and says how it went.
//
// bubblewrap executes it in the new namespaces with all capabilities of those namespaces; it gives
// them up before it reads the first byte of the job. Linked statically, for nothing of the host but
// /usr is there. The job cannot reach it: it is not dumpable, and signals to pid 1 are ignored.
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/filter.h>
#include <linux/openat2.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/shm.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <initializer_list>

#include "reward/sandbox/starter_protocol.h"

namespace temper::sandbox {
namespace {

constexpr size_t kStringsMax = 4096;

const Setup* setup;
const char* cursor;  // into the setup file

void Send(Report report, int fd = -1) {
  iovec bytes = {&report, sizeof(report)};
  alignas(cmsghdr) char space[CMSG_SPACE(sizeof(int))] = {};
  msghdr message = {};
  message.msg_iov = &bytes;
  message.msg_iovlen = 1;
  if (fd >= 0) {
    message.msg_control = space;
    message.msg_controllen = sizeof(space);
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_RIGHTS;
    header->cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(header), &fd, sizeof(int));
  }
  while (sendmsg(kControlFd, &message, MSG_NOSIGNAL) < 0 && errno == EINTR) {
  }
}

[[noreturn]] void Fail(const char* step) {
  Report report = {};
  report.event = Event::kSetupFailed;
  report.error = errno;
  strncpy(report.step, step, sizeof(report.step) - 1);
  Send(report);
  _exit(1);
}

void Check(bool fine, const char* step) {
  if (!fine) Fail(step);
}

const char* NextString() {
  const char* text = cursor;
  cursor += strlen(text) + 1;
  return text;
}

void MapSetup() {
  struct stat about;
  Check(fstat(kSetupFd, &about) == 0, "stat the setup");
  void* mapped = mmap(nullptr, about.st_size, PROT_READ, MAP_PRIVATE, kSetupFd, 0);
  Check(mapped != MAP_FAILED, "map the setup");
  setup = static_cast<const Setup*>(mapped);
  close(kSetupFd);
  close(kStarterFd);
}

void SayAlive() {
  const int self = static_cast<int>(syscall(SYS_pidfd_open, getpid(), 0));
  Check(self >= 0, "pidfd_open");
  Report report = {};
  report.event = Event::kAlive;
  Send(report, self);
  close(self);
}

// All that can be written: bubblewrap cannot limit the number of files, so we mount it ourselves.
void MountFolder() {
  char options[128];
  snprintf(options, sizeof(options), "size=%llu,nr_inodes=%llu,mode=0777",
           static_cast<unsigned long long>(setup->disk_bytes),
           static_cast<unsigned long long>(setup->disk_files));
  Check(mount("tmpfs", "/tmp", "tmpfs", MS_NOSUID | MS_NODEV, options) == 0, "mount /tmp");
}

void DropCapabilities() {
  for (int capability = 0; capability <= 63; ++capability) {
    if (prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) != 0 && errno != EINVAL) {
      Fail("drop the bounding set");
    }
  }
  Check(prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) == 0, "clear the ambient set");
  __user_cap_header_struct header = {_LINUX_CAPABILITY_VERSION_3, 0};
  __user_cap_data_struct none[2] = {};
  Check(syscall(SYS_capset, &header, none) == 0, "drop capabilities");
  Check(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0, "no_new_privs");
  Check(prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) == 0, "not dumpable");
}

void WriteOneFile(int folder) {
  char path[256];
  snprintf(path, sizeof(path), "%s", NextString());
  uint32_t mode;
  uint64_t size;
  memcpy(&mode, cursor, sizeof(mode));
  memcpy(&size, cursor + sizeof(mode), sizeof(size));
  cursor += sizeof(mode) + sizeof(size);
  for (char* slash = strchr(path, '/'); slash != nullptr; slash = strchr(slash + 1, '/')) {
    *slash = '\0';
    Check(mkdirat(folder, path, 0755) == 0 || errno == EEXIST, "make a folder");
    *slash = '/';
  }
  const int fd = openat(folder, path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
  Check(fd >= 0, "create a file");
  for (uint64_t written = 0; written < size;) {
    const ssize_t n = write(fd, cursor + written, size - written);
    Check(n > 0 || errno == EINTR, "write a file");
    if (n > 0) written += static_cast<uint64_t>(n);
  }
  Check(fchmod(fd, mode) == 0, "chmod a file");
  close(fd);
  cursor += size;
}

void SetLimit(int which, uint64_t soft, uint64_t hard) {
  rlimit now;
  if (getrlimit(static_cast<__rlimit_resource>(which), &now) != 0) Fail("getrlimit");
  const rlim_t most = now.rlim_max;  // what our own parent leaves us
  const rlimit limit = {soft < most ? soft : most, hard < most ? hard : most};
  Check(setrlimit(static_cast<__rlimit_resource>(which), &limit) == 0, "setrlimit");
}

void SetLimits() {
  SetLimit(RLIMIT_AS, setup->address_space_bytes, setup->address_space_bytes);
  SetLimit(RLIMIT_CPU, setup->cpu_seconds, setup->cpu_seconds);
  SetLimit(RLIMIT_NPROC, setup->processes, setup->processes);
  SetLimit(RLIMIT_NOFILE, setup->open_files, setup->open_files);
  SetLimit(RLIMIT_FSIZE, setup->disk_bytes, setup->disk_bytes);
  SetLimit(RLIMIT_MSGQUEUE, setup->message_queue_bytes, setup->message_queue_bytes);
  SetLimit(RLIMIT_MEMLOCK, 64 << 10, 64 << 10);
  SetLimit(RLIMIT_CORE, 0, 0);
  SetLimit(RLIMIT_SIGPENDING, 1024, 1024);
  SetLimit(RLIMIT_STACK, 64 << 20, 64 << 20);
}

void InstallFilter(const char* filter) {
  sock_fprog program = {};
  program.len = static_cast<unsigned short>(setup->filter_bytes / sizeof(sock_filter));
  program.filter = reinterpret_cast<sock_filter*>(const_cast<char*>(filter));
  const int listener = static_cast<int>(
      syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &program));
  Check(listener >= 0, "install the filter");
  Report report = {};
  report.event = Event::kListening;
  Send(report, listener);
  close(listener);
}

[[noreturn]] void BecomeTheJob(const char* filter, char** argv, char** environment) {
  setsid();
  sigset_t none;
  sigemptyset(&none);
  sigprocmask(SIG_SETMASK, &none, nullptr);
  SetLimits();
  fcntl(kControlFd, F_SETFD, FD_CLOEXEC);
  InstallFilter(filter);
  // The channel becomes 3 only now, for 3 was the control socket until here.
  const int control = fcntl(kControlFd, F_DUPFD_CLOEXEC, 10);
  if (setup->channel != 0) {
    dup2(kChannelFd, 3);
    close(kChannelFd);
  } else {
    close(3);
    close(kChannelFd);
  }
  execve(argv[0], argv, environment);
  Report report = {};
  report.event = Event::kExecFailed;
  report.error = errno;
  dup2(control, kControlFd);
  Send(report);
  _exit(127);
}

// Pages of SysV segments that nobody has attached belong to no process that could be looked at.
void WatchSharedMemory() {
  shm_info info = {};
  if (shmctl(0, SHM_INFO, reinterpret_cast<shmid_ds*>(&info)) < 0) return;
  if (info.shm_rss * static_cast<uint64_t>(sysconf(_SC_PAGESIZE)) <= setup->memory_bytes) return;
  Report report = {};
  report.event = Event::kSharedMemory;
  Send(report);
}

// Returns the status of `job` when it has ended. Whoever holds the other end of the control socket
// may die: then nothing is worth waiting for.
int WaitFor(pid_t job, int signals) {
  while (true) {
    pollfd events[] = {{signals, POLLIN, 0}, {kControlFd, 0, 0}};
    poll(events, 2, setup->shared_memory != 0 ? 20 : -1);
    if (setup->shared_memory != 0) WatchSharedMemory();
    if ((events[1].revents & (POLLHUP | POLLERR)) != 0) _exit(1);
    signalfd_siginfo ignored;
    while (read(signals, &ignored, sizeof(ignored)) > 0) {
    }
    int status = 0;
    for (pid_t ended; (ended = waitpid(-1, &status, WNOHANG)) > 0;) {
      if (ended == job) return status;
    }
  }
}

void ReportEnd(int status) {
  kill(-1, SIGKILL);
  while (waitpid(-1, nullptr, 0) > 0 || errno == EINTR) {
  }
  rusage used = {};
  getrusage(RUSAGE_CHILDREN, &used);
  Report report = {};
  report.event = Event::kEnded;
  report.status = status;
  report.cpu_microseconds =
      static_cast<uint64_t>(used.ru_utime.tv_sec + used.ru_stime.tv_sec) * 1000000 +
      static_cast<uint64_t>(used.ru_utime.tv_usec + used.ru_stime.tv_usec);
  report.resident_peak_bytes = static_cast<uint64_t>(used.ru_maxrss) * 1024;
  Send(report);
}

// The descriptor alone goes up; no process of the job is left that could change what it shows.
void SendFile(int folder, int index, const char* path) {
  open_how how = {};
  how.flags = O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC | O_NOCTTY;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS | RESOLVE_NO_XDEV;
  const int fd = static_cast<int>(syscall(SYS_openat2, folder, path, &how, sizeof(how)));
  Report report = {};
  report.event = Event::kFetched;
  report.status = index;
  report.error = fd < 0 ? errno : 0;
  Send(report, fd);
  if (fd >= 0) close(fd);
}

int Main() {
  prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
  prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
  MapSetup();
  SayAlive();
  MountFolder();
  DropCapabilities();
  Check(chdir("/tmp") == 0, "enter /tmp");
  const int folder = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC);
  Check(folder >= 0, "open /tmp");

  cursor = reinterpret_cast<const char*>(setup + 1);
  const char* filter = cursor;
  cursor += setup->filter_bytes;
  static char* argv[kStringsMax + 1];
  static char* environment[kStringsMax + 1];
  Check(setup->arguments <= kStringsMax && setup->variables <= kStringsMax, "count the arguments");
  for (uint64_t i = 0; i < setup->arguments; ++i) argv[i] = const_cast<char*>(NextString());
  for (uint64_t i = 0; i < setup->variables; ++i) environment[i] = const_cast<char*>(NextString());
  umask(022);
  for (uint64_t i = 0; i < setup->files; ++i) WriteOneFile(folder);

  sigset_t child_signal;
  sigemptyset(&child_signal);
  sigaddset(&child_signal, SIGCHLD);
  sigprocmask(SIG_BLOCK, &child_signal, nullptr);
  const int signals = signalfd(-1, &child_signal, SFD_NONBLOCK | SFD_CLOEXEC);
  Check(signals >= 0, "signalfd");
  const pid_t job = fork();
  Check(job >= 0, "fork");
  if (job == 0) BecomeTheJob(filter, argv, environment);
  for (int fd : {0, 1, 2, kChannelFd}) close(fd);

  ReportEnd(WaitFor(job, signals));
  for (uint64_t i = 0; i < setup->fetches; ++i) SendFile(folder, static_cast<int>(i), NextString());
  return 0;
}

}  // namespace
}  // namespace temper::sandbox

int main() { return temper::sandbox::Main(); }
