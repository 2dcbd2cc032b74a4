// Reads config.json: what all families share here, the layers in families/.
#include "policy/model/config.h"

#include <algorithm>
#include <array>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "base/file.h"
#include "base/json_text.h"
#include "base/status_macros.h"
#include "policy/model/families/readers.h"

namespace temper::model {
namespace {

struct KnownFamily {
  std::string_view name;  // model_type
  Family family;
  double epsilon;  // of the norms, where the file does not say
  void (*read)(Fields&, ModelConfig&);
};
constexpr std::array<KnownFamily, 5> kFamilies = {{
    {"nemotron_h", Family::kNemotronH, 1e-5, ReadNemotronH},
    {"qwen2", Family::kQwen2, 1e-6, ReadTransformer},
    {"qwen3", Family::kQwen3, 1e-6, ReadTransformer},
    {"llama", Family::kLlama, 1e-6, ReadTransformer},
    {"nemotron-nas", Family::kNemotronNas, 1e-6, ReadNemotronNas},
}};

std::string Supported() {
  return absl::StrCat(
      "supported: ", absl::StrJoin(kFamilies, ", ", [](std::string* out, const KnownFamily& known) {
        out->append(known.name);
      }));
}

constexpr std::string_view kClassifierEnding = "ForSequenceClassification";

// Null, with the reason in `fields`, when model_type names no family.
const KnownFamily* FindFamily(Fields& fields) {
  const Json* type = fields.Find({"model_type"}, nullptr);
  for (const KnownFamily& known : kFamilies) {
    if (type != nullptr && *type == known.name) return &known;
  }
  if (type == nullptr) {
    fields.Refuse("model_type", absl::StrCat("missing; ", Supported()));
  } else {
    fields.Refuse("model_type", absl::StrCat("found ", Shown(*type), "; ", Supported()));
  }
  return nullptr;
}

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

// ModelOpt's fp8 and nvfp4 weights are turned into floats on reading; others cannot be.
void CheckQuantization(Fields& fields) {
  const Json* value = fields.Find({"quantization_config"}, nullptr);
  if (value == nullptr) return;
  const Json method = value->is_object() ? value->value("quant_method", Json()) : Json();
  if (method == "modelopt") return;
  fields.Refuse("quantization_config", absl::StrCat("found ", Shown(*value), ", expected ",
                                                    "quant_method \"modelopt\" (fp8, nvfp4)"));
}

void ReadWhole(Fields& fields, double epsilon, ModelConfig& config) {
  CheckQuantization(fields);
  config.vocab_size = fields.Integer({"vocab_size"}, 1, kVocabMax);
  config.hidden_size = fields.Integer({"hidden_size"}, 1, kHiddenMax);
  config.norm_epsilon = static_cast<float>(
      fields.Number({"layer_norm_epsilon", "rms_norm_eps", "norm_eps"}, 1e-12, 1, epsilon));
  config.tie_word_embeddings = fields.Flag({"tie_word_embeddings"}, false);
  config.initializer_range = static_cast<float>(fields.Number({"initializer_range"}, 0, 10, 0.02));
}

bool IsSequenceClassifier(const Fields& fields) {
  const Json* names = fields.Find({"architectures"}, nullptr);
  if (names == nullptr || !names->is_array()) return false;
  return std::ranges::any_of(*names, [](const Json& name) {
    return name.is_string() && name.get_ref<const std::string&>().ends_with(kClassifierEnding);
  });
}

// transformers writes the labels' names, unless they are its default of two.
void CheckOneLabel(Fields& fields) {
  constexpr char kWhy[] = "one label is a reward model's; more are not supported";
  fields.Only({"num_labels"}, 1, kWhy);
  const Json* labels = fields.Find({"id2label"}, nullptr);
  const bool one =
      labels == nullptr ? fields.Has({"num_labels"}) : labels->is_object() && labels->size() == 1;
  if (one) return;
  const std::string found =
      labels == nullptr ? "missing, which means 2 labels" : "found " + Shown(*labels);
  fields.Refuse("id2label", absl::StrCat(found, ", expected {\"0\": NAME}: ", kWhy));
}

void ReadHead(Fields& fields, ModelConfig& config) {
  config.reward_head = IsSequenceClassifier(fields);
  if (!config.reward_head) return;
  config.tie_word_embeddings = false;
  CheckOneLabel(fields);
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

char LetterOf(LayerKind kind) {
  switch (kind) {
    case LayerKind::kMamba:
      return 'M';
    case LayerKind::kAttention:
      return '*';
    case LayerKind::kMoe:
      return 'E';
    case LayerKind::kLinear:
      return 'L';
    case LayerKind::kMlp:
      break;
  }
  return '-';
}

}  // namespace

std::string_view FamilyName(Family family) {
  for (const KnownFamily& known : kFamilies) {
    if (known.family == family) return known.name;
  }
  return "";
}

std::string ModelConfig::Pattern() const {
  std::string pattern;
  for (const LayerConfig& layer : layers) pattern += LetterOf(layer.kind);
  return pattern;
}

absl::StatusOr<ModelConfig> ParseModelConfig(std::string_view json, std::string_view place) {
  TEMPER_ASSIGN_OR_RETURN(const Json object, ParseJson(WithoutBareInfinity(json), place));
  if (!object.is_object()) {
    return absl::InvalidArgumentError(
        absl::StrCat(std::string(place), ": found ", Shown(object), ", expected an object {...}"));
  }
  Fields fields(object, place);
  ModelConfig config;
  config.json = std::string(json);
  if (const KnownFamily* known = FindFamily(fields)) {
    config.family = known->family;
    ReadWhole(fields, known->epsilon, config);
    ReadHead(fields, config);
    ReadSpecialTokens(fields, config);
    if (fields.status().ok()) known->read(fields, config);
  }
  TEMPER_RETURN_IF_ERROR(fields.status());
  return config;
}

absl::Status CheckLanguageModel(const ModelConfig& config, std::string_view place) {
  if (!config.reward_head) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(std::string(place), ": has a reward head (", kClassifierEnding.data(),
                   "), which gives a value and no tokens; expected a language model. `temper "
                   "rollout --model` serves values"));
}

absl::StatusOr<ModelConfig> ReadModelConfig(const std::string& path) {
  TEMPER_ASSIGN_OR_RETURN(const std::string json, ReadFile(path));
  return ParseModelConfig(json, path);
}

}  // namespace temper::model
