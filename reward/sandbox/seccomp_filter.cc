// Builds the filter with libseccomp; each list says why it is one.
#include "reward/sandbox/seccomp_filter.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <seccomp.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdlib>
#include <memory>

#include "absl/strings/str_cat.h"
#include "base/unique_fd.h"

namespace temper::sandbox {
namespace {

// What Python, g++ and the programs they make need.
constexpr const char* kAllowed[] = {
    // files
    "access", "chdir", "chmod", "chown", "close", "close_range", "copy_file_range", "creat", "dup",
    "dup2", "dup3", "faccessat", "faccessat2", "fadvise64", "fallocate", "fchdir", "fchmod",
    "fchmodat", "fchown", "fchownat", "fdatasync", "fgetxattr", "flistxattr", "fstat", "fstatfs",
    "fsync", "ftruncate", "getcwd", "getdents", "getdents64", "getxattr", "lchown", "lgetxattr",
    "link", "linkat", "listxattr", "llistxattr", "lseek", "lstat", "mkdir", "mkdirat", "mknod",
    "mknodat", "newfstatat", "open", "openat", "openat2", "pipe", "pipe2", "pread64", "preadv",
    "preadv2", "pwrite64", "pwritev", "pwritev2", "read", "readahead", "readlink", "readlinkat",
    "readv", "rename", "renameat", "renameat2", "rmdir", "sendfile", "splice", "stat", "statfs",
    "statx", "symlink", "symlinkat", "tee", "truncate", "umask", "unlink", "unlinkat", "utime",
    "utimensat", "utimes", "futimesat", "write", "writev",
    // waiting
    "epoll_create", "epoll_create1", "epoll_ctl", "epoll_pwait", "epoll_pwait2", "epoll_wait",
    "eventfd", "eventfd2", "poll", "ppoll", "pselect6", "select", "signalfd", "signalfd4",
    "timerfd_create", "timerfd_gettime", "timerfd_settime",
    // memory
    "brk", "madvise", "membarrier", "mincore", "mlock", "mlock2", "mmap", "mprotect", "mremap",
    "msync", "munlock", "munmap", "get_mempolicy", "pkey_alloc", "pkey_free", "pkey_mprotect",
    // processes and threads
    "arch_prctl", "capget", "execve", "execveat", "exit", "exit_group", "fork", "futex", "getcpu",
    "getegid", "geteuid", "getgid", "getgroups", "getpgid", "getpgrp", "getpid", "getppid",
    "getpriority", "getresgid", "getresuid", "getrlimit", "getrusage", "getsid", "gettid", "getuid",
    "get_robust_list", "kill", "pause", "pidfd_open", "pidfd_send_signal", "prctl", "prlimit64",
    "restart_syscall", "rseq", "sched_getaffinity", "sched_getattr", "sched_getparam",
    "sched_get_priority_max", "sched_get_priority_min", "sched_getscheduler",
    "sched_rr_get_interval", "sched_setaffinity", "sched_yield", "setfsgid", "setfsuid", "setgid",
    "setgroups", "setpgid", "setpriority", "setregid", "setresgid", "setresuid", "setreuid",
    "setrlimit", "setsid", "setuid", "set_robust_list", "set_tid_address", "tgkill", "time",
    "times", "tkill", "uname", "vfork", "wait4", "waitid",
    // signals and time
    "alarm", "clock_getres", "clock_gettime", "clock_nanosleep", "getitimer", "gettimeofday",
    "nanosleep", "rt_sigaction", "rt_sigpending", "rt_sigprocmask", "rt_sigqueueinfo",
    "rt_sigreturn", "rt_sigsuspend", "rt_sigtimedwait", "rt_tgsigqueueinfo", "setitimer",
    "sigaltstack", "timer_create", "timer_delete", "timer_getoverrun", "timer_gettime",
    "timer_settime",
    // between the job's own processes; the namespaces keep others out
    "mq_getsetattr", "mq_notify", "mq_open", "mq_timedreceive", "mq_timedsend", "mq_unlink",
    "msgctl", "msgget", "msgrcv", "msgsnd", "semctl", "semget", "semop", "semtimedop", "shmat",
    "shmctl", "shmdt", "shmget", "recvfrom", "recvmsg", "recvmmsg", "sendmmsg", "sendmsg", "sendto",
    "shutdown", "getsockname", "getpeername", "getsockopt", "setsockopt",
    // harmless questions
    "getrandom", "sysinfo"};

// No honest program makes them: a debugger's look into others, the system's mounts and its kernel.
constexpr const char* kViolations[] = {"ptrace",
                                       "process_vm_readv",
                                       "process_vm_writev",
                                       "process_madvise",
                                       "kcmp",
                                       "pidfd_getfd",
                                       "mount",
                                       "umount2",
                                       "pivot_root",
                                       "move_mount",
                                       "open_tree",
                                       "fsopen",
                                       "fsconfig",
                                       "fsmount",
                                       "fspick",
                                       "mount_setattr",
                                       "chroot",
                                       "setns",
                                       "init_module",
                                       "finit_module",
                                       "delete_module",
                                       "kexec_load",
                                       "kexec_file_load",
                                       "reboot",
                                       "swapon",
                                       "swapoff",
                                       "acct",
                                       "iopl",
                                       "ioperm",
                                       "open_by_handle_at",
                                       "connect",
                                       "bind",
                                       "listen",
                                       "accept",
                                       "accept4"};

// Refused with EPERM where a kernel would say so too.
constexpr const char* kNotPermitted[] = {
    "unshare",       "bpf",           "perf_event_open", "keyctl",        "add_key",
    "request_key",   "settimeofday",  "clock_settime",   "clock_adjtime", "adjtimex",
    "sethostname",   "setdomainname", "syslog",          "quotactl",      "personality",
    "capset",        "vhangup",       "migrate_pages",   "move_pages",    "sched_setscheduler",
    "sched_setattr", "sched_setparam"};

class Filter {
 public:
  Filter() : context_(seccomp_init(SCMP_ACT_ERRNO(ENOSYS)), seccomp_release) {}

