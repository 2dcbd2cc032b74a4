// Replays of a run that nobody has open, and the child that a controller starts for one.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "base/stop.h"
#include "orchestrator/cli/step_replay.h"
#include "temper/v1/controller.pb.h"

namespace temper::cli {

// `dir`: the run's folder, under which the bundle lies while it works. As BundleWriter::Begin and
// ReplayBundle say; FAILED_PRECONDITION where a controller has the run open: it replays then.
absl::StatusOr<v1::ReplayReport> ReplayOffline(const std::string& dir, int64_t step,
                                               const StopToken& stop, const ShowReplay& show);

}  // namespace temper::cli
