// Walks /proc/<pid>/task/<tid>/children.
#include "reward/sandbox/process_tree.h"

#include <dirent.h>
#include <unistd.h>

#include <string>
#include <string_view>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/system_file.h"

namespace temper::sandbox {
namespace {

constexpr size_t kProcessesMax = 40000;

void AddChildren(pid_t pid, std::vector<pid_t>& pids) {
  const std::string folder = absl::StrCat("/proc/", pid, "/task");
  DIR* threads = opendir(folder.c_str());
  if (threads == nullptr) return;
  while (const dirent* entry = readdir(threads)) {
    if (entry->d_name[0] == '.') continue;
    const std::string children =
        ReadSystemFile(absl::StrCat(folder, "/", entry->d_name, "/children"));
    for (std::string_view child : Split(children, ' ')) {
      int64_t number;
      if (ToNumber(child, &number)) pids.push_back(static_cast<pid_t>(number));
    }
  }
  closedir(threads);
}

double CpuSeconds(pid_t pid) {
  const std::string stat = ReadSystemFile(absl::StrCat("/proc/", pid, "/stat"));
  const std::vector<std::string_view> fields = StatFields(stat);
  double ticks = 0;
  for (size_t i = 11; i <= 14 && i < fields.size(); ++i) {  // utime, stime, cutime, cstime
    int64_t part = 0;
    if (ToNumber(fields[i], &part)) ticks += static_cast<double>(part);
  }
  return ticks / static_cast<double>(sysconf(_SC_CLK_TCK));
}

int64_t ResidentBytes(pid_t pid) {
  const std::string statm = ReadSystemFile(absl::StrCat("/proc/", pid, "/statm"));
  const std::vector<std::string_view> fields = Split(statm, ' ');
  int64_t pages = 0;
  if (fields.size() < 2 || !ToNumber(fields[1], &pages)) return 0;
  return pages * sysconf(_SC_PAGESIZE);
}

// Pages that n processes share count 1/n for each.
int64_t ProportionalBytes(pid_t pid) {
  const std::string rollup = ReadSystemFile(absl::StrCat("/proc/", pid, "/smaps_rollup"));
  for (std::string_view line : Split(rollup, '\n')) {
    int64_t kib = 0;
    if (line.starts_with("Pss:") && ToNumber(line.substr(4), &kib)) return kib << 10;
  }
  return -1;
}

}  // namespace

TreeUse UseOfTree(pid_t root, int64_t memory_limit) {
  TreeUse use;
  std::vector<pid_t> pids = {root};
  for (size_t i = 0; i < pids.size() && i < kProcessesMax; ++i) {
    const pid_t pid = pids[i];
    AddChildren(pid, pids);
    use.cpu_seconds += CpuSeconds(pid);
    if (memory_limit > 0) use.memory_bytes += ResidentBytes(pid);
  }
  use.processes = static_cast<int>(pids.size());
  if (memory_limit <= 0 || use.memory_bytes <= memory_limit) return use;
  use.memory_bytes = 0;
  for (const pid_t pid : pids) {
    const int64_t bytes = ProportionalBytes(pid);
    use.memory_bytes += bytes >= 0 ? bytes : ResidentBytes(pid);
  }
  return use;
}

pid_t PidBehind(int pidfd) {
  const std::string about = ReadSystemFile(absl::StrCat("/proc/self/fdinfo/", pidfd));
  for (std::string_view line : Split(about, '\n')) {
    int64_t pid = 0;
    if (line.starts_with("Pid:") && ToNumber(line.substr(4), &pid)) {
      return pid > 0 ? static_cast<pid_t>(pid) : 0;
    }
  }
  return 0;
}

}  // namespace temper::sandbox