  // Names that this libseccomp does not know are left out: the default refuses them.
  void Add(uint32_t action, const char* name, std::initializer_list<scmp_arg_cmp> when = {}) {
    if (!context_ || failed_ != 0) return;
    const int number = seccomp_syscall_resolve_name(name);
    if (number == __NR_SCMP_ERROR || number < 0) return;
    const int result = seccomp_rule_add_array(context_.get(), action, number,
                                              static_cast<unsigned>(when.size()), when.begin());
    if (result != 0) failed_ = result;
  }

  // A call by the numbers of another architecture (i386, x32) fails like one that does not exist.
  void RefuseOtherArchitectures() {
    if (context_) {
      failed_ = seccomp_attr_set(context_.get(), SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_ERRNO(ENOSYS));
    }
  }

  absl::StatusOr<std::string> Export() const {
    if (!context_ || failed_ != 0) {
      return absl::InternalError(absl::StrCat("libseccomp refuses a rule: ", -failed_));
    }
    const UniqueFd file(memfd_create("filter", MFD_CLOEXEC));
    if (!file.open() || seccomp_export_bpf(context_.get(), file.get()) != 0) {
      return absl::InternalError("libseccomp cannot write the filter");
    }
    std::string program(static_cast<size_t>(lseek(file.get(), 0, SEEK_END)), '\0');
    if (pread(file.get(), program.data(), program.size(), 0) !=
        static_cast<ssize_t>(program.size())) {
      return absl::InternalError("the filter cannot be read back");
    }
    return program;
  }

