// Where the newest versions of the weights lie for workers to open, map or fetch.
//
// A version that was computed on the host is one file: the flat float32 array as the layout has it,
// in shared memory when there is room and else in the run folder; a file appears whole and never
// changes. One that was computed on a GPU is the GPU's memory, which goes on to the next version;
// its file is made when somebody asks. The two newest stay. The learner's loop publishes; any
// thread reads. The files go with the store; what a killed process left behind goes when the next
// store of any run opens (version_files.h).
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/file.h"
#include "base/mutex.h"
#include "policy/learner/version_files.h"
#include "policy/model/parameters.h"
#include "temper/v1/weights.pb.h"

namespace temper::learner {

using Manifest = std::shared_ptr<const temper::v1::WeightsManifest>;

// Digests of all tensors, in layout order.
google::protobuf::RepeatedPtrField<temper::v1::TensorDigest> DigestTensors(
    const model::ParameterLayout& layout, std::span<const float> values);

// What a GPU says of its values: digests in layout order (kernels/digest.h), and the handle by
// which others open them; empty: they cannot.
struct ValuesOnDevice {
  std::vector<uint64_t> digests;
  std::string handle;
};

class WeightStore {
 public:
  struct Options {
    std::string run_dir;
    std::string shared_dir = "/dev/shm";
    std::string learner_address;  // goes into every manifest, as does
    std::string run;              // its name
  };

  // Removes what earlier processes of this run left, and what other runs' killed ones did.
  static absl::StatusOr<std::unique_ptr<WeightStore>> Open(Options options);
  ~WeightStore();

  // Writes `values` (layout.size() floats) as `version` and lets go of all but the two newest.
  // RESOURCE_EXHAUSTED: room neither in shared memory nor in the run folder; nothing changed.
  absl::StatusOr<Manifest> Publish(int64_t version, const model::ParameterLayout& layout,
                                   std::span<const float> values);
  // The same without a file.
  Manifest PublishOnDevice(int64_t version, const model::ParameterLayout& layout,
                           const ValuesOnDevice& values) ABSL_LOCKS_EXCLUDED(mutex_);
  // Makes the file of a version that has none. NOT_FOUND: it is not among those published.
  // RESOURCE_EXHAUSTED as Publish().
  absl::Status AddFile(int64_t version, NextBytes next) ABSL_LOCKS_EXCLUDED(mutex_);
  // Whether somebody asked for the newest version's file.
  bool file_wanted() const ABSL_LOCKS_EXCLUDED(mutex_);

  // Null before the first Publish().
  Manifest newest() const ABSL_LOCKS_EXCLUDED(mutex_);
  // The bytes of a version, valid as long as the mapping lives. NOT_FOUND: it has gone by.
  absl::StatusOr<MappedFile> Map(int64_t version) const ABSL_LOCKS_EXCLUDED(mutex_);
  // Asks for a version's file: where it is; "": it must be made first. NOT_FOUND: it has gone by.
  absl::StatusOr<std::string> AskForFile(int64_t version) ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  struct Version {
    Manifest manifest;
    VersionFile file;
    bool asked = false;
  };

  explicit WeightStore(Options options);
  absl::StatusOr<VersionFile> Write(int64_t version, int64_t bytes, NextBytes next) const;
  // What every manifest says.
  std::shared_ptr<temper::v1::WeightsManifest> Describe(int64_t version, int64_t bytes) const;
  Manifest Add(Version version) ABSL_LOCKS_EXCLUDED(mutex_);
  // Null: not among those published.
  const Version* Find(int64_t version) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  absl::Status GoneBy(int64_t version) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const Options options_;
  const std::string fallback_dir_;  // in the run folder
  const std::string prefix_;        // of this run's file names
  mutable Mutex mutex_;
  std::deque<Version> published_ ABSL_GUARDED_BY(mutex_);  // oldest first
};

}  // namespace temper::learner
