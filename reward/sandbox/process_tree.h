// What a process and all that descend from it use, as /proc tells it.
#pragma once

#include <sys/types.h>

#include <cstdint>

namespace temper::sandbox {

struct TreeUse {
  double cpu_seconds = 0;    // of the living, and of the dead whom they have waited for
  int64_t memory_bytes = 0;  // resident; shared pages count once where it matters
  int processes = 0;
};

// Memory is looked at only where `memory_limit` is not 0; above it, shared pages are told apart,
// which is slow. Processes that come or go meanwhile may be missed.
TreeUse UseOfTree(pid_t root, int64_t memory_limit);

// The process that a pidfd stands for, in our own numbers; 0 when it is gone.
pid_t PidBehind(int pidfd);

}  // namespace temper::sandbox
