// qwen2, qwen3 and llama: one attention and one gated MLP a block.
#include "absl/strings/str_cat.h"
#include "policy/model/families/readers.h"

namespace temper::model {
namespace {

// layer_types of newer files says "full_attention" for every block, or names a window.
void CheckLayerTypes(Fields& fields, int64_t blocks) {
  std::string field;
  const Json* list = fields.Find({"layer_types"}, &field);
  if (list == nullptr) return;
  if (!list->is_array() || static_cast<int64_t>(list->size()) != blocks) {
    fields.Refuse(field, absl::StrCat("found ", Shown(*list), ", expected a list of ", blocks,
                                      " names, one a block"));
    return;
  }
  for (size_t i = 0; i < list->size(); ++i) {
    if ((*list)[i] == "full_attention") continue;
    fields.Refuse(absl::StrCat(field, "[", i, "]"),
                  absl::StrCat("found ", Shown((*list)[i]), ", expected \"full_attention\": ",
                               "attention windows are not supported"));
  }
}

}  // namespace

LayerConfig ReadRotaryAttention(Fields& fields, const ModelConfig& config) {
  LayerConfig layer{.kind = LayerKind::kAttention};
  layer.q_heads = fields.Integer({"num_attention_heads"}, 1, kHeadsMax);
  layer.kv_heads = fields.Integer({"num_key_value_heads"}, 1, kHeadsMax, layer.q_heads);
  if (!fields.Has({"head_dim"})) {
    fields.CheckDivides("hidden_size", config.hidden_size, "num_attention_heads", layer.q_heads);
  }
  const int64_t head_dim =
      config.family == Family::kQwen3 ? 128 : config.hidden_size / layer.q_heads;
  layer.attention_head_dim = fields.Integer({"head_dim"}, 1, kHeadDimMax, head_dim);
  fields.CheckDivides("num_attention_heads", layer.q_heads, "num_key_value_heads", layer.kv_heads);
  const bool biased = fields.Flag({"attention_bias"}, false);
  layer.qkv_bias = config.family == Family::kQwen2 || biased;
  layer.output_bias = config.family != Family::kQwen2 && biased;
  layer.qk_norm = config.family == Family::kQwen3;
  if (fields.Flag({"use_sliding_window"}, false)) {
    fields.Refuse("use_sliding_window", "found true: attention windows are not supported");
  }
  if (fields.status().ok()) {
    layer.inverse_frequency = ReadInverseFrequency(fields, layer.attention_head_dim);
  }
  return layer;
}

void CheckGatedMlp(Fields& fields) {
  fields.Only({"hidden_act"}, "silu", "no other activation is supported");
  fields.Only({"mlp_bias"}, false, "biases of MLP projections are not supported");
}

void ReadTransformer(Fields& fields, ModelConfig& config) {
  const int64_t blocks = fields.Integer({"num_hidden_layers"}, 1, kLayersMax);
  LayerConfig attention = ReadRotaryAttention(fields, config);
  LayerConfig mlp{.kind = LayerKind::kMlp, .gated = true};
  mlp.intermediate = fields.Integer({"intermediate_size"}, 1, kIntermediateMax);
  CheckGatedMlp(fields);
  CheckLayerTypes(fields, blocks);
  for (int64_t block = 0; block < blocks && fields.status().ok(); ++block) {
    attention.block = mlp.block = block;
    config.layers.push_back(attention);
    config.layers.push_back(mlp);
  }
}

}  // namespace temper::model
