// `temper replay`, with a place for the form that needs no controller.
#pragma once

#include <cstdint>
#include <string>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "base/stop.h"
#include "orchestrator/cli/verbs.h"
#include "temper/v1/controller.pb.h"

namespace temper::cli {

// Redoes a step of the run in a folder that no controller has.
using OfflineReplay = absl::StatusOr<v1::ReplayReport> (*)(
    const std::string& dir, int64_t step, const StopToken& stop,
    absl::FunctionRef<void(const v1::ReplayProgress&)> on_progress);

// offline: null where only a controller can replay.
void AddReplay(CLI::App& program, Chosen& chosen, OfflineReplay offline);

}  // namespace temper::cli
