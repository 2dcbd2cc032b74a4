// nemotron_h: one mixer a layer, by pattern (model.md section 1).
#include <algorithm>
#include <array>

#include "absl/strings/str_cat.h"
#include "policy/model/families/readers.h"

namespace temper::model {
namespace {

constexpr double kUnlimited = 3.0e38;  // what a float can hold, and no time step reaches
constexpr char kLetters[] = "expected M, *, - or E";

std::optional<LayerKind> KindOfLetter(char letter) {
  switch (letter) {
    case 'M':
      return LayerKind::kMamba;
    case '*':
      return LayerKind::kAttention;
    case '-':
      return LayerKind::kMlp;
    case 'E':
      return LayerKind::kMoe;
    default:
      return std::nullopt;
  }
}

std::optional<LayerKind> KindOfName(std::string_view name) {
  if (name == "mamba" || name == "linear_attention") return LayerKind::kMamba;
  if (name == "attention" || name == "full_attention") return LayerKind::kAttention;
  if (name == "mlp") return LayerKind::kMlp;
  if (name == "moe") return LayerKind::kMoe;
  return std::nullopt;
}

std::vector<LayerKind> KindsOfList(Fields& fields, const Json& list, const std::string& field) {
  std::vector<LayerKind> kinds;
  if (!list.is_array()) {
    fields.Refuse(field, absl::StrCat("found ", Shown(list), ", expected a list of layer names"));
    return kinds;
  }
  for (const Json& entry : list) {
    const auto kind = entry.is_string() ? KindOfName(entry.get_ref<const std::string&>())
                                        : std::optional<LayerKind>();
    if (!kind.has_value()) {
      fields.Refuse(
          absl::StrCat(field, "[", kinds.size(), "]"),
          absl::StrCat("found ", Shown(entry), ", expected mamba, attention, mlp or moe"));
      return kinds;
    }
    kinds.push_back(*kind);
  }
  return kinds;
}

// Exports of Megatron mark pipeline cuts with '|' and the layers of multi-token prediction after
// '/'.
std::vector<LayerKind> KindsOfPattern(Fields& fields, const Json& pattern,
                                      const std::string& field) {
  std::vector<LayerKind> kinds;
  if (!pattern.is_string()) {
    fields.Refuse(field, absl::StrCat("found ", Shown(pattern), ", expected text like \"M-M*-\""));
    return kinds;
  }
  for (const char letter : pattern.get_ref<const std::string&>()) {
    if (letter == '|') continue;
    if (letter == '/') break;
    const auto kind = KindOfLetter(letter);
    if (!kind.has_value()) {
      fields.Refuse(field, absl::StrCat("found '", std::string(1, letter), "' at place ",
                                        kinds.size(), ", ", kLetters));
      return kinds;
    }
    kinds.push_back(*kind);
  }
  return kinds;
}

// The list wins over the string, as in transformers.
std::vector<LayerKind> ReadKinds(Fields& fields) {
  std::string field;
  std::vector<LayerKind> kinds;
  if (const Json* list = fields.Find({"layers_block_type", "layer_types"}, &field)) {
    kinds = KindsOfList(fields, *list, field);
  } else if (const Json* pattern = fields.Find({"hybrid_override_pattern"}, &field)) {
    kinds = KindsOfPattern(fields, *pattern, field);
  } else {
    field = "hybrid_override_pattern";
    fields.Refuse(field, "missing; expected it, or layers_block_type, to say what each layer is");
  }
  const int64_t count = static_cast<int64_t>(kinds.size());
  if (kinds.empty() || count > kLayersMax) {
    fields.Refuse(field, absl::StrCat("found ", count, " layers, expected 1 to ", kLayersMax));
  }
  const int64_t named = fields.Integer({"num_hidden_layers"}, 1, kLayersMax, count);
  if (named != count) {
    fields.Refuse("num_hidden_layers",
                  absl::StrCat("found ", named, ", expected ", count, " as in ", field));
  }
  return kinds;
}

// A bound of time_step_limit: a number, or infinity in one of the ways it is written.
std::optional<double> LimitOf(const Json& value) {
  if (value.is_number()) return std::min(value.get<double>(), kUnlimited);
  const Json* word = &value;
  if (value.is_object() && value.size() == 1 && value.contains("__float__")) {
    word = &value["__float__"];
  }
  if (word->is_string() && (*word == "Infinity" || *word == "inf")) return kUnlimited;
  return std::nullopt;
}

void ReadTimeStepLimit(Fields& fields, LayerConfig& layer) {
  std::string field;
  const Json* value = fields.Find({"time_step_limit", "mamba_dt_limit"}, &field);
  if (value == nullptr) return;
  if (value->is_array() && value->size() == 2) {
    const auto low = LimitOf((*value)[0]), high = LimitOf((*value)[1]);
    if (low.has_value() && high.has_value() && *low >= 0 && *low < *high) {
      layer.dt_min = static_cast<float>(*low);
      layer.dt_max = static_cast<float>(*high);
      return;
    }
  }
  fields.Refuse(field, absl::StrCat("found ", Shown(*value),
                                    ", expected two rising bounds, as [0.0, Infinity]"));
}

LayerConfig ReadMamba(Fields& fields) {
  LayerConfig layer{.kind = LayerKind::kMamba};
  layer.heads = fields.Integer({"mamba_num_heads"}, 1, kHeadsMax);
  layer.head_dim = fields.Integer({"mamba_head_dim"}, 1, kHeadDimMax);
  layer.state = fields.Integer({"ssm_state_size", "mamba_d_state"}, 1, kHeadDimMax);
  layer.groups = fields.Integer({"n_groups", "mamba_n_groups"}, 1, kHeadsMax, 8);
  layer.conv_taps = fields.Integer({"conv_kernel", "mamba_d_conv"}, 2, kTapsMax, 4);
  layer.conv_bias = fields.Flag({"use_conv_bias", "mamba_conv_bias"}, true);
  ReadTimeStepLimit(fields, layer);
  fields.Only({"mamba_hidden_act"}, "silu", "no other activation is supported");
  fields.Only({"use_bias"}, false, "biases of Mamba projections are not supported");
  fields.CheckDivides("mamba_num_heads", layer.heads, "n_groups", layer.groups);
  return layer;
}

LayerConfig ReadAttention(Fields& fields) {
  LayerConfig layer{.kind = LayerKind::kAttention};
  layer.q_heads = fields.Integer({"num_attention_heads"}, 1, kHeadsMax);
  layer.kv_heads = fields.Integer({"num_key_value_heads"}, 1, kHeadsMax, layer.q_heads);
  layer.attention_head_dim = fields.Integer({"head_dim", "attention_head_dim"}, 1, kHeadDimMax);
  fields.Only({"attention_bias"}, false, "biases of attention projections are not supported");
  fields.Only({"sliding_window"}, nullptr, "attention windows are not supported");
  fields.CheckDivides("num_attention_heads", layer.q_heads, "num_key_value_heads", layer.kv_heads);
  return layer;
}

// intermediate_size may be a list: one width for each MLP layer in turn.
LayerConfig ReadMlp(Fields& fields, size_t index) {
  LayerConfig layer{.kind = LayerKind::kMlp};
  const Json* value = fields.Find({"intermediate_size"}, nullptr);
  if (value != nullptr && value->is_array()) {
    if (index < value->size()) {
      layer.intermediate = fields.IntegerOf(
          (*value)[index], absl::StrCat("intermediate_size[", index, "]"), 1, kIntermediateMax);
    } else {
      fields.Refuse("intermediate_size", absl::StrCat("found ", value->size(),
                                                      " widths, fewer than there are MLP layers"));
    }
  } else {
    layer.intermediate = fields.Integer({"intermediate_size"}, 1, kIntermediateMax);
  }
  fields.Only({"mlp_hidden_act"}, "relu2", "no other activation is supported");
  fields.Only({"mlp_bias"}, false, "biases of MLP projections are not supported");
  return layer;
}

// Mind the names: n_group groups experts, n_groups groups Mamba's heads.
LayerConfig ReadMoe(Fields& fields) {
  LayerConfig layer{.kind = LayerKind::kMoe};
  layer.experts = fields.Integer({"n_routed_experts"}, 1, kExpertsMax);
  layer.experts_chosen = fields.Integer({"num_experts_per_tok"}, 1, layer.experts);
  layer.expert_intermediate = fields.Integer({"moe_intermediate_size"}, 1, kIntermediateMax);
  const int64_t shared = fields.Integer({"n_shared_experts"}, 0, 64, 1);
  if (shared > 0) {
    layer.shared_intermediate = shared * fields.Integer({"moe_shared_expert_intermediate_size"}, 1,
                                                        kIntermediateMax / shared);
  }
  layer.latent = fields.Integer({"moe_latent_size"}, 1, kHiddenMax, 0);
  layer.router_groups = fields.Integer({"n_group"}, 1, layer.experts, 1);
  layer.router_groups_chosen = fields.Integer({"topk_group"}, 1, layer.router_groups, 1);
  layer.normalize_chosen = fields.Flag({"norm_topk_prob"}, true);
  layer.router_scale = static_cast<float>(fields.Number({"routed_scaling_factor"}, 1e-6, 1e6, 1.0));
  fields.Only({"mlp_hidden_act"}, "relu2", "no other activation is supported");
  fields.Only({"mlp_bias"}, false, "biases of expert projections are not supported");
  fields.CheckDivides("n_routed_experts", layer.experts, "n_group", layer.router_groups);
  const int64_t selectable = layer.experts / layer.router_groups * layer.router_groups_chosen;
  if (layer.experts_chosen > selectable) {
    fields.Refuse("num_experts_per_tok",
                  absl::StrCat("found ", layer.experts_chosen, ", expected at most the ",
                               selectable, " experts of topk_group groups"));
  }
  return layer;
}

void ReadTimeSteps(Fields& fields, ModelConfig& config) {
  const auto step = [&](Fields::Names names, double fallback) {
    return static_cast<float>(fields.Number(names, 1e-9, 1e3, fallback));
  };
  config.time_step_min = step({"time_step_min", "mamba_dt_min"}, 0.001);
  config.time_step_max = step({"time_step_max", "mamba_dt_max"}, 0.1);
  config.time_step_floor = step({"time_step_floor", "mamba_dt_init_floor"}, 1e-4);
  if (config.time_step_min > config.time_step_max) {
    fields.Refuse("time_step_min",
                  absl::StrCat("found ", config.time_step_min,
                               ", expected at most time_step_max = ", config.time_step_max));
  }
}

}  // namespace

void ReadNemotronH(Fields& fields, ModelConfig& config) {
  ReadTimeSteps(fields, config);
  size_t mlps = 0;
  for (const LayerKind kind : ReadKinds(fields)) {
    if (!fields.status().ok()) return;
    config.layers.push_back(kind == LayerKind::kMamba       ? ReadMamba(fields)
                            : kind == LayerKind::kAttention ? ReadAttention(fields)
                            : kind == LayerKind::kMoe       ? ReadMoe(fields)
                                                            : ReadMlp(fields, mlps++));
  }
}

}  // namespace temper::model
