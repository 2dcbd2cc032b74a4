// Runs a command that a graph's author wrote: JSON on its standard input, its answer on the output.
//
// The command is the user's own (graph files are programs; a model only chooses what is on standard
// input), so it runs with the user's rights, without a shell, in a process group of its own.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "base/stop.h"

namespace temper::agents {

inline constexpr size_t kToolOutputMax = size_t{4} << 20;

// Its standard output. INVALID_ARGUMENT: it cannot be started; DEADLINE_EXCEEDED: it was killed
// after `timeout`; RESOURCE_EXHAUSTED: it wrote more than kToolOutputMax; ABORTED: it ended with
// another code than 0, with the head of what it wrote on standard error; CANCELLED: `stop`.
absl::StatusOr<std::string> RunTool(const std::vector<std::string>& command,
                                    const std::string& input, absl::Duration timeout,
                                    const StopToken& stop);

}  // namespace temper::agents
