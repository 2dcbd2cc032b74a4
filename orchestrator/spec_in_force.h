// A run's spec as it was in force at a version: the spec it began with and its alterations.
#pragma once

#include <cstdint>
#include <span>

#include "orchestrator/ledger.h"
#include "temper/v1/run.pb.h"
#include "temper/v1/run_spec.pb.h"

namespace temper::orchestrator {

// What is absent in `alteration` stays.
void ApplyAlteration(const v1::Alteration& alteration, v1::RunSpec& spec);

// As the step that trains `version` had it.
v1::RunSpec SpecInForce(v1::RunSpec spec, std::span<const RecoveredAlteration> alterations,
                        int64_t version);

}  // namespace temper::orchestrator
