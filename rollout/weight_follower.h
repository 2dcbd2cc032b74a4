// Brings a version's weights here and believes nothing it has not checked.
//
// A learner on a GPU that this worker's reaches: opens its values, packs from there, and takes
// their digests on the device; nothing goes through the host. Same host otherwise: maps the
// learner's file, no copy. Another host: streams into own memory. Every tensor's place is compared
// with the manifest before anyone reads it, every digest before anyone computes with it. Used on
// the engine's thread.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "kernels/device.h"
#include "policy/model/parameters.h"
#include "rollout/engine/weight_values.h"
#include "temper/v1/rollout.pb.h"
#include "temper/v1/weights.pb.h"

namespace temper::rollout {

struct LoadedWeights {
  std::shared_ptr<const WeightValues> values;
  std::string digest;  // WeightsFingerprint of what was found here
  v1::WeightsWay way = v1::WEIGHTS_WAY_UNSPECIFIED;
};

// A learner's own values on this device; read-only, and changing with its next step.
struct SharedWeights {
  kernels::Memory memory;
  std::span<const float> values;
};

class WeightFollower {
 public:
  // host_id: of this host, as base/rpc.h names it.
  WeightFollower(const model::ParameterLayout& layout, std::string host_id, kernels::Device& device)
      : layout_(layout), host_id_(std::move(host_id)), device_(device) {}

  // The values where they lie. Empty: they do not lie where this device reaches; Load() brings
  // them. NOT_FOUND: the version has gone by. FAILED_PRECONDITION: the manifest is of another
  // model.
  absl::StatusOr<std::optional<SharedWeights>> Open(const v1::WeightsManifest& manifest) const;
  // The fingerprint of what lies there, once it was packed. OK: what was packed is the version, bit
  // for bit. NOT_FOUND: it went by meanwhile. DATA_LOSS: the bytes are not those of the manifest.
  absl::StatusOr<std::string> Confirm(const v1::WeightsManifest& manifest,
                                      const SharedWeights& shared) const;

  // Through the host. FAILED_PRECONDITION: the manifest is of another model. DATA_LOSS: the bytes
  // are not those of the manifest. Otherwise what the file system or the stream said. Gives up at
  // `deadline`, or with CANCELLED when `cancelled` says so.
  absl::StatusOr<LoadedWeights> Load(const v1::WeightsManifest& manifest, absl::Time deadline,
                                     absl::FunctionRef<bool()> cancelled) const;

 private:
  absl::Status CheckLayout(const v1::WeightsManifest& manifest) const;
  absl::Status CheckDigestKind(const v1::WeightsManifest& manifest) const;
  // Whose the values are now.
  absl::Status CheckMark(const v1::WeightsManifest& manifest, const SharedWeights& shared) const;
  bool SameHost(const v1::WeightsManifest& manifest) const {
    return manifest.host_id() == host_id_;
  }
  absl::StatusOr<WeightValues> Map(const v1::WeightsManifest& manifest,
                                   const std::string& path) const;
  // Or maps, where the learner says so.
  absl::StatusOr<LoadedWeights> Fetch(const v1::WeightsManifest& manifest, absl::Time deadline,
                                      absl::FunctionRef<bool()> cancelled) const;
  std::vector<std::string> DigestsOf(const v1::WeightsManifest& manifest,
                                     std::span<const float> host_values) const;

  const model::ParameterLayout& layout_;
  const std::string host_id_;
  kernels::Device& device_;
};

}  // namespace temper::rollout
