// Time as the operating system tells it.
#include "base/clock.h"

#include <ctime>

#include "absl/time/clock.h"

namespace temper {

absl::Time SystemClock::Now() const { return absl::Now(); }

absl::Duration SystemClock::Uptime() const {
  timespec now{};
  clock_gettime(CLOCK_BOOTTIME, &now);
  return absl::DurationFromTimespec(now);
}

}  // namespace temper
