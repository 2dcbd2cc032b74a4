// The operating system's waits: descriptors and children. Any thread.
#pragma once

#include <poll.h>
#include <sys/resource.h>
#include <sys/types.h>

#include <optional>

#include "absl/types/span.h"
#include "base/wait.h"

namespace temper {

// As poll(2): how many of them have news. 0: the deadline has passed or a signal came. Negative:
// errno says why.
int PollFor(Wait wait, absl::Span<pollfd> events);
// As poll(2) that waits for nothing.
int PollNow(absl::Span<pollfd> events);
// Where the whole time has long been on the list: for `time`, and not beyond its deadline.
int PollWithin(const Waiting& waiting, absl::Duration time, absl::Span<pollfd> events);

// The wait status of a child that has ended and is now forgotten by the system; empty: the deadline
// has passed. A pid that is no child of ours (any more) has ended with status 0.
std::optional<int> AwaitChild(Wait wait, pid_t child, rusage* used = nullptr);

}  // namespace temper
