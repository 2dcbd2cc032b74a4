// One version of a model's weights, ready to compute with.
//
// A snapshot: immutable while anyone computes with it. Packing happens once per version.
#pragma once

#include <memory>
#include <span>
#include <string_view>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "kernels/ops.h"
#include "policy/model/parameters.h"

namespace temper::model {

struct WeightOptions {
  bool backward = false;  // also pack what gradients of activations need
  // Of the packed matrices; routers stay float32. Rounding happens here and nowhere else, so a
  // learner and a worker that pack the same floats compute the same bits.
  kernels::Dtype dtype = kernels::Dtype::kFloat32;
};

// "float32" or "bfloat16"; INVALID_ARGUMENT names both.
absl::StatusOr<kernels::Dtype> ParseDtype(std::string_view name);

class Weights {
 public:
  // `values`: layout.size() floats that outlive this object (a mapped file, or the learner's own
  // array).
  Weights(const ParameterLayout& layout, kernels::Device& device, std::span<const float> values,
          const WeightOptions& options);

  // Packs again from new values of the same layout, in the same memory.
  void Repack(std::span<const float> values);

  // A tensor as it stands, by its offset in the layout.
  const float* at(int64_t offset) const { return values_.data() + offset; }
  // A matrix in packed form (ParameterSpec.packed), by its offset.
  const kernels::PackedWeight& matrix(int64_t offset) const { return *packed_.at(offset); }

 private:
  const ParameterLayout& layout_;
  kernels::Device& device_;
  std::span<const float> values_;
  absl::flat_hash_map<int64_t, std::unique_ptr<kernels::PackedWeight>> packed_;
};

}  // namespace temper::model
