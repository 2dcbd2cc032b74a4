// Lays a model's tensors out one after the other, in the order of the layers.
#include "policy/model/parameters.h"

#include <utility>

#include "absl/strings/str_cat.h"

namespace temper::model {
namespace {

constexpr int64_t kAlignment = 16;  // floats: one cache line

// Appends tensors and hands out their places.
class Rows {
 public:
  explicit Rows(std::vector<ParameterSpec>& specs) : specs_(specs) {}

  int64_t Add(std::string name, std::vector<int64_t> shape,
              Training training = Training::kGradient) {
    ParameterSpec spec;
    spec.decayed = spec.packed = shape.size() == 2;
    spec.size = 1;
    for (const int64_t extent : shape) spec.size *= extent;
    spec.name = std::move(name);
    spec.shape = std::move(shape);
    spec.training = training;
    spec.layer = layer_;
    spec.offset = end_;
    end_ += (spec.size + kAlignment - 1) / kAlignment * kAlignment;
    parameters_ += spec.size;
    specs_.push_back(std::move(spec));
    return specs_.back().offset;
  }

  int64_t AddExpert(std::string name, std::vector<int64_t> shape) {
    const int64_t offset = Add(std::move(name), std::move(shape));
    specs_.back().expert = true;
    return offset;
  }

  // Of the tensors added from now on.
  void set_layer(int layer) { layer_ = layer; }
  int64_t end() const { return end_; }
  int64_t parameters() const { return parameters_; }

