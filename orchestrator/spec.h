// Turns a spec file into a RunSpec with every default in its place, or says what is wrong with it.
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "temper/v1/run_spec.pb.h"

namespace temper::orchestrator {

// Every field is set and agrees with the others; file names are absolute.
struct ResolvedSpec {
  v1::RunSpec spec;
  // As it was given, --set included, before defaults: for Explain.
  v1::RunSpec given;

  int64_t warm_start_steps() const { return spec.has_warm_start() ? spec.warm_start().steps() : 0; }
  bool makes_reward_model() const {
    return spec.has_warm_start() && spec.warm_start().objective() == "reward_model";
  }
  // Warm start and policy.
  int64_t steps() const { return warm_start_steps() + spec.steps(); }
};

// Reads the file, applies "a.b=value" settings in order, validates. Names every bad field, one a
// line, in one INVALID_ARGUMENT (NOT_FOUND when only files are missing).
absl::StatusOr<ResolvedSpec> LoadSpec(const std::string& path,
                                      const std::vector<std::string>& settings);

// As LoadSpec, for a spec that came by another way (Submit, a ledger). `folder`: what its file
// names are relative to.
absl::StatusOr<ResolvedSpec> ResolveSpec(v1::RunSpec given, const std::string& folder);

// Every field with its value, where that came from (given, default, preset), and the formulas in
// force. Text for people.
std::string Explain(const ResolvedSpec& spec);

// OK when `now` may resume a run that was started as `before`: only fleet, checkpoint
// and the places of the data files may differ. Otherwise FAILED_PRECONDITION naming each field and
// both values.
absl::Status CheckResumable(const v1::RunSpec& before, const v1::RunSpec& now);

}  // namespace temper::orchestrator
