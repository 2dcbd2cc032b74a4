// Alterations, field by field.
#include "orchestrator/spec_in_force.h"

namespace temper::orchestrator {

void ApplyAlteration(const v1::Alteration& alteration, v1::RunSpec& spec) {
  if (alteration.has_learning_rate()) spec.set_learning_rate(alteration.learning_rate());
  if (alteration.has_kl()) spec.set_kl(alteration.kl());
  if (alteration.has_clip_low()) spec.set_clip_low(alteration.clip_low());
  if (alteration.has_clip_high()) spec.set_clip_high(alteration.clip_high());
  if (alteration.has_temperature()) spec.set_temperature(alteration.temperature());
  if (alteration.has_max_tokens()) spec.set_max_tokens(alteration.max_tokens());
  if (alteration.has_group_size()) spec.set_group_size(alteration.group_size());
  if (alteration.has_staleness()) spec.set_staleness(alteration.staleness());
  if (alteration.has_evaluate_every()) {
    spec.mutable_evaluate()->set_every(alteration.evaluate_every());
  }
  if (alteration.has_mixture()) {
    *spec.mutable_dataset()->mutable_mixture() = alteration.mixture().shares();
  }
}

v1::RunSpec SpecInForce(v1::RunSpec spec, std::span<const RecoveredAlteration> alterations,
                        int64_t version) {
  for (const RecoveredAlteration& each : alterations) {
    if (each.from_version <= version) ApplyAlteration(each.alteration, spec);
  }
  return spec;
}

}  // namespace temper::orchestrator
