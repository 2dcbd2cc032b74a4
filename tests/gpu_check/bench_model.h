// The model that is measured: how much of it fits, and its random weights.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/status/statusor.h"
#include "policy/model/weights.h"
#include "tests/gpu_check/bench.h"

namespace temper::gpu_check {

// Of --config, --preset and --layers.
absl::StatusOr<model::ModelConfig> ReadConfig(const Options& options);

model::ModelConfig FirstLayers(const model::ModelConfig& config, size_t layers);
// The first layer of each kind, and a short vocabulary: the same products, norms and recurrences.
model::ModelConfig OneOfEachKind(const model::ModelConfig& config, int64_t vocab_max);

// Most layers with which bytes(model) stays below `budget`; 0: none.
size_t LayersThatFit(const model::ModelConfig& config, int64_t budget,
                     absl::FunctionRef<int64_t(const model::ModelConfig&)> bytes);

// Estimates. Packed weights, the embedding and the small tensors.
int64_t WeightBytes(const model::ModelConfig& config, kernels::Dtype dtype);
// Of one sequence.
int64_t StateBytes(const model::ModelConfig& config, int64_t context);
int64_t InferenceBytes(const model::ModelConfig& config, kernels::Dtype dtype, int64_t batch,
                       int64_t context, int64_t prefill_tokens);
// Weights, float32 gradients, what forward keeps and what backward works with.
int64_t TrainingBytes(const model::ModelConfig& config, kernels::Dtype dtype, int64_t tokens);

// The values of Initialize, but that every slab of a tensor repeats its first: drawing 8 billion
// normals takes longer than measuring with them.
std::unique_ptr<model::Weights> DrawWeights(const model::ModelConfig& config,
                                            const model::ParameterLayout& layout,
                                            kernels::Device& device,
                                            const model::WeightOptions& options);

std::vector<int32_t> DrawTokens(const model::ModelConfig& config, int64_t count, uint32_t seed = 1);

}  // namespace temper::gpu_check
