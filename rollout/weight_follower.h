// Brings a version's weights here and believes nothing it has not checked.
//
// Same host: maps the learner's file, no copy. Another host: streams into own memory. Either way
// every tensor's place and digest is compared with the manifest before anyone computes with it. The
// version before stays untouched. Used on the engine's thread.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "policy/model/parameters.h"
#include "rollout/engine/weight_values.h"
#include "temper/v1/weights.pb.h"

namespace temper::rollout {

struct LoadedWeights {
  std::shared_ptr<const WeightValues> values;
  std::string digest;  // see CombinedDigest, over what was found here
};

// XXH3-128 over the tensors' digests in manifest order: one fingerprint for a version.
std::string CombinedDigest(const v1::WeightsManifest& manifest);

class WeightFollower {
 public:
  // host_id: of this host, as base/rpc.h names it.
  WeightFollower(const model::ParameterLayout& layout, std::string host_id)
      : layout_(layout), host_id_(std::move(host_id)) {}

  // FAILED_PRECONDITION: the manifest is of another model. DATA_LOSS: the bytes are not those of
  // the manifest. Otherwise what the file system or the stream said. Gives up at `deadline`, or
  // with CANCELLED when `cancelled` says so.
  absl::StatusOr<LoadedWeights> Load(const v1::WeightsManifest& manifest, absl::Time deadline,
                                     absl::FunctionRef<bool()> cancelled) const;

 private:
  absl::Status CheckLayout(const v1::WeightsManifest& manifest) const;
  absl::StatusOr<WeightValues> Map(const v1::WeightsManifest& manifest) const;
  absl::StatusOr<WeightValues> Fetch(const v1::WeightsManifest& manifest, absl::Time deadline,
                                     absl::FunctionRef<bool()> cancelled) const;

  const model::ParameterLayout& layout_;
  const std::string host_id_;
};

}  // namespace temper::rollout
