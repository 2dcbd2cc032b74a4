// Checks a ledger from the outside: every sample accounted for, every promise kept in the rows.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "orchestrator/ledger.h"

namespace temper::orchestrator {

struct AuditReport {
  // By the state's name; the values of a map sum to the samples issued.
  std::map<std::string, int64_t> samples;
  std::map<std::string, int64_t> evaluation_samples;
  int64_t groups = 0;
  int64_t groups_dropped = 0;
  int64_t steps = 0;
  int64_t evaluations = 0;
  int64_t checkpoints = 0;
  int64_t leases = 0;
  int64_t late = 0;
  int64_t events = 0;
  std::string state;  // of the run, as RunState names it
  // Broken invariants, one sentence each; empty: clean. At most 20 of one kind.
  std::vector<std::string> violations;
};

// An error only when the ledger cannot be read at all.
absl::StatusOr<AuditReport> Audit(Ledger& ledger);

}  // namespace temper::orchestrator
