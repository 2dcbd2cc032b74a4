// The timeline of a step as trace events, which Perfetto and chrome://tracing open.
#pragma once

#include <string>

#include "temper/v1/controller.pb.h"

namespace temper::orchestrator {

// One JSON object: a process named after the run and the step, a track for each worker in the order
// in which they first appear, a complete event for each span. Times count from the first span.
std::string TraceEvents(const temper::v1::GetTimelineResponse& timeline, const std::string& run);

}  // namespace temper::orchestrator
