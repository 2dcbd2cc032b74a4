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
#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "kernels/ops.h"
#include "policy/model/folder/weight_source.h"
#include "policy/model/host_stream.h"
#include "policy/model/parameters.h"

namespace temper::model {

struct WeightOptions {
  bool backward = false;  // also pack what gradients of activations need
  // Of the packed matrices; routers stay float32. Rounding happens here and nowhere else, so a
  // learner and a worker that pack the same floats compute the same bits.
  kernels::Dtype dtype = kernels::Dtype::kFloat32;
  // Where the values lie. Those of the host are copied to a device that does not share its memory.
  kernels::Place values = kernels::Place::kHost;
  // Also what is not packed is copied: the values may go as soon as they are packed.
  bool own = false;
};

// "float32" or "bfloat16"; INVALID_ARGUMENT names both.
absl::StatusOr<kernels::Dtype> ParseDtype(std::string_view name);

// Writes values [first, first + values.size()) of a tensor: whole rows.
using FillTensor =
    absl::FunctionRef<void(const ParameterSpec&, int64_t first, std::span<float> values)>;

class Weights {
 public:
  // `values`: layout.size() floats (a mapped file, or the learner's own array). They outlive this
  // object where ops read them as they stand: not with options.own, nor where they were copied.
  Weights(const ParameterLayout& layout, kernels::Device& device, std::span<const float> values,
          const WeightOptions& options);

  // Packs a model folder slab by slab, without a float32 array of the whole. No dtype: bfloat16
  // where the folder has bfloat16, which changes no bit, else float32. Errors as WeightSource's.
  static absl::StatusOr<std::unique_ptr<Weights>> Load(const std::string& folder,
                                                       const ParameterLayout& layout,
                                                       kernels::Device& device,
                                                       std::optional<kernels::Dtype> dtype);

  // Packs what `fill` writes, slab by slab in the order of the layout, without a float32 array of
  // the whole. The dtype is the embedding's too. options.values does not matter.
  static std::unique_ptr<Weights> Generate(const ParameterLayout& layout, kernels::Device& device,
                                           const WeightOptions& options, FillTensor fill);

  // Packs again from new values of the same layout, in the same memory. Not after Load or Generate.
  // Of the host only where the first were, or with options.own.
  void Repack(std::span<const float> values, kernels::Place place);

  // y[i] = the embedding of tokens[i].  y: [tokens, hidden]
  void Embed(std::span<const int32_t> tokens, kernels::View<float> y) const;
  // A tensor that is not packed, as it stands, by its offset in the layout.
  const float* at(int64_t offset) const {
    return resident_.empty() ? values_.data() + offset : resident_.at(offset).as<float>();
  }
  // A matrix in packed form (ParameterSpec.packed), by its offset.
  const kernels::PackedWeight& matrix(int64_t offset) const { return *packed_.at(offset); }
  // The same matrix of each of a mixture's experts, in their order, by the offset of the first
  // one's.
  std::span<const kernels::PackedWeight* const> experts(int64_t first) const {
    return experts_.at(first);
  }

 private:
  Weights(const ParameterLayout& layout, kernels::Device& device)
      : layout_(layout), device_(device) {}
  // A tensor that is read unpacked.
  bool Plain(const ParameterSpec& spec) const {
    return !spec.packed || spec.offset == layout_.embeddings();
  }
  absl::Status LoadTensor(size_t i, std::optional<kernels::Dtype> dtype, HostStream& stream);
  absl::Status LoadMatrix(size_t i, kernels::Dtype dtype, HostStream& stream);
  absl::Status LoadPlain(size_t i, float* values, HostStream& stream);
  void GenerateMatrix(const ParameterSpec& spec, const WeightOptions& options, FillTensor fill,
                      HostStream& stream);
  void GeneratePlain(const ParameterSpec& spec, kernels::Dtype dtype, FillTensor fill,
                     HostStream& stream);
  // Once all matrices are there.
  void ListExperts();
  void RepackMatrix(const ParameterSpec& spec, const float* tensor, kernels::Place place,
                    HostStream& stream);
  // Whether ops can read what lies there.
  bool InReach(kernels::Place place) const {
    return place == kernels::Place::kDevice || device_.shares_host_memory();
  }

  const ParameterLayout& layout_;
  kernels::Device& device_;
  absl::flat_hash_map<int64_t, std::unique_ptr<kernels::PackedWeight>> packed_;
  absl::flat_hash_map<int64_t, std::vector<const kernels::PackedWeight*>> experts_;

  std::span<const float> values_;  // all of them where resident_ is empty, else none
  // The tensors that are not packed, where they are not read as values_ hold them.
  absl::flat_hash_map<int64_t, kernels::Memory> resident_;
  // After Load: the file, in which a bfloat16 embedding stays where the device shares its memory.
  std::optional<WeightSource> source_;
  kernels::Memory embeddings_copy_;
  kernels::View<const uint16_t> embeddings_;  // empty: float32
};

}  // namespace temper::model