 private:
  std::unique_ptr<void, void (*)(scmp_filter_ctx)> context_;
  int failed_ = 0;
};

void AddSockets(Filter& filter) {
  // A name lookup or syslog may try these; there is nothing behind them.
  for (const uint64_t family : {AF_UNIX, AF_NETLINK}) {
    filter.Add(SCMP_ACT_ERRNO(EAFNOSUPPORT), "socket", {SCMP_A0(SCMP_CMP_EQ, family)});
  }
  // A rule may name an argument only once, so "neither of them" takes several.
  for (uint64_t family = 0; family < AF_NETLINK; ++family) {
    if (family == AF_UNIX) continue;
    filter.Add(SCMP_ACT_NOTIFY, "socket", {SCMP_A0(SCMP_CMP_EQ, family)});
  }
  filter.Add(SCMP_ACT_NOTIFY, "socket", {SCMP_A0(SCMP_CMP_GT, AF_NETLINK)});
  filter.Add(SCMP_ACT_ALLOW, "socketpair", {SCMP_A0(SCMP_CMP_EQ, AF_UNIX)});
}

void AddProcesses(Filter& filter) {
  constexpr uint64_t kNamespaces = CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC |
                                   CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWTIME;
  // CLONE_NEWTIME shares its bit with the exit signal, which glibc keeps at SIGCHLD or 0.
  filter.Add(SCMP_ACT_ALLOW, "clone", {SCMP_A0(SCMP_CMP_MASKED_EQ, kNamespaces, 0)});
  // clone3 keeps its flags in memory, where no filter can read them: it does not exist, and glibc
  // falls back to clone.
}

// Jobs share the files under /usr: a lock, a lease or a watch on one is a signal to another job.
void AddDescriptors(Filter& filter) {
  constexpr uint64_t kLockCommands[] = {F_GETLK,     F_SETLK,     F_SETLKW,
                                        F_OFD_GETLK, F_OFD_SETLK, F_OFD_SETLKW,
                                        F_SETLEASE,  F_GETLEASE,  F_NOTIFY};
  for (const uint64_t command : kLockCommands) {
    filter.Add(SCMP_ACT_ERRNO(ENOLCK), "fcntl", {SCMP_A1(SCMP_CMP_MASKED_EQ, 0xffffffff, command)});
  }
  constexpr uint64_t kOtherCommands[] = {F_DUPFD,      F_DUPFD_CLOEXEC, F_GETFD,  F_SETFD,
                                         F_GETFL,      F_SETFL,         F_GETOWN, F_SETOWN,
                                         F_SETPIPE_SZ, F_GETPIPE_SZ,    F_SETSIG, F_GETSIG};
  for (const uint64_t command : kOtherCommands) {
    filter.Add(SCMP_ACT_ALLOW, "fcntl", {SCMP_A1(SCMP_CMP_MASKED_EQ, 0xffffffff, command)});
  }
  filter.Add(SCMP_ACT_ERRNO(ENOLCK), "flock");
  constexpr uint64_t kAllowedIoctls[] = {TCGETS,   FIONREAD,   FIONBIO,  FIOCLEX,
                                         FIONCLEX, TIOCGWINSZ, TIOCGPGRP};
  for (const uint64_t request : kAllowedIoctls) {
    filter.Add(SCMP_ACT_ALLOW, "ioctl", {SCMP_A1(SCMP_CMP_MASKED_EQ, 0xffffffff, request)});
  }
}

}  // namespace

absl::StatusOr<std::string> BuildSeccompFilter() {
  Filter filter;
  filter.RefuseOtherArchitectures();
  for (const char* name : kAllowed) filter.Add(SCMP_ACT_ALLOW, name);
  for (const char* name : kViolations) filter.Add(SCMP_ACT_NOTIFY, name);
  for (const char* name : kNotPermitted) filter.Add(SCMP_ACT_ERRNO(EPERM), name);
  AddSockets(filter);
  AddProcesses(filter);
  AddDescriptors(filter);
  return filter.Export();
}

std::string SystemCallName(int number) {
  char* name = seccomp_syscall_resolve_num_arch(SCMP_ARCH_NATIVE, number);
  if (name == nullptr) return absl::StrCat("system call ", number);
  std::string copied = name;
  std::free(name);
  return copied;
}

}  // namespace temper::sandbox
