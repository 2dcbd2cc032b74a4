// Reads config.json: every field checked once, with words for what is wrong.
#include "policy/model/config.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <initializer_list>
#include <optional>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/file.h"
#include "base/json_text.h"
#include "base/status_macros.h"
#include "nlohmann/json.hpp"

namespace temper::model {
namespace {

using Json = nlohmann::json;
using Names = std::initializer_list<const char*>;

// Generous for any model that exists, small enough that no size computed from them overflows.
constexpr int64_t kVocabMax = 1 << 24;
constexpr int64_t kHiddenMax = 1 << 17;
constexpr int64_t kHeadsMax = 1 << 14;
constexpr int64_t kHeadDimMax = 1 << 12;
constexpr int64_t kTapsMax = 8;
constexpr int64_t kIntermediateMax = 1 << 20;
constexpr size_t kLayersMax = 1024;
constexpr double kUnlimited = 3.0e38;  // what a float can hold, and no time step reaches

constexpr char kSupported[] = "supported: nemotron_h with layers M, * and -";

// A value as it stands in the file, cut when long.
std::string Shown(const Json& value) {
  std::string text = value.dump(-1, ' ', false, Json::error_handler_t::replace);
  if (text.size() > 60) text = text.substr(0, 57) + "...";
  return text;
}

// Takes fields out of one JSON object; the first thing that is wrong stays in status().
class Fields {
 public:
  Fields(const Json& object, std::string_view place) : object_(object), place_(place) {}

  const absl::Status& status() const { return status_; }

  void Refuse(std::string_view field, std::string_view words) {
    if (!status_.ok()) return;
    status_ = absl::InvalidArgumentError(
        absl::StrCat(place_, ": ", std::string(field), ": ", std::string(words)));
  }

  // The first of `names` that is there and not null; its name goes to `found`.
  const Json* Find(Names names, std::string* found) const {
    for (const char* name : names) {
      const auto at = object_.find(name);
      if (at == object_.end() || at->is_null()) continue;
      if (found != nullptr) *found = name;
      return &*at;
    }
    return nullptr;
  }

  // Without a `fallback` the field is required.
  int64_t Integer(Names names, int64_t least, int64_t most, std::optional<int64_t> fallback = {}) {
    std::string name;
    const Json* value = Find(names, &name);
    if (value != nullptr) return IntegerOf(*value, name, least, most);
    if (fallback.has_value()) return *fallback;
    Refuse(*names.begin(), absl::StrCat("missing; expected ", Range(least, most)));
    return least;
  }

  int64_t IntegerOf(const Json& value, std::string_view name, int64_t least, int64_t most) {
    const bool fits = value.is_number_unsigned()
                          ? value.get<uint64_t>() <= static_cast<uint64_t>(most)
                          : value.is_number_integer();
    if (fits) {
      const int64_t number = value.get<int64_t>();
      if (number >= least && number <= most) return number;
    }
    Refuse(name, absl::StrCat("found ", Shown(value), ", expected ", Range(least, most)));
    return least;
  }

  float Number(Names names, double least, double most, double fallback) {
    std::string name;
    const Json* value = Find(names, &name);
    if (value == nullptr) return static_cast<float>(fallback);
    if (value->is_number()) {
      const double number = value->get<double>();
      if (number >= least && number <= most) return static_cast<float>(number);
    }
    Refuse(name,
           absl::StrCat("found ", Shown(*value), ", expected a number from ", least, " to ", most));
    return static_cast<float>(fallback);
  }

  bool Flag(Names names, bool fallback) {
    std::string name;
    const Json* value = Find(names, &name);
    if (value == nullptr) return fallback;
    if (value->is_boolean()) return value->get<bool>();
    Refuse(name, absl::StrCat("found ", Shown(*value), ", expected true or false"));
    return fallback;
  }

  // Refuses anything but `expected` (or an absent field).
  void Only(Names names, const Json& expected, std::string_view why) {
    std::string name;
    const Json* value = Find(names, &name);
    if (value == nullptr || *value == expected) return;
    Refuse(name, absl::StrCat("found ", Shown(*value), ", expected ", expected.dump(), ": ",
                              std::string(why)));
  }

