// Finds what the machine has, tries it, and hands out processes.
#include "reward/sandbox/sandbox.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "base/file.h"
#include "base/status_macros.h"
#include "reward/sandbox/seccomp_filter.h"
#include "reward/sandbox/starter_program.h"

namespace temper::sandbox {
namespace {

constexpr std::string_view kNamespaces = "namespaces";
constexpr std::string_view kCgroup = "cgroup";

// The starter is part of this program; it is executed from memory.
absl::StatusOr<UniqueFd> StarterFile() {
  const std::string_view program = StarterProgram();
  const UniqueFd writable(memfd_create("starter", MFD_CLOEXEC | MFD_ALLOW_SEALING));
  if (!writable.open() || write(writable.get(), program.data(), program.size()) !=
                              static_cast<ssize_t>(program.size())) {
    return ErrnoStatus("the starter", "write");
  }
  fcntl(writable.get(), F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE);
  const std::string path = absl::StrCat("/proc/self/fd/", writable.get());
  UniqueFd readable(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (!readable.open()) return ErrnoStatus("the starter", "open");
  return readable;
}

}  // namespace

std::string Isolation::Level() const {
  return std::string(cgroups == CgroupKind::kNone ? kNamespaces : kCgroup);
}

std::string Isolation::ToString() const {
  const char* memory = cgroups == CgroupKind::kV2   ? "cgroup v2"
                       : cgroups == CgroupKind::kV1 ? "cgroup v1"
                                                    : "rlimits and a look every 20 ms (no cgroup)";
  return absl::StrCat("isolation \"", Level(), "\": bubblewrap namespaces, seccomp allow-list, ",
                      separate_user ? "each job a user of its own" : "rootless",
                      "; memory and processes bounded by ", memory);
}

absl::Status CheckIsolationMin(std::string_view isolation_min) {
  if (isolation_min == kNamespaces || isolation_min == kCgroup) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat("isolation_min: found \"",
                                                 absl::CEscape(std::string(isolation_min)),
                                                 "\", expected \"namespaces\" or \"cgroup\""));
}

absl::StatusOr<std::unique_ptr<Sandbox>> Sandbox::Open(const Options& options) {
  TEMPER_RETURN_IF_ERROR(CheckIsolationMin(options.isolation_min));
  std::unique_ptr<Sandbox> sandbox(new Sandbox);
  LaunchPad& pad = sandbox->pad_;
  std::vector<std::string> places = {"/usr/bin/bwrap", "/usr/local/bin/bwrap", "/bin/bwrap"};
  if (!options.bubblewrap.empty()) places = {options.bubblewrap};
  for (const std::string& path : places) {
    if (pad.bubblewrap.empty() && access(path.c_str(), X_OK) == 0) pad.bubblewrap = path;
  }
  if (pad.bubblewrap.empty()) {
    return absl::FailedPreconditionError(
        absl::StrCat("the sandbox needs bubblewrap, and ", places.front(),
                     " is not there: apt-get install bubblewrap (scripts/install does it)"));
  }
  TEMPER_ASSIGN_OR_RETURN(pad.filter, BuildSeccompFilter());
  TEMPER_ASSIGN_OR_RETURN(pad.starter, StarterFile());
  pad.root = geteuid() == 0;
  sandbox->isolation_.separate_user = pad.root;
  if (options.use_cgroups) sandbox->groups_ = std::make_unique<CgroupPool>();
  absl::Status tried = sandbox->Try();
  if (!tried.ok() && sandbox->groups_ != nullptr) {
    sandbox->groups_.reset();  // it may be the cgroups that do not work
    tried = sandbox->Try();
  }
  if (!tried.ok()) {
    return absl::FailedPreconditionError(absl::StrCat(
        "this machine gives no sandbox (are user namespaces allowed? "
        "/proc/sys/user/max_user_namespaces, kernel.apparmor_restrict_unprivileged_userns, the "
        "container's seccomp profile): ",
        tried.message()));
  }
  if (sandbox->groups_ != nullptr) sandbox->isolation_.cgroups = sandbox->groups_->kind();
  if (options.isolation_min == kCgroup && sandbox->isolation_.cgroups == CgroupKind::kNone) {
    return absl::FailedPreconditionError(absl::StrCat(
        "isolation_min is \"cgroup\" and this machine gives ", sandbox->isolation_.ToString(),
        "; delegate a cgroup with the controllers memory and pids, or lower isolation_min"));
  }
  return sandbox;
}

absl::Status Sandbox::Try() const {
  Job job;
  job.argv = {"/usr/bin/true"};
  TEMPER_ASSIGN_OR_RETURN(const Outcome outcome, Run(job));
  if (outcome.Succeeded()) return absl::OkStatus();
  return absl::InternalError(absl::StrCat("/usr/bin/true ended with ", outcome.exit_code,
                                          ", signal ", outcome.signal, ", limit ",
                                          LimitName(outcome.limit), outcome.violation,
                                          outcome.exec_error, ": ", outcome.standard_error));
}

absl::StatusOr<std::unique_ptr<Process>> Sandbox::Start(const Job& job) const {
  TEMPER_RETURN_IF_ERROR(CheckJob(job));
  std::unique_ptr<Cgroup> group;
  if (groups_ != nullptr && groups_->kind() != CgroupKind::kNone) {
    group = groups_->Take();
    if (group == nullptr || !group->SetLimits(job.limits.memory_bytes, job.limits.processes)) {
      return absl::UnavailableError("a cgroup cannot be made or limited");
    }
  }
  CgroupPool* groups = groups_.get();
  return Process::Start(pad_, job, std::move(group), [groups](std::unique_ptr<Cgroup> given) {
    groups->GiveBack(std::move(given));
  });
}

absl::StatusOr<Outcome> Sandbox::Run(const Job& job) const {
  TEMPER_ASSIGN_OR_RETURN(std::unique_ptr<Process> process, Start(job));
  Process* const driven[] = {process.get()};
  Drive(driven);
  TEMPER_RETURN_IF_ERROR(process->status());
  return process->outcome();
}

}  // namespace temper::sandbox
