// Time as an argument, so that tests can own it.
#pragma once

#include <cstdint>

#include "absl/time/time.h"

namespace temper {

class Clock {
 public:
  virtual ~Clock() = default;
  // For people and logs; may jump.
  virtual absl::Time Now() const = 0;
  // For leases and deadlines: never jumps, counts through suspend (CLOCK_BOOTTIME).
  virtual absl::Duration Uptime() const = 0;
};

class SystemClock : public Clock {
 public:
  absl::Time Now() const override;
  absl::Duration Uptime() const override;
};

// Moves when told to.
class FakeClock : public Clock {
 public:
  absl::Time Now() const override { return start_ + uptime_; }
  absl::Duration Uptime() const override { return uptime_; }
  void Advance(absl::Duration by) { uptime_ += by; }

 private:
  absl::Time start_ = absl::FromUnixSeconds(1700000000);
  absl::Duration uptime_ = absl::ZeroDuration();
};

}  // namespace temper
