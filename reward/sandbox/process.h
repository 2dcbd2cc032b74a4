// One job that runs: its pipes are drained, its limits are watched, its end is told.
//
// A Process belongs to the thread that started it: the sandbox dies with that thread. Several are
// driven together by Drive(), e.g. two that speak with each other through their channels.
#pragma once

#include <poll.h>
#include <sys/resource.h>
#include <sys/types.h>

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "reward/sandbox/cgroup.h"
#include "reward/sandbox/job.h"
#include "reward/sandbox/launch.h"
#include "reward/sandbox/starter_protocol.h"

namespace temper::sandbox {

class Process {
 public:
  // `group` may be null. `give_back` takes it when the job has ended.
  static absl::StatusOr<std::unique_ptr<Process>> Start(
      const LaunchPad& pad, const Job& job, std::unique_ptr<Cgroup> group,
      std::function<void(std::unique_ptr<Cgroup>)> give_back);
  // Kills what still runs.
  ~Process();

  // Called with what the job writes to its channel, as it comes, from within Drive().
  std::function<void(std::string_view)> on_channel;
  // Called once, when it has finished.
  std::function<void()> on_end;
  // Queued; what the job never reads is dropped when it ends.
  void Send(std::string_view bytes);
  // Ends the job: whoever drives it has seen enough.
  void Stop();

  bool finished() const { return finished_; }
  // A look at the system: false when it has ended since it was last driven.
  bool Alive() const;
  bool channel_open() const { return launched_.channel.open(); }
  // A failure of ours or of the machine. Only when finished.
  const absl::Status& status() const { return status_; }
  // What came of the job. Only when finished and status() is OK.
  const Outcome& outcome() const { return outcome_; }

 private:
  friend void Drive(absl::Span<Process* const> processes, absl::FunctionRef<bool()> enough);

  Process(const Job& job, std::unique_ptr<Cgroup> group,
          std::function<void(std::unique_ptr<Cgroup>)> give_back);
  void AddTo(std::vector<pollfd>& events) const;
  void Handle(absl::Span<const pollfd> events);
  void Watch();  // limits
  bool Drain(UniqueFd& fd, std::string& into, size_t most);
  void ReadChannel();
  void WriteChannel();
  void ReadReports();
  void HandleReport(const Report& report, UniqueFd fd);
  void ReadViolation();
  void ReadFetched(const Report& report, const UniqueFd& fd);
  void Reached(Limit limit);
  void Kill();
  void Finish();
  void JudgeEnd(const rusage& used, int bubblewrap_status);
  absl::Duration Elapsed() const;

  const std::string program_;
  const Limits limits_;
  std::unique_ptr<Cgroup> group_;
  std::function<void(std::unique_ptr<Cgroup>)> give_back_;
  Launched launched_;
  UniqueFd starter_;   // pidfd
  UniqueFd listener_;  // of the filter
  pid_t starter_pid_ = 0;
  absl::Time started_, killed_, watched_;
  std::string to_channel_;
  int64_t from_channel_bytes_ = 0;
  bool ended_ = false;  // the starter said so
  bool finished_ = false;
  absl::Status status_;
  Outcome outcome_;
};

// Blocks until all have finished, or `enough` says so: it is asked again and again, at least every
// 20 ms. A job's handler may Send to and Stop the others.
void Drive(absl::Span<Process* const> processes, absl::FunctionRef<bool()> enough);
void Drive(absl::Span<Process* const> processes);

}  // namespace temper::sandbox
