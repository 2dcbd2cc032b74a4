// Reads held-out solutions out of a ledger.
#include "orchestrator/evaluation_samples.h"

#include "base/database.h"
#include "base/status_macros.h"

namespace temper::orchestrator {

absl::StatusOr<std::vector<EvaluationSample>> ReadEvaluationSamples(Ledger& ledger, int64_t version,
                                                                    int limit) {
  TEMPER_ASSIGN_OR_RETURN(
      auto rows, ledger.database().Query(
                     "SELECT g.prompt_id, g.prompt, g.answer, e.text, s.score FROM groups g "
                     "JOIN samples s ON s.group_id = g.id AND s.number = 0 "
                     "LEFT JOIN episodes e ON e.id = s.episode "
                     "WHERE g.evaluation = 1 AND g.step = ? ORDER BY g.id LIMIT ?",
                     {version, static_cast<int64_t>(limit)}));
  std::vector<EvaluationSample> samples;
  for (;;) {
    TEMPER_ASSIGN_OR_RETURN(const bool more, rows.Next());
    if (!more) return samples;
    samples.push_back({rows.Bytes(0), rows.Bytes(1), rows.Bytes(2), rows.Bytes(3), rows.Real(4)});
  }
}

}  // namespace temper::orchestrator
