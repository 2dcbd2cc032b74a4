// Changes of a live run: what they make of a spec, and whether they may be made.
#pragma once

#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "orchestrator/dataset.h"
#include "temper/v1/run.pb.h"
#include "temper/v1/run_spec.pb.h"

namespace temper::orchestrator {

// Puts every field that is present into the spec.
void ApplyAlteration(const v1::Alteration& alteration, v1::RunSpec& spec);

// What `alteration` would change in `spec`, which is left as it is. INVALID_ARGUMENT: nothing, or a
// value that a spec may not have (each is named with what was expected). `dataset` may be null.
absl::StatusOr<std::vector<v1::FieldChange>> CheckAlteration(const v1::Alteration& alteration,
                                                             const v1::RunSpec& spec,
                                                             const RowSource* dataset);

// Every share names a task of the rows and is a number above 0; empty: fine.
absl::Status CheckMixture(const v1::Dataset& source, const RowSource& rows);

}  // namespace temper::orchestrator
