// The data files of a run, opened together, and the proof that a resumed run has the same ones.
#pragma once

#include <memory>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "orchestrator/core.h"
#include "orchestrator/dataset.h"
#include "orchestrator/ledger.h"
#include "orchestrator/spec.h"

namespace temper::orchestrator {

struct RunFiles {
  std::unique_ptr<Dataset> dataset;  // null where the spec names none
  std::unique_ptr<Dataset> evaluation;
  std::unique_ptr<Dataset> warm_start;
  std::unique_ptr<Dataset> held_out;
  std::shared_ptr<const agents::Graph> graph;

  RunRows rows() const {
    return {dataset.get(), evaluation.get(), warm_start.get(), held_out.get(), graph};
  }
};

// Reads and checks every line of every file.
absl::StatusOr<RunFiles> OpenRunFiles(const v1::RunSpec& spec);

// The warm start's two files alone; `files` takes them.
absl::Status OpenWarmStartFiles(const v1::WarmStart& stage, RunFiles& files);

// What a ledger of this run belongs to; not a fork.
LedgerIdentity IdentityOf(const v1::RunSpec& spec, const RunFiles& files);

// Marks a new ledger with the spec and the files' digests; for one that is marked already, checks
// that they are the same. FAILED_PRECONDITION names what differs.
absl::Status ClaimLedger(Ledger& ledger, const v1::RunSpec& spec, const RunFiles& files);

}  // namespace temper::orchestrator