 private:
  static std::string Range(int64_t least, int64_t most) {
    return absl::StrCat("a whole number from ", least, " to ", most);
  }

  const Json& object_;
  const std::string place_;
  absl::Status status_;
};

// Python writes Infinity bare, which JSON does not have. A number of the same length takes its
// place, so that columns in messages stay right.
std::string WithoutBareInfinity(std::string_view json) {
  constexpr std::string_view kInfinity = "Infinity", kHuge = "1.7e+308";
  std::string text(json);
  bool quoted = false;
  for (size_t i = 0; i < text.size(); ++i) {
    if (quoted && text[i] == '\\') {
      ++i;
    } else if (text[i] == '"') {
      quoted = !quoted;
    } else if (!quoted && text.compare(i, kInfinity.size(), kInfinity) == 0) {
      text.replace(i, kInfinity.size(), kHuge);
    }
  }
  return text;
}

std::optional<LayerKind> KindOfLetter(char letter) {
  switch (letter) {
    case 'M':
      return LayerKind::kMamba;
    case '*':
      return LayerKind::kAttention;
    case '-':
      return LayerKind::kMlp;
    default:
      return std::nullopt;
  }
}

std::optional<LayerKind> KindOfName(std::string_view name) {
  if (name == "mamba" || name == "linear_attention") return LayerKind::kMamba;
  if (name == "attention" || name == "full_attention") return LayerKind::kAttention;
  if (name == "mlp") return LayerKind::kMlp;
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
          absl::StrCat("found ", Shown(entry), ", expected mamba, attention or mlp; ", kSupported));
      return kinds;
    }
    kinds.push_back(*kind);
  }
  return kinds;
}

