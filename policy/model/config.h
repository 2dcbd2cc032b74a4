// What a model is made of, read from a Hugging Face config.json of model_type "nemotron_h".
//
// Plain values, checked once on reading: later code trusts them.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace temper::model {

enum class LayerKind { kMamba, kAttention, kMlp };

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

  // kMlp
  int64_t intermediate = 0;

  int64_t inner() const { return heads * head_dim; }
  int64_t conv_channels() const { return inner() + 2 * groups * state; }
  int64_t projection() const { return inner() + conv_channels() + heads; }
};

struct ModelConfig {
  int64_t vocab_size = 0;
  int64_t hidden_size = 0;
  float norm_epsilon = 1e-5f;
  bool tie_word_embeddings = false;
  float initializer_range = 0.02f;
  float time_step_min = 0.001f, time_step_max = 0.1f, time_step_floor = 1e-4f;  // init only
  int32_t bos_token_id = -1;                                                    // -1: none
  std::vector<int32_t> eos_token_ids;  // of config.json; generation_config.json may add
  std::vector<LayerConfig> layers;
  std::string json;  // the file as read, carried along when the model is saved

  std::string Pattern() const;  // e.g. "M-M*-"
};

// `place` names the source in messages, e.g. "model/config.json".
absl::StatusOr<ModelConfig> ParseModelConfig(std::string_view json, std::string_view place);
absl::StatusOr<ModelConfig> ReadModelConfig(const std::string& path);

}  // namespace temper::model
