// Keeps child processes of this program alive.
//
// Owned by the main thread of `temper run`: children ask the kernel to die with the thread that
// made them. A child that ends is started again after a growing pause; too many deaths in a row end
// the run.
#pragma once

#include <sys/types.h>

#include <map>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "base/clock.h"

namespace temper::orchestrator {

struct ChildProcess {
  std::string name;                    // "rollout-0"
  std::vector<std::string> arguments;  // argv[1..]; argv[0] is this very program
  std::string log_path;                // stdout and stderr are appended here
};

class Supervisor {
 public:
  struct Limits {
    int deaths_max = 10;                              // of one child ...
    absl::Duration deaths_window = absl::Minutes(1);  // ... within this time
    absl::Duration pause_max = absl::Seconds(2);      // longest pause before a restart
  };
  // One child's end, as Poll() saw it.
  struct Death {
    std::string name;
    pid_t pid = -1;
    std::string how;       // "killed by signal 9", "exit code 1"
    int exit_code = -1;    // -1: ended by a signal
    bool crashed = false;  // by its own fault: not exit 0, SIGKILL or SIGTERM
  };

  Supervisor(std::string program, const Clock& clock, Limits limits);
  Supervisor(std::string program, const Clock& clock)
      : Supervisor(std::move(program), clock, Limits()) {}
  ~Supervisor();  // kills what still runs

  absl::Status Start(ChildProcess child);
  // Reaps the dead and starts again what is due. RESOURCE_EXHAUSTED when a child dies too often;
  // the message holds the last lines of its log.
  absl::Status Poll(std::vector<Death>& deaths);
  // SIGTERM, up to `grace` for all of them, then SIGKILL. Nothing is restarted afterwards.
  void StopAll(absl::Duration grace);

  pid_t pid(const std::string& name) const;            // -1 while it is not running
  int64_t peak_memory(const std::string& name) const;  // bytes, of all its lives that have ended
  int restarts(const std::string& name) const;

 private:
  struct Child {
    ChildProcess process;
    pid_t pid = -1;
    int restarts = 0;
    int64_t peak_memory = 0;
    absl::Duration restart_at = absl::ZeroDuration();
    absl::Duration pause = absl::Milliseconds(50);
    std::vector<absl::Duration> deaths;
  };

  absl::Status Spawn(Child& child);
  bool Reap(Child& child, absl::Duration timeout, Death& death);
  absl::Status ScheduleRestart(Child& child, const std::string& how);

  const std::string program_;
  const Clock& clock_;
  const Limits limits_;
  std::map<std::string, Child> children_;
};

// The last `lines` lines of a file, for messages; empty when it cannot be read.
std::string LastLines(const std::string& path, int lines);

}  // namespace temper::orchestrator
