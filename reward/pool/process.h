// One worker process as the service sees it: what it was given, since when, and how to end it.
//
// Belongs to the pool's loop thread.
#pragma once

#include <sys/types.h>

#include <deque>
#include <optional>
#include <string>
#include <string_view>

#include "absl/time/time.h"
#include "base/unique_fd.h"
#include "reward/pool/frame.h"
#include "reward/pool/unit.h"

namespace temper::reward {

class WorkerProcess {
 public:
  // Where it stands. Only those in a lane take a core's place; the others are beside them.
  enum class Place {
    kIdle,
    kLane,
    kSlow,    // used more processor time than an item of its lane does; runs at the lowest priority
    kAsleep,  // waits for something without using the processor
    kDying,   // was killed; its end has not been reported yet
  };

  WorkerProcess(UniqueFd socket, UniqueFd pidfd, pid_t pid)
      : socket_(std::move(socket)), pidfd_(std::move(pidfd)), pid_(pid) {}

  // Sends units of one lane and one rubric part set; false when the process is gone.
  bool Give(std::deque<Unit> units, absl::Duration now);
  // The first unit that has no result yet; call when a result was read.
  Unit FinishCurrent(absl::Duration now);
  // Takes back what was given and not begun.
  std::deque<Unit> TakeBackRest();
  // Everything unfinished, the current unit first.
  std::deque<Unit> TakeBackAll();

  bool busy() const { return !units_.empty(); }
  const Unit& current() const { return units_.front(); }
  // Since the current unit began.
  absl::Duration Elapsed(absl::Duration now) const { return now - began_; }
  absl::Duration ProcessorTime() const;
  // Whether it waits for something (state S or D of the kernel's).
  bool Sleeps() const;

  void LowerPriority() const;
  void Kill();

  int socket() const { return socket_.get(); }
  pid_t pid() const { return pid_; }
  FrameReader& reader() { return reader_; }
  FrameWriter& writer() { return writer_; }

  Place place = Place::kIdle;
  bool hung_up = false;  // its socket is closed; its exit will be reported

 private:
  absl::Duration ProcessorClock() const;

  UniqueFd socket_;
  const UniqueFd pidfd_;
  const pid_t pid_;
  FrameReader reader_;
  FrameWriter writer_;
  std::deque<Unit> units_;
  absl::Duration began_ = absl::ZeroDuration();
  absl::Duration processor_began_ = absl::ZeroDuration();
};

}  // namespace temper::reward
