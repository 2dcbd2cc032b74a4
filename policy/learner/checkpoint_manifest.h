// manifest.json of a checkpoint: what was written, with digests that vouch for it and for itself.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace temper::learner {

// What a checkpoint says besides its arrays.
struct CheckpointRecord {
  int64_t version = 0;
  int64_t updates = 0;         // of the optimiser
  std::string request_digest;  // of the TrainRequest that made the version; empty: none did
  std::string metrics;         // what it answered, a serialised TrainMetrics
  std::string sha256;          // of model.safetensors, hexadecimal; filled on saving
  // The version's fingerprint (WeightsManifest) as it was published, where that is not made of the
  // tensors' XXH3 below: by a learner on a GPU.
  std::string published = {};
};

struct CheckpointManifest {
  struct Tensor {
    std::string name;
    std::vector<int64_t> shape;
    std::string digest;  // XXH3-128 of its float32 bytes, 16 bytes
    bool operator==(const Tensor&) const = default;
  };
  struct File {
    std::string name;  // in the checkpoint's folder
    int64_t bytes = 0;
    std::string digest;  // XXH3-128, 16 bytes
  };
  CheckpointRecord record;
  std::vector<Tensor> tensors;  // weights, in layout order
  std::vector<File> files;      // all but the manifest, by name
};

std::string EncodeManifest(const CheckpointManifest& manifest);

// DATA_LOSS when the text is not what EncodeManifest() made; `place` names it.
absl::StatusOr<CheckpointManifest> DecodeManifest(std::string_view text, std::string_view place);

}  // namespace temper::learner
