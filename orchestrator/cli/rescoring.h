// Has the recorded responses of a step judged again in this process and compares the rewards.
#pragma once

#include <span>

#include "absl/status/status.h"
#include "orchestrator/replay/recorded_step.h"
#include "orchestrator/replay/tally.h"
#include "temper/v1/run_spec.pb.h"

namespace temper::cli {

// Verifiers that ask a service are not asked again: their recorded word stands in the combination
// and is counted as left out.
absl::Status CompareRewards(const v1::RunSpec& spec,
                            std::span<const orchestrator::RecordedGroup> groups,
                            orchestrator::ReplayTally& tally);

}  // namespace temper::cli
