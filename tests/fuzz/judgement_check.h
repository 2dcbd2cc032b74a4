// What must hold of every judgement, whatever it judged.
#pragma once

#include "absl/status/statusor.h"
#include "base/check.h"
#include "nlohmann/json.hpp"
#include "reward/verifier.h"

namespace temper::reward {

inline void CheckJudgement(const absl::StatusOr<Judgement>& judgement) {
  if (!judgement.ok()) {
    TEMPER_CHECK(!judgement.status().message().empty());
    return;
  }
  TEMPER_CHECK(judgement->score >= 0 && judgement->score <= 1);
  TEMPER_CHECK(!judgement->verdict.empty() && !judgement->reason.empty());
  TEMPER_CHECK(judgement->verdict != kEqual || judgement->score > 0);
  TEMPER_CHECK(judgement->verdict != kUndecided || judgement->score == 0);
  for (const char c : judgement->reason) TEMPER_CHECK(c >= ' ' && c <= '~');
  TEMPER_CHECK(judgement->details.empty() || nlohmann::json::accept(judgement->details));
}

}  // namespace temper::reward
