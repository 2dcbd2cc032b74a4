// The events that a run has had so far, from its controller or from its ledger.
#pragma once

#include <string>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "orchestrator/controller_client.h"
#include "temper/v1/controller.pb.h"

namespace temper::cli {

using OnEvent = absl::FunctionRef<void(const v1::RunEvent&)>;

// Events up to `run.sequence`, as the controller tells them. DEADLINE_EXCEEDED when they do not
// come within a minute.
absl::Status ReadHistory(orchestrator::ControllerClient& client, const v1::GetResponse& run,
                         OnEvent on_event);

// The run of a folder that no controller has, by its spec and its ledger.
absl::StatusOr<v1::GetResponse> ReadOffline(const std::string& dir);
// Its events; none where there is no ledger yet.
absl::Status ReadHistoryOffline(const std::string& dir, OnEvent on_event);

}  // namespace temper::cli
