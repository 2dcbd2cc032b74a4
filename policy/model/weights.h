// One version of a model's weights, ready to compute with.
//
// A snapshot: immutable while anyone computes with it. Packing happens once per version.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "kernels/ops.h"
#include "policy/model/parameters.h"

namespace temper::model {

// Packed matrices of one layer; null where the layer has no such matrix.
struct PackedLayer {
  std::unique_ptr<kernels::PackedWeight> in_proj, out_proj;               // Mamba
  std::unique_ptr<kernels::PackedWeight> q_proj, k_proj, v_proj, o_proj;  // attention
  std::unique_ptr<kernels::PackedWeight> up_proj, down_proj;              // MLP
};

class Weights {
 public:
  // `values`: layout.size() floats that outlive this object (a mapped file, or the learner's own
  // array). `backward`: also packs what gradients of activations need.
  Weights(const ModelConfig& config, const ParameterLayout& layout, kernels::Device& device,
          std::span<const float> values, bool backward);

  // Packs again from new values of the same layout, in the same memory.
  void Repack(std::span<const float> values);

  const float* at(int64_t offset) const { return values_.data() + offset; }
  const PackedLayer& layer(int i) const { return packed_[i]; }
  const kernels::PackedWeight& lm_head() const { return *lm_head_; }

 private:
  const ModelConfig& config_;
  const ParameterLayout& layout_;
  kernels::Device& device_;
  std::span<const float> values_;
  std::vector<PackedLayer> packed_;
  std::unique_ptr<kernels::PackedWeight> lm_head_;
};

}  // namespace temper::model
