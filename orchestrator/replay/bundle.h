// What a replay of one step needs, in a folder of its own, so that the run goes on meanwhile.
//
//   <folder>/ledger.db                the rows from the checkpoint's version to the step's
//           /checkpoints/step-000012  hard links to the newest kept checkpoint at or before it;
//           none:
//                                     the replay begins with the model folder
//           /reference                the KL penalty's, where the run has one
//
// Written by whoever has the run's ledger open, on the thread that owns it: Begin() once, then
// Next() until it says that nothing is left. Each call copies the rows of one step and lets go of
// the bundle's file, so commits between two calls cost what they always do. One call costs about as
// much as writing that step's episodes without syncing: a few milliseconds for each MB. The folder
// should lie on the file system of the run's, or the checkpoint is copied.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "orchestrator/ledger.h"

namespace temper::orchestrator {

class BundleWriter {
 public:
  struct Wanted {
    std::string dir;     // of the run
    std::string folder;  // made here; must not exist. Whoever asked removes it
    int64_t step = 0;    // policy step, counted from 1
    int64_t warm_start_steps = 0;
  };
  // More steps than this between checkpoint and step are refused: they would be trained again.
  static constexpr int64_t kStepsMax = 1000;

  // Takes the checkpoint. `ledger` was opened to be written (Ledger::Open) and outlives this.
  // OUT_OF_RANGE: the step was not made, or not by this run. NOT_FOUND: a fork whose first
  // checkpoint is gone. RESOURCE_EXHAUSTED: kStepsMax. On failure the folder is gone.
  static absl::StatusOr<std::unique_ptr<BundleWriter>> Begin(Ledger& ledger, const Wanted& wanted);

  // True: call it again.
  absl::StatusOr<bool> Next();

  int64_t from_version() const { return from_; }
  int64_t version() const { return version_; }  // that the step trains

 private:
  BundleWriter(Ledger& ledger, std::string path, int64_t from, int64_t version)
      : ledger_(ledger), path_(std::move(path)), from_(from), version_(version), next_(from) {}

  Ledger& ledger_;
  const std::string path_;  // of the bundle's ledger
  const int64_t from_;
  const int64_t version_;
  int64_t next_;
  bool marked_ = false;  // the rows that belong to no step were copied
};

// Begin() and every Next().
absl::Status WriteReplayBundle(Ledger& ledger, const BundleWriter::Wanted& wanted);

}  // namespace temper::orchestrator
