// poll() with a deadline; a child's end is a descriptor that can be polled.
#include "base/blocking.h"

#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "base/unique_fd.h"

namespace temper {
namespace {

constexpr absl::Duration kLongestPoll = absl::Hours(1);  // an int holds its milliseconds

int Poll(absl::Duration time, absl::Span<pollfd> events) {
  const absl::Duration rounded_up =
      std::clamp(time, absl::ZeroDuration(), kLongestPoll) + absl::Microseconds(999);
  const int ready =
      poll(events.data(), events.size(), static_cast<int>(absl::ToInt64Milliseconds(rounded_up)));
  if (ready >= 0 || errno != EINTR) return ready;
  for (pollfd& event : events) event.revents = 0;
  return 0;
}

// Empty while it runs.
std::optional<int> StatusOf(pid_t child, rusage* used) {
  int status = 0;
  pid_t got;
  while ((got = wait4(child, &status, WNOHANG, used)) < 0 && errno == EINTR) {
  }
  return got == 0 ? std::nullopt : std::optional(status);
}

}  // namespace

int PollFor(Wait wait, absl::Span<pollfd> events) {
  const absl::Duration time = wait.timeout();
  if (time <= absl::ZeroDuration()) return PollNow(events);
  const Waiting waiting(std::move(wait));
  return Poll(time, events);
}

int PollNow(absl::Span<pollfd> events) { return Poll(absl::ZeroDuration(), events); }

int PollWithin(const Waiting& waiting, absl::Duration time, absl::Span<pollfd> events) {
  return Poll(std::min(time, waiting.left()), events);
}

std::optional<int> AwaitChild(Wait wait, pid_t child, rusage* used) {
  std::optional<int> status = StatusOf(child, used);
  if (status.has_value() || wait.timeout() <= absl::ZeroDuration()) return status;
  const Waiting waiting(std::move(wait));
  const UniqueFd process(static_cast<int>(syscall(SYS_pidfd_open, child, 0)));
  while (true) {
    status = StatusOf(child, used);
    if (status.has_value()) return status;
    const absl::Duration left = waiting.left();
    if (left <= absl::ZeroDuration()) return std::nullopt;
    pollfd end{process.get(), POLLIN, 0};
    // Without a descriptor (none was free): asked again and again.
    Poll(process.open() ? left : std::min(left, absl::Milliseconds(5)), absl::MakeSpan(&end, 1));
  }
}

}  // namespace temper
