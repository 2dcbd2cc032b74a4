// Processor time and state are read from the kernel: a busy machine makes nobody slow.
#include "reward/pool/process.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <ctime>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "base/system_file.h"
#include "temper/v1/reward.pb.h"

namespace temper::reward {

bool WorkerProcess::Give(std::deque<Unit> units, absl::Duration now) {
  TEMPER_CHECK(!busy() && !units.empty());
  temper::v1::ScoreRequest request;
  *request.mutable_rubric() = *units.front().parts->rubric;
  for (const Unit& unit : units) *request.add_items() = *unit.item;
  writer_.Add(request.SerializeAsString());
  units_ = std::move(units);
  began_ = now;
  processor_began_ = ProcessorClock();
  return writer_.WriteTo(socket());
}

Unit WorkerProcess::FinishCurrent(absl::Duration now) {
  Unit done = std::move(units_.front());
  units_.pop_front();
  began_ = now;
  processor_began_ = ProcessorClock();
  return done;
}

std::deque<Unit> WorkerProcess::TakeBackRest() {
  std::deque<Unit> rest(std::make_move_iterator(units_.begin() + 1),
                        std::make_move_iterator(units_.end()));
  units_.resize(1);
  return rest;
}

std::deque<Unit> WorkerProcess::TakeBackAll() { return std::exchange(units_, {}); }

absl::Duration WorkerProcess::ProcessorClock() const {
  clockid_t clock;
  timespec time{};
  if (clock_getcpuclockid(pid_, &clock) != 0 || clock_gettime(clock, &time) != 0) {
    return processor_began_;  // it is gone; its end is about to be reported
  }
  return absl::DurationFromTimespec(time);
}

absl::Duration WorkerProcess::ProcessorTime() const { return ProcessorClock() - processor_began_; }

bool WorkerProcess::Sleeps() const {
  const std::string stat = ReadSystemFile(absl::StrCat("/proc/", pid_, "/stat"));
  const std::vector<std::string_view> fields = StatFields(stat);
  return !fields.empty() && (fields[0] == "S" || fields[0] == "D");
}

void WorkerProcess::LowerPriority() const {
  setpriority(PRIO_PROCESS, static_cast<id_t>(pid_), 19);
}

void WorkerProcess::Kill() {
  syscall(SYS_pidfd_send_signal, pidfd_.get(), SIGKILL, nullptr, 0);
  place = Place::kDying;
}

}  // namespace temper::reward
