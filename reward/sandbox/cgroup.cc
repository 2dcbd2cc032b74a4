// Speaks to /sys/fs/cgroup by reading and writing small files.
#include "reward/sandbox/cgroup.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>

#include <atomic>
#include <cerrno>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/file.h"
#include "base/system_file.h"
#include "base/wait.h"

namespace temper::sandbox {
namespace {

constexpr std::string_view kRoot = "/sys/fs/cgroup";
constexpr std::string_view kPrefix = "temper-job.";  // then: pid of the owner, its start, a number

bool Write(const std::string& path, std::string_view text) {
  const UniqueFd fd(open(path.c_str(), O_WRONLY | O_CLOEXEC));
  return fd.open() &&
         write(fd.get(), text.data(), text.size()) == static_cast<ssize_t>(text.size());
}

int64_t ReadNumber(const std::string& path) {
  int64_t number = 0;
  return ToNumber(ReadSystemFile(path), &number) ? number : 0;
}

// The number behind `key` in lines "key number".
int64_t ReadKey(const std::string& path, std::string_view key) {
  const std::string text = ReadSystemFile(path);
  for (std::string_view line : Split(text, '\n')) {
    int64_t number = 0;
    if (line.starts_with(key) && line.substr(key.size()).starts_with(' ') &&
        ToNumber(line.substr(key.size()), &number)) {
      return number;
    }
  }
  return 0;
}

// When a process began, in ticks since boot: with its pid it names it for good. 0: no such process.
int64_t StartOf(int64_t pid) {
  const std::string stat = ReadSystemFile(absl::StrCat("/proc/", pid, "/stat"));
  const std::vector<std::string_view> fields = StatFields(stat);
  int64_t start = 0;
  return fields.size() > 19 && ToNumber(fields[19], &start) ? start : 0;
}

std::string OwnName() {
  return absl::StrCat(std::string(kPrefix), getpid(), ".", StartOf(getpid()), ".");
}

// A group that was just emptied may be busy for a moment.
void RemoveGroup(const std::string& folder) {
  const Waiting waiting(Wait::OrDrop("an emptied control group", absl::Milliseconds(100)));
  do {
    if (rmdir(folder.c_str()) == 0 || errno == ENOENT) return;
    const std::string processes = ReadSystemFile(folder + "/cgroup.procs");
    for (std::string_view line : Split(processes, '\n')) {
      int64_t pid = 0;
      if (ToNumber(line, &pid) && pid > 1) kill(static_cast<pid_t>(pid), SIGKILL);
    }
  } while (waiting.Nap(absl::Milliseconds(2)));
}

void SweepDeadOwners(const std::string& parent) {
  DIR* folder = opendir(parent.c_str());
  if (folder == nullptr) return;
  std::vector<std::string> stale;
  while (const dirent* entry = readdir(folder)) {
    const std::string_view name = entry->d_name;
    if (!name.starts_with(kPrefix)) continue;
    const std::vector<std::string_view> parts = Split(name.substr(kPrefix.size()), '.');
    int64_t pid = 0, start = 0;
    if (parts.size() == 3 && ToNumber(parts[0], &pid) && ToNumber(parts[1], &start) &&
        StartOf(pid) != start) {
      stale.push_back(JoinPath(parent, name));
    }
  }
  closedir(folder);
  for (const std::string& path : stale) RemoveGroup(path);
}

// Our own group in the hierarchy of `controller` ("" for version 2); empty where it is not there.
std::string OwnFolder(std::string_view controller) {
  const std::string groups = ReadSystemFile("/proc/self/cgroup");
  for (std::string_view line : Split(groups, '\n')) {
    const size_t first = line.find(':');
    const size_t second = line.find(':', first + 1);
    if (first == line.npos || second == line.npos) continue;
    for (std::string_view name : Split(line.substr(first + 1, second - first - 1), ',')) {
      if (name != controller) continue;
      std::string_view below = line.substr(second + 1);
      if (below.starts_with('/')) below.remove_prefix(1);
      const std::string root =
          controller.empty() ? std::string(kRoot) : JoinPath(kRoot, controller);
      // "..": of another cgroup namespace.
      return below.empty() || below.find("..") != below.npos ? root : JoinPath(root, below);
    }
  }
  return "";
}

}  // namespace

Cgroup::Cgroup(CgroupKind kind, std::vector<std::string> folders)
    : kind_(kind), folders_(std::move(folders)) {
  std::vector<UniqueFd> entrances;
  for (const std::string& folder : folders_) {
    if (mkdir(folder.c_str(), 0755) != 0 && errno != EEXIST) return;
    UniqueFd fd(open((folder + "/cgroup.procs").c_str(), O_WRONLY | O_CLOEXEC));
    if (!fd.open()) return;
    entrances.push_back(std::move(fd));
  }
  entrances_ = std::move(entrances);
}

Cgroup::~Cgroup() {
  entrances_.clear();
  for (const std::string& folder : folders_) RemoveGroup(folder);
}

bool Cgroup::SetLimits(int64_t memory_bytes, int processes) {
  if (!ready()) return false;
  const std::string& memory = folders_.front();
  const std::string& pids = folders_.back();
  memory_kills_before_ = MemoryKillsEver();
  bool done = Write(pids + "/pids.max", absl::StrCat(processes + 2));  // bubblewrap and the starter
  if (kind_ == CgroupKind::kV2) {
    done &= Write(memory + "/memory.max", absl::StrCat(memory_bytes));
    Write(memory + "/memory.swap.max", "0");
    Write(memory + "/memory.oom.group", "1");
    return done;
  }
  // Memory first down, then with swap; a larger limit goes the other way round.
  const std::string limit = absl::StrCat(memory_bytes);
  const std::string with_swap = memory + "/memory.memsw.limit_in_bytes";
  if (!Write(memory + "/memory.limit_in_bytes", limit)) {
    Write(with_swap, limit);
    done &= Write(memory + "/memory.limit_in_bytes", limit);
  }
  Write(with_swap, limit);
  Write(memory + "/memory.max_usage_in_bytes", "0");
  return done;
}

int64_t Cgroup::PeakBytes() const {
  if (kind_ == CgroupKind::kV2) return 0;
  return ReadNumber(folders_.front() + "/memory.max_usage_in_bytes");
}

int64_t Cgroup::MemoryKillsEver() const {
  const char* file = kind_ == CgroupKind::kV2 ? "/memory.events" : "/memory.oom_control";
  return ReadKey(folders_.front() + file, "oom_kill");
}

int64_t Cgroup::MemoryKills() const { return MemoryKillsEver() - memory_kills_before_; }

bool Cgroup::Empty() const { return ReadSystemFile(folders_.front() + "/cgroup.procs").empty(); }

CgroupPool::CgroupPool() {
  // Version 2 gives controllers only to groups below one that has no processes of its own: our own
  // group where it was made for us, more often one above it.
  const std::string own = OwnFolder("");
  for (std::string parent = own; parent.size() >= kRoot.size(); parent = Dirname(parent)) {
    if (Try(CgroupKind::kV2, {parent})) return;
  }
  const std::string memory = OwnFolder("memory");
  const std::string pids = OwnFolder("pids");
  if (!memory.empty() && !pids.empty()) Try(CgroupKind::kV1, {memory, pids});
}

bool CgroupPool::Try(CgroupKind kind, std::vector<std::string> parents) {
  for (const std::string& parent : parents) SweepDeadOwners(parent);
  kind_ = kind;
  parents_ = std::move(parents);
  std::unique_ptr<Cgroup> first = Take();
  if (first != nullptr && first->SetLimits(64 << 20, 16)) {
    GiveBack(std::move(first));
    return true;
  }
  kind_ = CgroupKind::kNone;
  return false;
}

std::unique_ptr<Cgroup> CgroupPool::Take() {
  if (kind_ == CgroupKind::kNone) return nullptr;
  {
    MutexLock lock(mutex_);
    if (!free_.empty()) {
      std::unique_ptr<Cgroup> kept = std::move(free_.back());
      free_.pop_back();
      return kept;
    }
  }
  // Of the whole process: groups of two pools must not be one.
  static std::atomic<int64_t> made{0};
  const std::string name = absl::StrCat(OwnName(), made.fetch_add(1));
  std::vector<std::string> folders;
  for (const std::string& parent : parents_) folders.push_back(JoinPath(parent, name));
  auto group = std::make_unique<Cgroup>(kind_, std::move(folders));
  return group->ready() ? std::move(group) : nullptr;
}

void CgroupPool::GiveBack(std::unique_ptr<Cgroup> group) {
  if (group == nullptr || !group->Empty()) return;  // removed, with whatever is in it
  MutexLock lock(mutex_);
  free_.push_back(std::move(group));
}

}  // namespace temper::sandbox
