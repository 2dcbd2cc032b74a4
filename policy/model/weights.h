// One version of a model's weights, ready to compute with.
//
// A snapshot: immutable while anyone computes with it. Packing happens once per version.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "kernels/ops.h"
#include "policy/model/folder/weight_source.h"
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

  // Packs a model folder slab by slab, without a float32 array of the whole. No dtype: bfloat16
  // where the folder has bfloat16, which changes no bit, else float32. Errors as WeightSource's.
  static absl::StatusOr<std::unique_ptr<Weights>> Load(const std::string& folder,
                                                       const ParameterLayout& layout,
                                                       kernels::Device& device,
                                                       std::optional<kernels::Dtype> dtype);

  // Packs again from new values of the same layout, in the same memory. Not after Load.
  void Repack(std::span<const float> values);

  // y[i] = the embedding of tokens[i].  y: [tokens, hidden]
  void Embed(std::span<const int32_t> tokens, kernels::View<float> y) const;
  // A tensor that is not packed, as it stands, by its offset in the layout.
  const float* at(int64_t offset) const {
    return values_.empty() ? loaded_.at(offset).data() : values_.data() + offset;
  }
  // A matrix in packed form (ParameterSpec.packed), by its offset.
  const kernels::PackedWeight& matrix(int64_t offset) const { return *packed_.at(offset); }

 private:
  Weights(const ParameterLayout& layout, kernels::Device& device)
      : layout_(layout), device_(device) {}
  absl::Status LoadTensor(size_t i, std::optional<kernels::Dtype> dtype, std::vector<float>& slab);
  absl::Status LoadMatrix(size_t i, kernels::Dtype dtype, std::vector<float>& slab);

  const ParameterLayout& layout_;
  kernels::Device& device_;
  absl::flat_hash_map<int64_t, std::unique_ptr<kernels::PackedWeight>> packed_;

  std::span<const float> values_;  // all of them, or, after Load, none
  // After Load: the tensors that are not packed, and the file in which a bfloat16 embedding stays.
  absl::flat_hash_map<int64_t, std::vector<float>> loaded_;
  std::optional<WeightSource> source_;
  kernels::View<const uint16_t> embeddings_;  // in the file; empty: float32 in loaded_
};

}  // namespace temper::model
