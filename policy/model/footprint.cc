#include "policy/model/footprint.h"

#include <cmath>

namespace temper::model {

namespace {

// model.md section 1.4; `experts` of the routed experts are counted.
int64_t MoeParameters(const LayerConfig& layer, int64_t hidden, int64_t experts) {
  const int64_t width = layer.latent > 0 ? layer.latent : hidden;
  const int64_t latent_projections = layer.latent > 0 ? 2 * hidden * layer.latent : 0;
  const int64_t router = layer.experts * hidden + layer.experts;  // and correction bias
  return experts * 2 * width * layer.expert_intermediate + 2 * hidden * layer.shared_intermediate +
         router + latent_projections;
}

int64_t AttentionParameters(const LayerConfig& layer, int64_t hidden) {
  const int64_t q = layer.q_width(), kv = layer.kv_width();
  const int64_t biases = (layer.qkv_bias ? q + 2 * kv : 0) + (layer.output_bias ? hidden : 0);
  const int64_t norms = layer.qk_norm ? 2 * layer.attention_head_dim : 0;
  return 2 * hidden * q + 2 * hidden * kv + biases + norms;
}

int64_t MambaParameters(const LayerConfig& layer, int64_t hidden) {
  const int64_t conv = layer.conv_channels() * (layer.conv_taps + (layer.conv_bias ? 1 : 0));
  const int64_t per_head = 3 * layer.heads;  // A_log, D, dt_bias
  return (layer.projection() + layer.inner()) * hidden + conv + per_head + layer.inner();
}

// Of the mixer; `experts` of a MoE's routed experts are counted.
int64_t MixerParameters(const LayerConfig& layer, int64_t hidden, int64_t experts) {
  switch (layer.kind) {
    case LayerKind::kMamba:
      return MambaParameters(layer, hidden);
    case LayerKind::kAttention:
      return AttentionParameters(layer, hidden);
    case LayerKind::kMlp:
      return (layer.gated ? 3 : 2) * hidden * layer.intermediate;
    case LayerKind::kMoe:
      return MoeParameters(layer, hidden, experts);
    case LayerKind::kLinear:
      return hidden * hidden;
  }
  return 0;
}

void AddState(const LayerConfig& layer, Footprint& footprint) {
  if (layer.kind == LayerKind::kAttention) footprint.kv_per_token += 2 * layer.kv_width();
  if (layer.kind == LayerKind::kMamba) {
    footprint.ssm_state += layer.inner() * layer.state;
    footprint.conv_state += (layer.conv_taps - 1) * layer.conv_channels();
  }
}

}  // namespace

Footprint FootprintOf(const ModelConfig& config) {
  const int64_t hidden = config.hidden_size;
  Footprint footprint;
  footprint.embeddings = config.vocab_size * hidden;
  footprint.head = config.tie_word_embeddings ? 0 : config.output_rows() * hidden;
  footprint.final_norm = hidden;
  footprint.total = footprint.embeddings + footprint.head + footprint.final_norm;
  footprint.active = footprint.total;
  for (const LayerConfig& layer : config.layers) {
    const int64_t parameters = hidden + MixerParameters(layer, hidden, layer.experts);
    footprint.layers[layer.kind] += parameters;
    footprint.total += parameters;
    footprint.active += hidden + MixerParameters(layer, hidden, layer.experts_chosen);
    AddState(layer, footprint);
  }
  footprint.active_beyond_lookup =
      footprint.active - (config.tie_word_embeddings ? 0 : footprint.embeddings);
  return footprint;
}

std::string_view LayerKindName(LayerKind kind) {
  switch (kind) {
    case LayerKind::kMamba:
      return "mamba";
    case LayerKind::kAttention:
      return "attention";
    case LayerKind::kMlp:
      return "mlp";
    case LayerKind::kMoe:
      return "moe";
    case LayerKind::kLinear:
      return "linear";
  }
  return "";
}

int64_t BytesOf(int64_t parameters, const WeightDtype& dtype) {
  return std::llround(std::ceil(static_cast<double>(parameters) * dtype.bits / 8));
}

}  // namespace temper::model
