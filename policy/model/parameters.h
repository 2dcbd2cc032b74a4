// Where every tensor of a model stands in one flat float32 array.
//
// Weights, gradients and optimiser moments share this layout, so that updates, digests and
// publication are loops over one array.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "kernels/view.h"
#include "policy/model/config.h"

namespace temper::model {

// Who changes a tensor in training.
enum class Training {
  kGradient,  // the optimiser
  kRouter,    // the optimiser, where the spec thaws routers; frozen by default
  kBalance,   // the load-balancing rule (model.md section 4.3), never a gradient
};

struct ParameterSpec {
  std::string name;            // as published, e.g. "backbone.layers.0.mixer.in_proj.weight"
  std::vector<int64_t> shape;  // as published
  int64_t offset = 0;          // floats from the start of the array
  int64_t size = 0;            // floats
  int layer = -1;              // that it belongs to; -1: none
  bool decayed = false;        // weight decay applies: matrices only
  bool packed = false;         // read in packed form (Weights); the embedding only when tied
  bool expert = false;         // of a mixture's routed experts, whose products are grouped
  Training training = Training::kGradient;
};

struct ExpertOffsets {
  int64_t up_proj = -1, down_proj = -1;
};

// Places of one layer's tensors in the array, in floats; -1 where the layer has no such tensor.
struct LayerOffsets {
  int64_t norm = -1;
  int64_t in_proj = -1, conv_weight = -1, conv_bias = -1, a_log = -1, d = -1, dt_bias = -1,
          gated_norm = -1, out_proj = -1;                                  // Mamba
  int64_t q_proj = -1, k_proj = -1, v_proj = -1, o_proj = -1;              // attention
  int64_t q_bias = -1, k_bias = -1, v_bias = -1, o_bias = -1;              // attention
  int64_t q_norm = -1, k_norm = -1;                                        // attention
  int64_t gate_proj = -1, up_proj = -1, down_proj = -1;                    // MLP
  int64_t router = -1, correction = -1, latent_down = -1, latent_up = -1;  // MoE
  int64_t shared_up = -1, shared_down = -1;                                // MoE
  std::vector<ExpertOffsets> experts;                                      // MoE
  int64_t linear = -1;                                                     // linear
};

class ParameterLayout {
 public:
  explicit ParameterLayout(const ModelConfig& config);

  std::span<const ParameterSpec> specs() const { return specs_; }
  const std::vector<LayerOffsets>& layers() const { return layers_; }
  int64_t embeddings() const { return embeddings_; }
  int64_t final_norm() const { return final_norm_; }
  // Of the language model (equals embeddings() when tied), or of the reward.
  int64_t head() const { return head_; }
  // Floats of the whole array. Each tensor starts on a multiple of 16 floats.
  int64_t size() const { return size_; }
  // Sum of the tensors' sizes, without the gaps.
  int64_t parameters() const { return parameters_; }

 private:
  std::vector<ParameterSpec> specs_;
  std::vector<LayerOffsets> layers_;
  int64_t embeddings_ = 0, final_norm_ = 0, head_ = 0, size_ = 0, parameters_ = 0;
};

// Fresh values (model.md section 5), a function of the seed and each tensor's name alone.
void Initialize(const ModelConfig& config, const ParameterLayout& layout, uint64_t seed,
                std::span<float> values);
// One tensor's share of that: values of [first, first + values.size()) of it. `first`: a multiple
// of 4.
void InitializePart(const ModelConfig& config, const ParameterSpec& spec, uint64_t seed,
                    int64_t first, std::span<float> values);

}  // namespace temper::model
