// Processor time and state are read from the kernel: a busy machine makes nobody slow.
#include "reward/pool/process.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <ctime>
#include <utility>

#include "absl/strings/str_cat.h"
#include "base/check.h"
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
  const Descriptor file(open(absl::StrCat("/proc/", pid_, "/stat").c_str(), O_RDONLY | O_CLOEXEC));
  std::array<char, 256> bytes;
  const ssize_t size = read(file.get(), bytes.data(), bytes.size());
  if (size <= 0) return false;
  const std::string_view text(bytes.data(), static_cast<size_t>(size));
  const size_t name_end = text.rfind(')');  // "pid (name) S ..."
  if (name_end == std::string_view::npos || name_end + 2 >= text.size()) return false;
  return text[name_end + 2] == 'S' || text[name_end + 2] == 'D';
}

void WorkerProcess::LowerPriority() const {
  setpriority(PRIO_PROCESS, static_cast<id_t>(pid_), 19);
}

void WorkerProcess::Kill() {
  syscall(SYS_pidfd_send_signal, pidfd_.get(), SIGKILL, nullptr, 0);
  place = Place::kDying;
}

}  // namespace temper::reward
