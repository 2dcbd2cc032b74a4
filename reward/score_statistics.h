// Counts what each part's verifier said.
//
// One thread.
#pragma once

#include <map>
#include <string>

#include "absl/time/time.h"
#include "temper/v1/reward.pb.h"

namespace temper::reward {

class ScoreStatistics {
 public:
  void Judged(const temper::v1::ScorePart& part, absl::Duration elapsed) {
    temper::v1::VerifierStatistics& counts = Of(part.verifier());
    ++(*counts.mutable_verdicts())[part.verdict()];
    counts.set_seconds(counts.seconds() + absl::ToDoubleSeconds(elapsed));
  }
  void Cached(const std::string& verifier) {
    temper::v1::VerifierStatistics& counts = Of(verifier);
    counts.set_cached(counts.cached() + 1);
  }
  // `verifiers`: those that were judging together.
  void Failed(const std::string& verifiers, bool invalid) {
    temper::v1::VerifierStatistics& counts = Of(verifiers);
    if (invalid) {
      counts.set_invalid(counts.invalid() + 1);
    } else {
      counts.set_internal_errors(counts.internal_errors() + 1);
    }
  }
  void Fill(temper::v1::GetStatisticsResponse& response) const {
    for (const auto& [name, counts] : verifiers_) *response.add_verifiers() = counts;
  }

 private:
  temper::v1::VerifierStatistics& Of(const std::string& verifier) {
    temper::v1::VerifierStatistics& counts = verifiers_[verifier];
    counts.set_verifier(verifier);
    return counts;
  }

  std::map<std::string, temper::v1::VerifierStatistics> verifiers_;
};

}  // namespace temper::reward
