// What a model is made of, read from a Hugging Face config.json.
//
// Every family is a list of single-mixer layers: h = h + mixer(norm(h)). A transformer block of the
// qwen2, qwen3, llama and nemotron-nas families is two of them, attention and MLP; the same layers
// serve all. Plain values, checked once on reading: later code trusts them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace temper::model {

enum class Family { kNemotronH, kQwen2, kQwen3, kLlama, kNemotronNas };

// config.json's model_type.
std::string_view FamilyName(Family family);

enum class LayerKind {
  kMamba,
  kAttention,
  kMlp,
  kMoe,
  kLinear,  // one square matrix in the place of an attention or an MLP (nemotron-nas)
};

// Sizes of one layer; only the fields of its kind are set. Layers may differ from each other.
struct LayerConfig {
  LayerKind kind = LayerKind::kMlp;

  // kMamba
  int64_t heads = 0;      // H
  int64_t head_dim = 0;   // P
  int64_t state = 0;      // N
  int64_t groups = 0;     // G
  int64_t conv_taps = 0;  // K
  bool conv_bias = true;
  float dt_min = 0.0f;  // time_step_limit
  float dt_max = 3.0e38f;

  // kAttention
  int64_t q_heads = 0;
  int64_t kv_heads = 0;
  int64_t attention_head_dim = 0;
  bool qkv_bias = false;
  bool output_bias = false;
  bool qk_norm = false;  // RMSNorm of every head of q and k, before positions
  // Rotary positions: head_dim/2 angles a token; empty: no positions.
  std::vector<float> inverse_frequency;

  // kMlp
  int64_t intermediate = 0;
  bool gated = false;  // down(silu(gate) * up), else down(relu(up)^2)

  // kMoe (model.md section 3.5); the experts are squared-ReLU MLPs
  int64_t experts = 0;
  int64_t experts_chosen = 0;  // top-k
  int64_t expert_intermediate = 0;
  int64_t shared_intermediate = 0;  // of the shared expert; 0: none
  int64_t latent = 0;               // width the experts work in; 0: the hidden size
  int64_t router_groups = 1;
  int64_t router_groups_chosen = 1;
  bool normalize_chosen = true;
  float router_scale = 1.0f;

  // Number of the block whose tensors it holds, where that is not the layer's own place; -1: is.
  int64_t block = -1;
  bool in_mlp_place = false;  // kLinear: replaces the block's MLP, not its attention

  int64_t inner() const { return heads * head_dim; }
  int64_t conv_channels() const { return inner() + 2 * groups * state; }
  int64_t projection() const { return inner() + conv_channels() + heads; }
  int64_t q_width() const { return q_heads * attention_head_dim; }
  int64_t kv_width() const { return kv_heads * attention_head_dim; }
  bool operator==(const LayerConfig&) const = default;
};

struct ModelConfig {
  Family family = Family::kNemotronH;
  int64_t vocab_size = 0;
  int64_t hidden_size = 0;
  float norm_epsilon = 1e-5f;
  bool tie_word_embeddings = false;  // false beside a reward head: there is nothing to tie
  // ...ForSequenceClassification of one label: the layers end in one number, the value of the
  // sequence up to a token, in place of logits. Such a model does not sample; pairs train it.
  bool reward_head = false;
  float initializer_range = 0.02f;
  float time_step_min = 0.001f, time_step_max = 0.1f, time_step_floor = 1e-4f;  // init only
  int32_t bos_token_id = -1;                                                    // -1: none
  std::vector<int32_t> eos_token_ids;  // of config.json; generation_config.json may add
  std::vector<LayerConfig> layers;
  std::string json;  // the file as read, carried along when the model is saved

  // Numbers that the head gives for a token: logits, or one value.
  int64_t output_rows() const { return reward_head ? 1 : vocab_size; }
  // One letter a layer: M, *, - as published; E a mixture of experts, L a linear replacement.
  std::string Pattern() const;
};

// `place` names the source in messages, e.g. "model/config.json".
absl::StatusOr<ModelConfig> ParseModelConfig(std::string_view json, std::string_view place);
absl::StatusOr<ModelConfig> ReadModelConfig(const std::string& path);

// INVALID_ARGUMENT for a model with a reward head, for whoever samples, scores or trains tokens.
absl::Status CheckLanguageModel(const ModelConfig& config, std::string_view place);

}  // namespace temper::model
