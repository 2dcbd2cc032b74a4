// Alterations, field by field.
#include "orchestrator/spec_in_force.h"

#include "orchestrator/alteration.h"

namespace temper::orchestrator {

v1::RunSpec SpecInForce(v1::RunSpec spec, std::span<const RecoveredAlteration> alterations,
                        int64_t version) {
  for (const RecoveredAlteration& each : alterations) {
    if (each.from_version <= version) ApplyAlteration(each.alteration, spec);
  }
  return spec;
}

}  // namespace temper::orchestrator
