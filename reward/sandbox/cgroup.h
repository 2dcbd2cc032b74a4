// Control groups that bound the memory and the processes of a job as a whole.
//
// Version 2 where a subtree is delegated to us, version 1 (memory and pids) where we may write,
// else none: then rlimits and a poller bound the job, see Process.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/mutex.h"
#include "base/unique_fd.h"

namespace temper::sandbox {

enum class CgroupKind { kNone, kV1, kV2 };

// One group, for one job at a time. Removed when destroyed.
class Cgroup {
 public:
  Cgroup(CgroupKind kind, std::vector<std::string> folders);
  ~Cgroup();

  bool ready() const { return !entrances_.empty(); }
  // False when the system refuses: the group is of no use then.
  bool SetLimits(int64_t memory_bytes, int processes);
  // Descriptors into which a process writes "0" to enter.
  const std::vector<UniqueFd>& entrances() const { return entrances_; }

  // Since SetLimits; 0 where the system cannot say (version 2 keeps the peak of earlier jobs).
  int64_t PeakBytes() const;
  // Processes killed for memory since SetLimits.
  int64_t MemoryKills() const;
  bool Empty() const;

 private:
  int64_t MemoryKillsEver() const;

  const CgroupKind kind_;
  const std::vector<std::string> folders_;  // v1: memory, pids
  std::vector<UniqueFd> entrances_;
  int64_t memory_kills_before_ = 0;
};

// Makes groups and keeps them for the next job, as making one costs milliseconds. Any thread.
class CgroupPool {
 public:
  // Finds out what this machine gives, and sweeps groups whose owner is dead.
  CgroupPool();

  CgroupKind kind() const { return kind_; }
  // nullptr when none can be made.
  std::unique_ptr<Cgroup> Take();
  void GiveBack(std::unique_ptr<Cgroup> group);

 private:
  bool Try(CgroupKind kind, std::vector<std::string> parents);

  CgroupKind kind_ = CgroupKind::kNone;
  std::vector<std::string> parents_;
  Mutex mutex_;
  std::vector<std::unique_ptr<Cgroup>> free_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace temper::sandbox