 private:
  std::vector<ParameterSpec>& specs_;
  int64_t end_ = 0, parameters_ = 0;
  int layer_ = -1;
};

// What the published files call things.
struct Names {
  std::string embeddings, final_norm;
  std::string norm, mixer;  // of the layer at hand; `mixer` is a prefix
};

Names NamesOf(const ModelConfig& config) {
  if (config.family == Family::kNemotronH) {
    return {.embeddings = "backbone.embeddings.weight", .final_norm = "backbone.norm_f.weight"};
  }
  return {.embeddings = "model.embed_tokens.weight", .final_norm = "model.norm.weight"};
}

void NameLayer(const ModelConfig& config, int64_t index, Names& names) {
  const LayerConfig& layer = config.layers[index];
  if (config.family == Family::kNemotronH) {
    const std::string prefix = absl::StrCat("backbone.layers.", index, ".");
    names.norm = prefix + "norm.weight";
    names.mixer = prefix + "mixer.";
    return;
  }
  const bool mlp = layer.kind == LayerKind::kMlp || layer.in_mlp_place;
  const std::string prefix =
      absl::StrCat("model.layers.", layer.block < 0 ? index : layer.block, ".");
  names.norm = prefix + (mlp ? "post_attention_layernorm.weight" : "input_layernorm.weight");
  names.mixer = prefix + (mlp ? "mlp." : "self_attn.");
}

void AddMamba(Rows& rows, const std::string& mixer, int64_t hidden, const LayerConfig& layer,
              LayerOffsets& at) {
  const int64_t channels = layer.conv_channels();
  at.in_proj = rows.Add(mixer + "in_proj.weight", {layer.projection(), hidden});
  at.conv_weight = rows.Add(mixer + "conv1d.weight", {channels, 1, layer.conv_taps});
  if (layer.conv_bias) at.conv_bias = rows.Add(mixer + "conv1d.bias", {channels});
  at.a_log = rows.Add(mixer + "A_log", {layer.heads});
  at.d = rows.Add(mixer + "D", {layer.heads});
  at.dt_bias = rows.Add(mixer + "dt_bias", {layer.heads});
  at.gated_norm = rows.Add(mixer + "norm.weight", {layer.inner()});
  at.out_proj = rows.Add(mixer + "out_proj.weight", {hidden, layer.inner()});
}

void AddAttention(Rows& rows, const std::string& mixer, int64_t hidden, const LayerConfig& layer,
                  LayerOffsets& at) {
  const int64_t q = layer.q_width(), kv = layer.kv_width();
  at.q_proj = rows.Add(mixer + "q_proj.weight", {q, hidden});
  at.k_proj = rows.Add(mixer + "k_proj.weight", {kv, hidden});
  at.v_proj = rows.Add(mixer + "v_proj.weight", {kv, hidden});
  at.o_proj = rows.Add(mixer + "o_proj.weight", {hidden, q});
  if (layer.qkv_bias) {
    at.q_bias = rows.Add(mixer + "q_proj.bias", {q});
    at.k_bias = rows.Add(mixer + "k_proj.bias", {kv});
    at.v_bias = rows.Add(mixer + "v_proj.bias", {kv});
  }
  if (layer.output_bias) at.o_bias = rows.Add(mixer + "o_proj.bias", {hidden});
  if (layer.qk_norm) {
    at.q_norm = rows.Add(mixer + "q_norm.weight", {layer.attention_head_dim});
    at.k_norm = rows.Add(mixer + "k_norm.weight", {layer.attention_head_dim});
  }
}

void AddMlp(Rows& rows, const std::string& mixer, int64_t hidden, const LayerConfig& layer,
            LayerOffsets& at) {
  if (layer.gated)
    at.gate_proj = rows.Add(mixer + "gate_proj.weight", {layer.intermediate, hidden});
  at.up_proj = rows.Add(mixer + "up_proj.weight", {layer.intermediate, hidden});
  at.down_proj = rows.Add(mixer + "down_proj.weight", {hidden, layer.intermediate});
}

void AddMoe(Rows& rows, const std::string& mixer, int64_t hidden, const LayerConfig& layer,
            LayerOffsets& at) {
  at.router = rows.Add(mixer + "gate.weight", {layer.experts, hidden}, Training::kRouter);
  at.correction =
      rows.Add(mixer + "gate.e_score_correction_bias", {layer.experts}, Training::kBalance);
  const int64_t width = layer.latent > 0 ? layer.latent : hidden;
  if (layer.latent > 0) {
    at.latent_down = rows.Add(mixer + "fc1_latent_proj.weight", {width, hidden});
    at.latent_up = rows.Add(mixer + "fc2_latent_proj.weight", {hidden, width});
  }
  for (int64_t i = 0; i < layer.experts; ++i) {
    const std::string expert = absl::StrCat(mixer, "experts.", i, ".");
    const int64_t up =
        rows.AddExpert(expert + "up_proj.weight", {layer.expert_intermediate, width});
    const int64_t down =
        rows.AddExpert(expert + "down_proj.weight", {width, layer.expert_intermediate});
    at.experts.push_back({.up_proj = up, .down_proj = down});
  }
  if (layer.shared_intermediate == 0) return;
  const std::string shared = mixer + "shared_experts.";
  at.shared_up = rows.Add(shared + "up_proj.weight", {layer.shared_intermediate, hidden});
  at.shared_down = rows.Add(shared + "down_proj.weight", {hidden, layer.shared_intermediate});
}

LayerOffsets AddLayer(Rows& rows, const Names& names, int64_t hidden, const LayerConfig& layer) {
  LayerOffsets at;
  at.norm = rows.Add(names.norm, {hidden});
  switch (layer.kind) {
    case LayerKind::kMamba:
      AddMamba(rows, names.mixer, hidden, layer, at);
      break;
    case LayerKind::kAttention:
      AddAttention(rows, names.mixer, hidden, layer, at);
      break;
    case LayerKind::kMlp:
      AddMlp(rows, names.mixer, hidden, layer, at);
      break;
    case LayerKind::kMoe:
      AddMoe(rows, names.mixer, hidden, layer, at);
      break;
    case LayerKind::kLinear:
      at.linear =
          rows.Add(names.mixer + (layer.in_mlp_place ? "linear_mlp.weight" : "linear_attn.weight"),
                   {hidden, hidden});
      break;
  }
  return at;
}

}  // namespace

ParameterLayout::ParameterLayout(const ModelConfig& config) {
  Rows rows(specs_);
  const int64_t hidden = config.hidden_size;
  Names names = NamesOf(config);
  embeddings_ = rows.Add(names.embeddings, {config.vocab_size, hidden});
  specs_.back().packed = config.tie_word_embeddings;
  for (size_t i = 0; i < config.layers.size(); ++i) {
    NameLayer(config, static_cast<int64_t>(i), names);
    rows.set_layer(static_cast<int>(i));
    layers_.push_back(AddLayer(rows, names, hidden, config.layers[i]));
  }
  rows.set_layer(-1);
  final_norm_ = rows.Add(names.final_norm, {hidden});
  const char* head = config.reward_head ? "score.weight" : "lm_head.weight";
  head_ = config.tie_word_embeddings ? embeddings_ : rows.Add(head, {config.output_rows(), hidden});
  size_ = rows.end();
  parameters_ = rows.parameters();
}

}  // namespace temper::model
