// Checkpoints that are whole or invisible: a Hugging Face model folder, the moments, a manifest.
//
//   <folder>/step-000100/{config.json, tokenizer files, model.safetensors, optimizer.safetensors,
//                         manifest.json}
//
// Written aside, synced, renamed. The manifest comes last and carries a digest of every file, of
// every tensor and of itself, so that a flipped bit anywhere is found on loading; the folder is
// then set aside as "step-000100.corrupt" and the one before it is taken. Used on the learner's
// loop thread.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <span>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "policy/learner/checkpoint_manifest.h"
#include "policy/model/config.h"
#include "policy/model/parameters.h"

namespace temper::learner {

// Borrowed arrays of layout.size() floats; both moments empty: a checkpoint without an optimiser.
template <class T>
struct CheckpointArrays {
  std::span<T> values, first_moment, second_moment;
};

class CheckpointFolder {
 public:
  // Which checkpoints stay.
  struct Keeping {
    int keep = 0;                   // the newest; 0: all
    std::set<int64_t> pinned = {};  // versions that stay however old they are
  };

  // `model_dir`: where the tokenizer files come from. config and layout must outlive this.
  CheckpointFolder(std::string path, std::string model_dir, const model::ModelConfig& config,
                   const model::ParameterLayout& layout);

  // Fills the arrays from the newest whole checkpoint; nothing when there is none. Corrupt ones are
  // set aside and said in the log. FAILED_PRECONDITION: a checkpoint of another model.
  absl::StatusOr<std::optional<CheckpointRecord>> LoadNewest(CheckpointArrays<float> arrays);

  // Durable when it returns; on failure nothing half-written is left. Repeating it is cheap. Then
  // removes those up to this version that need not be kept. Returns `record` with its sha256.
  absl::StatusOr<CheckpointRecord> Save(CheckpointRecord record,
                                        CheckpointArrays<const float> arrays,
                                        const Keeping& keeping);

  // Nothing when there is none; whole or not.
  std::optional<int64_t> NewestVersion() const;
  // Fills the arrays from that checkpoint or says what is wrong with it.
  absl::StatusOr<CheckpointRecord> Load(int64_t version, CheckpointArrays<float> arrays) const;

  // The record of a whole checkpoint; NOT_FOUND or DATA_LOSS otherwise.
  absl::StatusOr<CheckpointRecord> Verify(int64_t version) const;

  std::string PathOf(int64_t version) const;

 private:
  std::vector<int64_t> Versions() const;  // ascending
  // Reads everything once; the manifest of a whole checkpoint.
  absl::StatusOr<CheckpointManifest> Check(int64_t version) const;
  absl::StatusOr<CheckpointRecord> Write(CheckpointManifest manifest,
                                         CheckpointArrays<const float> arrays) const;
  absl::Status Fill(const std::string& aside, CheckpointManifest& manifest,
                    CheckpointArrays<const float> arrays) const;
  void SetAside(int64_t version, const absl::Status& reason) const;
  void Prune(int64_t newest, const Keeping& keeping) const;

  const std::string path_;
  const std::string model_dir_;
  const model::ModelConfig& config_;
  const model::ParameterLayout& layout_;
};

}  // namespace temper::learner
