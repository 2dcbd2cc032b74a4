// nemotron-nas: what each of block_configs leaves of a llama block (model.md section 7).
#include "absl/strings/str_cat.h"
#include "policy/model/families/readers.h"

namespace temper::model {
namespace {

// The gated MLP's width: two thirds of ffn_mult hidden sizes, up to a multiple of 256.
int64_t Intermediate(double multiplier, int64_t hidden) {
  constexpr int64_t kMultiple = 256;
  const auto width = static_cast<int64_t>(2 * multiplier * static_cast<double>(hidden) / 3);
  return (width + kMultiple - 1) / kMultiple * kMultiple;
}

// "attention" or "ffn" of one block; an absent one is an error that stays in `fields`.
const Json* Part(Fields& fields, const Json& block, int64_t index, const char* name) {
  const auto at = block.is_object() ? block.find(name) : block.end();
  if (at != block.end() && at->is_object()) return &*at;
  fields.Refuse(absl::StrCat("block_configs[", index, "].", name),
                absl::StrCat("found ", at == block.end() ? "nothing" : Shown(*at),
                             ", expected an object {...}"));
  return nullptr;
}

void CheckPlainAttention(Fields& part) {
  const char* const why = "sparse and windowed attention are not supported";
  part.Only({"window_length"}, nullptr, why);
  part.Only({"num_sink_tokens"}, nullptr, why);
  part.Only({"sparsify"}, nullptr, why);
  part.Only({"unshifted_sink"}, false, why);
}

void AddAttention(Fields& part, const LayerConfig& base, int64_t block, ModelConfig& config) {
  CheckPlainAttention(part);
  if (part.Flag({"replace_with_linear"}, false)) {
    config.layers.push_back({.kind = LayerKind::kLinear, .block = block});
    return;
  }
  if (part.Flag({"no_op"}, false) || !part.Has({"n_heads_in_group"})) return;
  LayerConfig layer = base;
  const int64_t group = part.Integer({"n_heads_in_group"}, 1, kHeadsMax);
  part.CheckDivides("n_heads_in_group: num_attention_heads", layer.q_heads, "it", group);
  layer.kv_heads = layer.q_heads / group;
  layer.block = block;
  config.layers.push_back(layer);
}

void AddFeedForward(Fields& part, int64_t block, ModelConfig& config) {
  part.Only({"sparsify"}, nullptr, "sparse MLPs are not supported");
  if (part.Flag({"replace_with_linear"}, false)) {
    config.layers.push_back({.kind = LayerKind::kLinear, .block = block, .in_mlp_place = true});
    return;
  }
  if (part.Flag({"no_op"}, false) || !part.Has({"ffn_mult"})) return;
  LayerConfig layer{.kind = LayerKind::kMlp, .gated = true, .block = block};
  const double multiplier = part.Number({"ffn_mult"}, 1e-6, 64);
  layer.intermediate = Intermediate(multiplier, config.hidden_size);
  if (layer.intermediate > kIntermediateMax) {
    part.Refuse("ffn_mult", absl::StrCat("makes an MLP ", layer.intermediate,
                                         " wide, expected at most ", kIntermediateMax));
  }
  config.layers.push_back(layer);
}

}  // namespace

void ReadNemotronNas(Fields& fields, ModelConfig& config) {
  const LayerConfig attention = ReadRotaryAttention(fields, config);
  CheckGatedMlp(fields);
  const int64_t blocks = fields.Integer({"num_hidden_layers"}, 1, kLayersMax);
  const Json* list = fields.Find({"block_configs"}, nullptr);
  if (list == nullptr || !list->is_array() || static_cast<int64_t>(list->size()) != blocks) {
    fields.Refuse("block_configs",
                  absl::StrCat("found ",
                               list == nullptr     ? "nothing"
                               : !list->is_array() ? Shown(*list)
                                                   : absl::StrCat(list->size(), " blocks"),
                               ", expected a list of num_hidden_layers = ", blocks, " blocks"));
    return;
  }
  for (int64_t i = 0; i < blocks && fields.status().ok(); ++i) {
    const Json* part = Part(fields, (*list)[i], i, "attention");
    if (part == nullptr) return;
    Fields attention_fields(*part, fields.place(),
                            absl::StrCat("block_configs[", i, "].attention."));
    AddAttention(attention_fields, attention, i, config);
    fields.Adopt(attention_fields.status());
    part = Part(fields, (*list)[i], i, "ffn");
    if (part == nullptr) return;
    Fields ffn_fields(*part, fields.place(), absl::StrCat("block_configs[", i, "].ffn."));
    AddFeedForward(ffn_fields, i, config);
    fields.Adopt(ffn_fields.status());
  }
  if (config.layers.empty()) {
    fields.Refuse("block_configs", "every block is empty: expected at least one layer");
  }
}

}  // namespace temper::model
