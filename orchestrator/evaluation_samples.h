// Held-out solutions as the ledger keeps them, for reports.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "orchestrator/ledger.h"

namespace temper::orchestrator {

struct EvaluationSample {
  std::string prompt_id;
  std::string prompt;
  std::string answer;
  std::string response;
  double score = 0;
};

// The first `limit` problems of the evaluation of `version`, in the order of the file.
absl::StatusOr<std::vector<EvaluationSample>> ReadEvaluationSamples(Ledger& ledger, int64_t version,
                                                                    int limit);

}  // namespace temper::orchestrator
