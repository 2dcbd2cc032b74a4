// A small model with everything that a call needs, for tests of the model and of its bits.
#pragma once

#include <cstring>
#include <memory>
#include <span>
#include <vector>

#include "policy/model/hybrid_model.h"
#include "tests/kernels/test_device.h"

namespace temper::model {

struct Policy {
  Policy(const ModelConfig& model, std::vector<float> initial, int threads,
         kernels::Dtype dtype = kernels::Dtype::kFloat32)
      : config(model),
        layout(config),
        device(kernels::OpenTestDevice(threads)),
        values(std::move(initial)),
        weights(layout, *device, values, {.backward = true, .dtype = dtype}),
        model(config, layout, *device) {}

  void Extend(std::span<const Slice> slices, kernels::View<float> logits) {
    model.Extend(weights, slices, logits);
  }
  void Score(const PackedBatch& batch, std::span<float> logprob, std::span<float> entropy = {}) {
    model.Score(weights, batch, logprob, entropy);
  }
  void Train(const PackedBatch& batch, TokenLoss loss, std::span<float> gradients) {
    model.Train(weights, batch, loss, gradients);
  }

  const ModelConfig config;
  const ParameterLayout layout;
  const std::unique_ptr<kernels::Device> device;
  std::vector<float> values;
  Weights weights;
  HybridModel model;
};

// Appends a sequence of which the tokens from `first` on (at least 1) are predicted.
inline void Append(std::span<const int32_t> tokens, int64_t first, PackedBatch& batch) {
  const int64_t begin = static_cast<int64_t>(batch.tokens.size());
  const int64_t length = static_cast<int64_t>(tokens.size());
  batch.segments.push_back({.begin = begin, .length = length});
  for (int64_t i = first; i < length; ++i) {
    batch.prediction_rows.push_back(static_cast<int32_t>(begin + i - 1));
    batch.prediction_targets.push_back(tokens[i]);
  }
  batch.tokens.insert(batch.tokens.end(), tokens.begin(), tokens.end());
}

inline bool SameBits(std::span<const float> a, std::span<const float> b) {
  return a.size() == b.size() && std::memcmp(a.data(), b.data(), a.size_bytes()) == 0;
}

}  // namespace temper::model
