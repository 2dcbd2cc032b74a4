// Reads, cuts, estimates, draws.
#include "tests/gpu_check/bench_model.h"

#include <algorithm>
#include <random>
#include <set>

#include "absl/strings/str_cat.h"
#include "base/file.h"
#include "base/parallel.h"
#include "base/status_macros.h"
#include "tests/gpu_check/presets.h"

namespace temper::gpu_check {

using kernels::Dtype;
using model::LayerConfig;
using model::LayerKind;
using model::ModelConfig;

namespace {

constexpr uint64_t kSeed = 1;

absl::StatusOr<std::string> ConfigText(const Options& options) {
  if (!options.config.empty()) return ReadFile(options.config);
  if (options.preset == "tiny") return std::string(kTiny);
  if (options.preset == "nemotron-h-8b") return std::string(kNemotronH8b);
  return absl::InvalidArgumentError(
      absl::StrCat("--preset ", options.preset, ": expected tiny or nemotron-h-8b"));
}

// In the layout of nemotron_h, with another pattern.
absl::StatusOr<std::string> WithLayers(const std::string& text, const std::string& layers) {
  constexpr char kPattern[] = "\"hybrid_override_pattern\": \"";
  constexpr char kCount[] = "\"num_hidden_layers\": ";
  const size_t pattern = text.find(kPattern), count = text.find(kCount);
  if (pattern == std::string::npos || count == std::string::npos) {
    return absl::InvalidArgumentError(
        "--layers: the configuration has no hybrid_override_pattern and num_hidden_layers");
  }
  std::string changed = text;
  const auto replace = [&changed](size_t begin, const char* ends, const std::string& value) {
    changed.replace(begin, changed.find_first_of(ends, begin) - begin, value);
  };
  // The later one first: places before it stay.
  const size_t pattern_at = pattern + sizeof(kPattern) - 1, count_at = count + sizeof(kCount) - 1;
  if (pattern_at > count_at) replace(pattern_at, "\"", layers);
  replace(count_at, ",\n}", absl::StrCat(layers.size()));
  if (pattern_at < count_at) replace(pattern_at, "\"", layers);
  return changed;
}

// Floats that forward keeps of a token for backward, besides the residual stream.
int64_t KeptFloats(const LayerConfig& layer) {
  switch (layer.kind) {
    case LayerKind::kMamba:
      return layer.projection() + layer.inner() + layer.groups;
    case LayerKind::kAttention:
      return 2 * layer.q_width() + 2 * layer.kv_width() + layer.q_heads;
    case LayerKind::kMlp:
      return layer.intermediate * (layer.gated ? 2 : 1);
    case LayerKind::kMoe:
      return layer.experts + layer.shared_intermediate +
             layer.experts_chosen * (2 * layer.expert_intermediate + 4 * layer.latent);
    case LayerKind::kLinear:
      break;
  }
  return 0;
}

// Floats of a token that backward of one layer works with: as many as it keeps, three times over.
constexpr int64_t kWorkspaces = 3;

// What no formula here knows: the ops' scratch, the head's blocks, the runtime itself.
constexpr int64_t kOverhead = int64_t{2} << 30;

}  // namespace

absl::StatusOr<ModelConfig> ReadConfig(const Options& options) {
  TEMPER_ASSIGN_OR_RETURN(std::string text, ConfigText(options));
  if (!options.layers.empty()) {
    TEMPER_ASSIGN_OR_RETURN(text, WithLayers(text, options.layers));
  }
  return model::ParseModelConfig(text, options.config.empty() ? options.preset : options.config);
}

ModelConfig FirstLayers(const ModelConfig& config, size_t layers) {
  ModelConfig cut = config;
  cut.layers.resize(std::min(layers, config.layers.size()));
  return cut;
}

ModelConfig OneOfEachKind(const ModelConfig& config, int64_t vocab_max) {
  ModelConfig small = config;
  small.vocab_size = std::min(config.vocab_size, vocab_max);
  small.layers.clear();
  std::set<LayerKind> seen;
  for (const LayerConfig& layer : config.layers) {
    if (seen.insert(layer.kind).second) small.layers.push_back(layer);
  }
  return small;
}

size_t LayersThatFit(const ModelConfig& config, int64_t budget,
                     absl::FunctionRef<int64_t(const ModelConfig&)> bytes) {
  size_t layers = config.layers.size();
  while (layers > 0 && bytes(FirstLayers(config, layers)) > budget) --layers;
  return layers;
}

int64_t WeightBytes(const ModelConfig& config, Dtype dtype) {
  const model::ParameterLayout layout(config);
  const int64_t size = dtype == Dtype::kBFloat16 ? 2 : 4;
  int64_t bytes = 0;
  for (const model::ParameterSpec& spec : layout.specs()) {
    const bool table = spec.offset == layout.embeddings();
    if (spec.packed) bytes += spec.size * size;
    if (!spec.packed || table) bytes += spec.size * (table ? size : 4);
  }
  return bytes;
}

int64_t StateBytes(const ModelConfig& config, int64_t context) {
  int64_t floats = 0;
  const int64_t pages = (context + kernels::kAttentionTile - 1) / kernels::kAttentionTile;
  for (const LayerConfig& layer : config.layers) {
    if (layer.kind == LayerKind::kMamba) {
      floats += layer.inner() * layer.state + (layer.conv_taps - 1) * layer.conv_channels();
    }
    if (layer.kind == LayerKind::kAttention) {
      floats += 2 * pages * kernels::kAttentionTile * layer.kv_width();
    }
  }
  return floats * static_cast<int64_t>(sizeof(float));
}

int64_t InferenceBytes(const ModelConfig& config, Dtype dtype, int64_t batch, int64_t context,
                       int64_t prefill_tokens) {
  int64_t widest = 0;
  for (const LayerConfig& layer : config.layers) widest = std::max(widest, KeptFloats(layer));
  constexpr int64_t kRows = 512;  // that the model computes together
  const int64_t work = 4 * kRows * (kWorkspaces * widest + 4 * config.hidden_size);
  const int64_t states =
      std::max(batch * StateBytes(config, context), 2 * StateBytes(config, prefill_tokens));
  return WeightBytes(config, dtype) + states + work + 4 * batch * config.vocab_size + kOverhead;
}

int64_t TrainingBytes(const ModelConfig& config, Dtype dtype, int64_t tokens) {
  int64_t kept = 0, widest = 0;
  for (const LayerConfig& layer : config.layers) {
    kept += KeptFloats(layer) + config.hidden_size;
    widest = std::max(widest, KeptFloats(layer));
  }
  const int64_t token = kept + kWorkspaces * widest + 6 * config.hidden_size;
  return WeightBytes(config, dtype) + 4 * model::ParameterLayout(config).size() +
         4 * tokens * token + kOverhead;
}

std::unique_ptr<model::Weights> DrawWeights(const ModelConfig& config,
                                            const model::ParameterLayout& layout,
                                            kernels::Device& device,
                                            const model::WeightOptions& options) {
  std::vector<float> first_slab;
  return model::Weights::Generate(
      layout, device, options,
      [&](const model::ParameterSpec& spec, int64_t first, std::span<float> values) {
        if (first > 0) {
          std::copy_n(first_slab.begin(), values.size(), values.begin());
          return;
        }
        constexpr int64_t kPart = 1 << 16;
        const auto count = static_cast<int64_t>(values.size());
        ForEachInParallel((count + kPart - 1) / kPart, 64, [&](int64_t part) {
          const int64_t begin = part * kPart;
          model::InitializePart(config, spec, kSeed, begin,
                                values.subspan(begin, std::min(kPart, count - begin)));
        });
        first_slab.assign(values.begin(), values.end());
      });
}

std::vector<int32_t> DrawTokens(const ModelConfig& config, int64_t count, uint32_t seed) {
  std::mt19937 random(seed);
  std::vector<int32_t> tokens(count);
  for (int32_t& token : tokens) token = static_cast<int32_t>(random() % config.vocab_size);
  return tokens;
}

}  // namespace temper::gpu_check
