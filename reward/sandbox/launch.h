// Starts bubblewrap around the starter: one new sandbox.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "reward/sandbox/cgroup.h"
#include "reward/sandbox/job.h"
#include "base/unique_fd.h"

namespace temper::sandbox {

// What is the same for every job of this process. Const after construction.
struct LaunchPad {
  std::string bubblewrap;  // path
  std::string filter;      // see BuildSeccompFilter
  UniqueFd starter;        // the starter's program
  bool root = false;       // we are root: jobs run as another user, whom nothing belongs to
};

// A sandbox that is starting. Our ends do not block.
struct Launched {
  pid_t bubblewrap = -1;
  UniqueFd ended;  // pidfd of bubblewrap
  UniqueFd standard_output, standard_error, control, channel;
};

// The user as whom jobs run when we are root. Chosen far from the numbers that systems give away,
// another one for each of our processes.
uid_t JobUser();

// FAILED_PRECONDITION, RESOURCE_EXHAUSTED, ...: our fault or the machine's, never the job's. The
// caller reaps `bubblewrap`. The sandbox dies with the thread that calls this.
absl::StatusOr<Launched> Launch(const LaunchPad& pad, const Job& job, const Cgroup* group);

}  // namespace temper::sandbox
