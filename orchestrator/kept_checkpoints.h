// The checkpoints of a run folder as its controller sees them: which are kept, which are whole.
//
// Only the manifest is understood here; a controller holds no tensor. Any thread.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace temper::orchestrator {

// Ascending; whole or not.
std::vector<int64_t> KeptCheckpoints(const std::string& dir);

std::string CheckpointPath(const std::string& dir, int64_t version);

struct WholeCheckpoint {
  std::string path;
  std::string sha256;          // of model.safetensors
  std::string weights_digest;  // as ManifestDigest (core.h) of the version published on a CPU,
  std::string published;       // and as it was published, where that was on a GPU; else ""

  // The one that the run has recorded.
  const std::string& recorded_digest() const {
    return published.empty() ? weights_digest : published;
  }
};
// Reads every byte once and compares with the manifest. NOT_FOUND: there is none. DATA_LOSS: it is
// damaged.
absl::StatusOr<WholeCheckpoint> CheckCheckpoint(const std::string& dir, int64_t version);

}  // namespace temper::orchestrator
