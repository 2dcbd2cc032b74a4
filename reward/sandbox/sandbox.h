// Runs programs that nobody trusts.
//
// docs/sandbox.md says what each layer stops. Nothing of a job outlives it: its processes, mounts,
// IPC objects and files go with its namespaces.
#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "reward/sandbox/cgroup.h"
#include "reward/sandbox/job.h"
#include "reward/sandbox/process.h"

namespace temper::sandbox {

// What this machine gives.
struct Isolation {
  bool separate_user = false;  // we are root: each job runs as a user of its own
  CgroupKind cgroups = CgroupKind::kNone;

  // "namespaces" < "cgroup".
  std::string Level() const;
  // One line.
  std::string ToString() const;
};

// Any thread; a Process that it starts belongs to the thread that started it.
class Sandbox {
 public:
  struct Options {
    // Open() refuses a machine that gives less: "namespaces" (what there is at least) or "cgroup"
    // (the kernel bounds the memory of a job as a whole, not a look every 20 ms).
    std::string isolation_min = "namespaces";
    bool use_cgroups = true;
    std::string bubblewrap;  // empty: where distributions put it
  };

  // Tries the machine by running a job. FAILED_PRECONDITION says what is missing, e.g. that
  // bubblewrap is not installed, or that less than isolation_min is given; INVALID_ARGUMENT for an
  // unknown isolation_min.
  static absl::StatusOr<std::unique_ptr<Sandbox>> Open(const Options& options);

  const Isolation& isolation() const { return isolation_; }

  // INVALID_ARGUMENT before anything starts, see CheckJob; else a failure is ours, never the job's.
  absl::StatusOr<std::unique_ptr<Process>> Start(const Job& job) const;
  // Starts, waits, returns what came of it.
  absl::StatusOr<Outcome> Run(const Job& job) const;

 private:
  Sandbox() = default;
  absl::Status Try() const;

  LaunchPad pad_;
  Isolation isolation_;
  std::unique_ptr<CgroupPool> groups_;
};

// INVALID_ARGUMENT for what is no level of isolation.
absl::Status CheckIsolationMin(std::string_view isolation_min);

}  // namespace temper::sandbox
