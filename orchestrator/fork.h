// A new run from a step of another: what may change, what is carried along, and its folder.
//
// Plain functions without state of their own, for any thread; they read the parent's folder and
// write the fork's. They take time: every line of the data files is checked and every byte of the
// checkpoint is read once, so a daemon's loop hands them to a thread. The ledger of the parent is
// not touched: the caller brings what Recover() says and records the Forked event itself.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "orchestrator/ledger.h"
#include "orchestrator/spec.h"

namespace temper::orchestrator {

struct ForkPlan {
  ResolvedSpec parent;    // as it began, without alterations
  std::string dir;        // the parent's folder
  std::string model_dir;  // the parent's: config, tokenizer, first weights
  RecoveredRun recovered;
  int64_t step = 0;                   // policy step whose weights the fork starts with
  std::string name;                   // "": the parent's, "-at-" and the step
  std::vector<std::string> settings;  // "a.b=value"
  std::string root;                   // the fork's folder becomes root/name
  int64_t now_ms = 0;                 // since 1970, of the first event
};

struct PreparedFork {
  std::string dir;
  std::string model_dir;
  ResolvedSpec spec;
  ForkOrigin origin;
};

// Makes the folder of the fork, whole or not at all: spec.json, a ledger that begins with the
// checkpoint's version, the checkpoint, the KL reference and, for a run with fresh weights, the
// model; hard links, so that the parent may be deleted. It then starts as a stopped run resumes.
// The parent's spec as in force at that step, then `settings`; quarantined prompts stay so.
// INVALID_ARGUMENT: a setting that cannot be changed or is wrong, or no step is left to be made.
// OUT_OF_RANGE: the parent never came so far. NOT_FOUND: no checkpoint of that step is kept (those
// that are are named), or a data file is missing. DATA_LOSS: it is damaged. ALREADY_EXISTS: a run
// of that name is there.
absl::StatusOr<PreparedFork> PrepareFork(const ForkPlan& plan);

// The settings that PrepareFork would apply, checked; makes nothing.
absl::StatusOr<ResolvedSpec> SpecOfFork(const ForkPlan& plan);

}  // namespace temper::orchestrator
