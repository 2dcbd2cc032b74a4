// `temper inspect`: what a model is made of and the memory that it needs.
#include <cstdio>
#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "base/file.h"
#include "base/status_macros.h"
#include "orchestrator/cli/verbs.h"
#include "policy/model/model_folder.h"

namespace temper::cli {
namespace {

using Json = nlohmann::ordered_json;
using model::LayerConfig;
using model::LayerKind;

struct Choice {
  std::string path;
  bool json = false;
};

struct Inspected {
  model::ModelConfig config;
  int64_t tokens = -1;                    // of the tokenizer; -1: none
  std::map<std::string, int64_t> dtypes;  // floats on disk; empty: no weights were looked at
};

absl::StatusOr<Inspected> Look(const std::string& path) {
  Inspected inspected;
  std::error_code error;
  if (!std::filesystem::is_directory(path, error)) {
    TEMPER_ASSIGN_OR_RETURN(inspected.config, model::ReadModelConfig(path));
    return inspected;
  }
  TEMPER_ASSIGN_OR_RETURN(model::ModelFolder folder, model::OpenModelFolder(path));
  const model::ParameterLayout layout(folder.config);
  TEMPER_ASSIGN_OR_RETURN(inspected.dtypes, model::CountWeights(path, layout));
  if (folder.tokenizer != nullptr) inspected.tokens = folder.tokenizer->vocab_size();
  inspected.config = std::move(folder.config);
  return inspected;
}

const char* NameOf(LayerKind kind) {
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

// Parameters of each kind of layer (its norm included) and of what stands outside the layers.
Json ParametersByKind(const model::ModelConfig& config, const model::ParameterLayout& layout) {
  std::map<std::string, int64_t> counts;
  for (const model::ParameterSpec& spec : layout.specs()) {
    constexpr std::string_view kLayers = "backbone.layers.";
    std::string kind = "norm";
    if (spec.name.starts_with(kLayers)) {
      kind = NameOf(config.layers[std::atoi(spec.name.c_str() + kLayers.size())].kind);
    } else if (spec.offset == layout.embeddings()) {
      kind = "embeddings";
    } else if (spec.offset == layout.lm_head()) {
      kind = "lm_head";
    }
    counts[kind] += spec.size;
  }
  return counts;
}

Json LayerCounts(const model::ModelConfig& config) {
  std::map<std::string, int64_t> counts;
  for (const LayerConfig& layer : config.layers) ++counts[NameOf(layer.kind)];
  return counts;
}

// Bytes, everything in float32. Training holds weights, gradients and two moments.
Json Memory(const model::ModelConfig& config, const model::ParameterLayout& layout) {
  int64_t token = 0, sequence = 0;
  for (const LayerConfig& layer : config.layers) {
    token += 4 * 2 * layer.kv_heads * layer.attention_head_dim;
    if (layer.kind != LayerKind::kMamba) continue;
    sequence += 4 * (layer.heads * layer.head_dim * layer.state +
                     (layer.conv_taps - 1) * layer.conv_channels());
  }
  const int64_t weights = 4 * layout.size();
  return {{"weights", weights},
          {"gradients", weights},
          {"optimizer", 2 * weights},
          {"kv_per_token", token},
          {"state_per_sequence", sequence}};
}

Json Describe(const Choice& choice, const Inspected& inspected) {
  const model::ModelConfig& config = inspected.config;
  const model::ParameterLayout layout(config);
  Json result = {{"path", choice.path},
                 {"model_type", "nemotron_h"},
                 {"pattern", config.Pattern()},
                 {"layers", LayerCounts(config)},
                 {"hidden_size", config.hidden_size},
                 {"vocab_size", config.vocab_size},
                 {"tie_word_embeddings", config.tie_word_embeddings},
                 {"eos_token_ids", config.eos_token_ids},
                 {"parameters", layout.parameters()},
                 {"parameters_by_kind", ParametersByKind(config, layout)},
                 {"bytes", Memory(config, layout)}};
  if (!inspected.dtypes.empty()) result["dtypes"] = inspected.dtypes;
  if (inspected.tokens >= 0) result["tokenizer_tokens"] = inspected.tokens;
  return result;
}

std::string Bytes(const Json& bytes) {
  const double value = bytes.get<double>();
  if (value >= 0x1p30) return absl::StrFormat("%.2f GiB", value / 0x1p30);
  if (value >= 0x1p20) return absl::StrFormat("%.1f MiB", value / 0x1p20);
  return absl::StrFormat("%.1f KiB", value / 0x1p10);
}

std::string Listed(const Json& counts) {
  std::string text;
  for (const auto& [name, count] : counts.items()) {
    absl::StrAppend(&text, text.empty() ? "" : ", ", name, " ", count.get<int64_t>());
  }
  return text;
}

void Print(const Json& model) {
  const Json& bytes = model["bytes"];
  const auto row = [](const char* name, const std::string& value) {
    std::printf("%-20s %s\n", name, value.c_str());
  };
  row("model", absl::StrCat(model["path"].get<std::string>(), " (nemotron_h)"));
  row("layers",
      absl::StrCat(model["pattern"].get<std::string>(), " (", Listed(model["layers"]), ")"));
  row("sizes", absl::StrCat("hidden ", model["hidden_size"].get<int64_t>(), ", vocabulary ",
                            model["vocab_size"].get<int64_t>(),
                            model["tie_word_embeddings"] ? ", tied embeddings" : ""));
  row("tokenizer", model.contains("tokenizer_tokens")
                       ? absl::StrCat(model["tokenizer_tokens"].get<int64_t>(), " tokens")
                       : "none");
  row("parameters", absl::StrCat(model["parameters"].get<int64_t>(), " (",
                                 Listed(model["parameters_by_kind"]), ")"));
  row("on disk", model.contains("dtypes") ? Listed(model["dtypes"]) : "no weights looked at");
  row("weights", Bytes(bytes["weights"]) + " as float32");
  row("training", Bytes(bytes["gradients"]) + " of gradients and " + Bytes(bytes["optimizer"]) +
                      " of optimizer moments more");
  row("a sequence", Bytes(bytes["state_per_sequence"]) + " of state and " +
                        Bytes(bytes["kv_per_token"]) + " of keys and values per token");
}

}  // namespace

void AddInspect(CLI::App& program, Chosen& chosen) {
  auto choice = std::make_shared<Choice>();
  CLI::App* verb = program.add_subcommand(
      "inspect", "Shows config, layers, parameters, dtypes and memory of a model");
  verb->add_option("path", choice->path, "A model folder, or a config.json")->required();
  verb->add_flag("--json", choice->json, "Print one JSON document; bytes are float32");
  verb->callback([choice, &chosen] {
    chosen = [choice] {
      const absl::StatusOr<Inspected> inspected = Look(choice->path);
      if (!inspected.ok()) return Report(inspected.status());
      const Json model = Describe(*choice, *inspected);
      if (choice->json) {
        std::printf("%s\n", model.dump(-1, ' ', false, Json::error_handler_t::replace).c_str());
      } else {
        Print(model);
      }
      return kDone;
    };
  });
}

}  // namespace temper::cli
