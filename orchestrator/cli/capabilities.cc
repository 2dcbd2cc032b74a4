// Asks the system, and the control groups above this process.
#include "orchestrator/cli/capabilities.h"

#include <unistd.h>

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "absl/strings/str_cat.h"
#include "base/rpc.h"
#include "base/system_file.h"
#include "kernels/device.h"

namespace temper::cli {
namespace {

// The least of the limits that `file` states in `group` and the groups above it, up to `root`; a
// group that has no limit says "max" (version 2) or a number beyond any memory (version 1).
int64_t LeastLimit(const std::string& root, std::string group, const std::string& file,
                   int64_t least) {
  while (true) {
    int64_t limit = 0;
    if (ToNumber(ReadSystemFile(absl::StrCat(root, group, "/", file)), &limit) && limit > 0) {
      least = std::min(least, limit);
    }
    const size_t last = group.rfind('/');
    if (last == group.npos) return least;
    group.resize(last);
  }
}

}  // namespace

int64_t MemoryBytesMax() {
  int64_t least = static_cast<int64_t>(sysconf(_SC_PHYS_PAGES)) * sysconf(_SC_PAGESIZE);
  const std::string groups = ReadSystemFile("/proc/self/cgroup");
  for (const std::string_view line : Split(groups, '\n')) {  // number:controllers:group
    const std::vector<std::string_view> fields = Split(line, ':');
    if (fields.size() != 3) continue;
    std::string group(fields[2]);
    if (group == "/") group.clear();
    if (fields[0] == "0" && fields[1].empty()) {
      least = LeastLimit("/sys/fs/cgroup", group, "memory.max", least);
    } else if (fields[1] == "memory") {
      least = LeastLimit("/sys/fs/cgroup/memory", group, "memory.limit_in_bytes", least);
    }
  }
  return least;
}

v1::Capabilities OwnCapabilities(int runs_max) {
  v1::Capabilities capabilities;
  capabilities.set_host_id(HostId());
  capabilities.set_device(kernels::DescribeCpu());
  capabilities.set_threads(kernels::CoresAllowed());
  capabilities.set_memory_bytes(MemoryBytesMax());
  capabilities.add_dtypes("float32");
  capabilities.add_dtypes("bfloat16");
  capabilities.set_runs_max(runs_max);
  return capabilities;
}

}  // namespace temper::cli