std::vector<LayerKind> KindsOfPattern(Fields& fields, const Json& pattern,
                                      const std::string& field) {
  std::vector<LayerKind> kinds;
  if (!pattern.is_string()) {
    fields.Refuse(field, absl::StrCat("found ", Shown(pattern), ", expected text like \"M-M*-\""));
    return kinds;
  }
  for (const char letter : pattern.get_ref<const std::string&>()) {
    const auto kind = KindOfLetter(letter);
    if (!kind.has_value()) {
      fields.Refuse(field, absl::StrCat("found '", std::string(1, letter), "' at place ",
                                        kinds.size(), ", expected M, * or -; ", kSupported));
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
  if (kinds.empty() || kinds.size() > kLayersMax) {
    fields.Refuse(field,
                  absl::StrCat("found ", kinds.size(), " layers, expected 1 to ", kLayersMax));
  }
  const int64_t count = static_cast<int64_t>(kinds.size());
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

void CheckDivides(Fields& fields, std::array<std::string_view, 2> names, int64_t whole,
                  int64_t part) {
  if (whole % part == 0) return;
  fields.Refuse(names[0], absl::StrCat("found ", whole, ", expected a multiple of ",
                                       std::string(names[1]), " = ", part));
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
  CheckDivides(fields, {"mamba_num_heads", "n_groups"}, layer.heads, layer.groups);
  return layer;
}

LayerConfig ReadAttention(Fields& fields) {
  LayerConfig layer{.kind = LayerKind::kAttention};
  layer.q_heads = fields.Integer({"num_attention_heads"}, 1, kHeadsMax);
  layer.kv_heads = fields.Integer({"num_key_value_heads"}, 1, kHeadsMax, layer.q_heads);
  layer.attention_head_dim = fields.Integer({"head_dim", "attention_head_dim"}, 1, kHeadDimMax);
  fields.Only({"attention_bias"}, false, "biases of attention projections are not supported");
  fields.Only({"sliding_window"}, nullptr, "attention windows are not supported");
  CheckDivides(fields, {"num_attention_heads", "num_key_value_heads"}, layer.q_heads,
               layer.kv_heads);
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

void ReadLayers(Fields& fields, ModelConfig& config) {
  size_t mlps = 0;
  for (const LayerKind kind : ReadKinds(fields)) {
    if (!fields.status().ok()) return;
    switch (kind) {
      case LayerKind::kMamba:
        config.layers.push_back(ReadMamba(fields));
        break;
      case LayerKind::kAttention:
        config.layers.push_back(ReadAttention(fields));
        break;
      case LayerKind::kMlp:
        config.layers.push_back(ReadMlp(fields, mlps++));
        break;
    }
  }
}

// Biases and windows are refused only where a layer would have them; these concern every model.
void ReadWhole(Fields& fields, ModelConfig& config) {
  fields.Only({"quantization_config"}, nullptr, "quantised weights are not supported");
  config.vocab_size = fields.Integer({"vocab_size"}, 1, kVocabMax);
  config.hidden_size = fields.Integer({"hidden_size"}, 1, kHiddenMax);
  config.norm_epsilon =
      fields.Number({"layer_norm_epsilon", "rms_norm_eps", "norm_eps"}, 1e-12, 1, 1e-5);
  config.tie_word_embeddings = fields.Flag({"tie_word_embeddings"}, false);
  config.initializer_range = fields.Number({"initializer_range"}, 0, 10, 0.02);
  config.time_step_min = fields.Number({"time_step_min", "mamba_dt_min"}, 1e-9, 1e3, 0.001);
  config.time_step_max = fields.Number({"time_step_max", "mamba_dt_max"}, 1e-9, 1e3, 0.1);
  config.time_step_floor =
      fields.Number({"time_step_floor", "mamba_dt_init_floor"}, 1e-9, 1e3, 1e-4);
  if (config.time_step_min > config.time_step_max) {
    fields.Refuse("time_step_min",
                  absl::StrCat("found ", config.time_step_min,
                               ", expected at most time_step_max = ", config.time_step_max));
  }
}

void ReadSpecialTokens(Fields& fields, ModelConfig& config) {
  config.bos_token_id =
      static_cast<int32_t>(fields.Integer({"bos_token_id"}, 0, config.vocab_size - 1, -1));
  std::string field;
  const Json* eos = fields.Find({"eos_token_id"}, &field);
  if (eos == nullptr) return;
  const Json list = eos->is_array() ? *eos : Json::array({*eos});
  for (const Json& id : list) {
    config.eos_token_ids.push_back(
        static_cast<int32_t>(fields.IntegerOf(id, field, 0, config.vocab_size - 1)));
  }
}

}  // namespace

std::string ModelConfig::Pattern() const {
  std::string pattern;
  for (const LayerConfig& layer : layers) {
    pattern += layer.kind == LayerKind::kMamba       ? 'M'
               : layer.kind == LayerKind::kAttention ? '*'
                                                     : '-';
  }
  return pattern;
}

absl::StatusOr<ModelConfig> ParseModelConfig(std::string_view json, std::string_view place) {
  TEMPER_ASSIGN_OR_RETURN(const Json object, ParseJson(WithoutBareInfinity(json), place));
  if (!object.is_object()) {
    return absl::InvalidArgumentError(
        absl::StrCat(std::string(place), ": found ", Shown(object), ", expected an object {...}"));
  }
  Fields fields(object, place);
  const Json* type = fields.Find({"model_type"}, nullptr);
  if (type == nullptr) {
    fields.Refuse("model_type", "missing; expected \"nemotron_h\"");
  } else if (*type != "nemotron_h") {
    fields.Refuse("model_type", absl::StrCat("found ", Shown(*type), "; ", kSupported));
  }
  ModelConfig config;
  config.json = std::string(json);
  ReadWhole(fields, config);
  ReadSpecialTokens(fields, config);
  ReadLayers(fields, config);
  TEMPER_RETURN_IF_ERROR(fields.status());
  return config;
}

absl::StatusOr<ModelConfig> ReadModelConfig(const std::string& path) {
  TEMPER_ASSIGN_OR_RETURN(const std::string json, ReadFile(path));
  return ParseModelConfig(json, path);
}

}  // namespace temper::model
