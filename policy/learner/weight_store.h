// Where the newest versions of the weights lie for workers to map or fetch.
//
// A version is one file: the flat float32 array as the layout has it, in shared memory when there
// is room and else in the run folder; a file appears whole and never changes. The two newest stay.
// The learner's loop publishes; any thread reads. The files go with the store; what a killed
// process left behind goes when the next store of the same run opens.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <span>
#include <string>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "base/file.h"
#include "base/mutex.h"
#include "policy/model/parameters.h"
#include "temper/v1/weights.pb.h"

namespace temper::learner {

using Manifest = std::shared_ptr<const temper::v1::WeightsManifest>;

// Digests of all tensors, in layout order.
google::protobuf::RepeatedPtrField<temper::v1::TensorDigest> DigestTensors(
    const model::ParameterLayout& layout, std::span<const float> values);

class WeightStore {
 public:
  struct Options {
    std::string run_dir;
    std::string shared_dir = "/dev/shm";
    std::string learner_address;  // goes into every manifest, as does
    std::string run;              // its name
  };

  // Removes what earlier processes of this run left.
  static absl::StatusOr<std::unique_ptr<WeightStore>> Open(Options options);
  ~WeightStore();

  // Writes `values` (layout.size() floats) as `version` and lets go of all but the two newest.
  // RESOURCE_EXHAUSTED: room neither in shared memory nor in the run folder; nothing changed.
  absl::StatusOr<Manifest> Publish(int64_t version, const model::ParameterLayout& layout,
                                   std::span<const float> values);

  // Null before the first Publish().
  Manifest newest() const ABSL_LOCKS_EXCLUDED(mutex_);
  // The bytes of a version, valid as long as the mapping lives. NOT_FOUND: it has gone by.
  absl::StatusOr<MappedFile> Map(int64_t version) const ABSL_LOCKS_EXCLUDED(mutex_);

 private:
  explicit WeightStore(Options options);
  std::string FileName(int64_t version) const;
  absl::StatusOr<std::string> Write(int64_t version, std::span<const float> values) const;
  absl::Status RemoveStale(const std::string& folder) const;

  const Options options_;
  const std::string fallback_dir_;  // in the run folder
  const std::string prefix_;        // of this run's file names
  mutable Mutex mutex_;
  std::deque<Manifest> published_ ABSL_GUARDED_BY(mutex_);  // oldest first
};

}  // namespace temper::learner
