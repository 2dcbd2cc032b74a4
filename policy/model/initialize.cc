// Draws fresh weights as Megatron does for Nemotron-H (model.md section 5).
//
// Four elements share one Philox block: key = seed, stream = hash of the tensor's name, counter =
// index / 4. So a value depends on nothing but the seed, its tensor's name and its index.
#include <algorithm>
#include <cmath>
#include <functional>
#include <numbers>

#include "absl/strings/match.h"
#include "base/check.h"
#include "base/parallel.h"
#include "base/philox.h"
#include "policy/model/parameters.h"

namespace temper::model {
namespace {

constexpr int64_t kChunk = 1 << 18;  // elements a thread takes at a time; a multiple of 4

double Uniform32(uint32_t bits) { return (bits + 0.5) * 0x1.0p-32; }

std::array<double, 4> UniformBlock(uint64_t seed, uint64_t stream, uint64_t block) {
  const auto bits = Philox(seed, stream, block);
  return {Uniform32(bits[0]), Uniform32(bits[1]), Uniform32(bits[2]), Uniform32(bits[3])};
}

// Box-Muller on both pairs.
std::array<double, 4> NormalBlock(uint64_t seed, uint64_t stream, uint64_t block) {
  const auto u = UniformBlock(seed, stream, block);
  const double r0 = std::sqrt(-2 * std::log(u[0])), a0 = 2 * std::numbers::pi * u[1];
  const double r1 = std::sqrt(-2 * std::log(u[2])), a1 = 2 * std::numbers::pi * u[3];
  return {r0 * std::cos(a0), r0 * std::sin(a0), r1 * std::cos(a1), r1 * std::sin(a1)};
}

// How one tensor's values come from its random numbers.
struct Recipe {
  enum class Kind { kConstant, kNormal, kUniform } kind = Kind::kConstant;
  double constant = 1.0;                // kConstant
  double scale = 1.0;                   // kNormal: standard deviation
  std::function<double(double)> shape;  // kUniform: from (0, 1) to the value
};

Recipe Constant(double value) { return {.constant = value}; }
Recipe Normal(double scale) { return {.kind = Recipe::Kind::kNormal, .scale = scale}; }
Recipe Uniform(std::function<double(double)> shape) {
  return {.kind = Recipe::Kind::kUniform, .shape = std::move(shape)};
}

// dt_bias is the inverse softplus of a log-uniform time step.
Recipe TimeStepBias(const ModelConfig& config) {
  const double low = std::log(config.time_step_min), high = std::log(config.time_step_max);
  return Uniform([low, high, floor = static_cast<double>(config.time_step_floor)](double u) {
    const double dt = std::max(std::exp(low + u * (high - low)), floor);
    return dt + std::log(-std::expm1(-dt));
  });
}

Recipe RecipeOf(const ModelConfig& config, const ParameterSpec& spec) {
  const auto ends = [&spec](std::string_view suffix) { return spec.name.ends_with(suffix); };
  if (ends(".A_log")) return Uniform([](double u) { return std::log(1 + 15 * u); });
  if (ends(".D") || ends("norm.weight") || ends("norm_f.weight")) return Constant(1);
  if (ends(".dt_bias")) return TimeStepBias(config);
  if (ends("conv1d.weight") || ends("conv1d.bias")) {
    const double taps = static_cast<double>(config.layers[spec.layer].conv_taps);
    const double bound = 1 / std::sqrt(taps);
    return Uniform([bound](double u) { return bound * (2 * u - 1); });
  }
  if (ends("bias")) return Constant(0);
  // What writes to the residual stream is drawn smaller, so that depth does not add up.
  if (ends("out_proj.weight") || ends("o_proj.weight") || ends("down_proj.weight") ||
      ends("fc2_latent_proj.weight")) {
    return Normal(config.initializer_range / std::sqrt(2.0 * config.layers.size()));
  }
  return Normal(config.initializer_range);
}

struct Chunk {
  const Recipe* recipe;
  uint64_t stream;
  int64_t first;  // index in the tensor
  std::span<float> values;
};

void Fill(uint64_t seed, const Chunk& chunk) {
  if (chunk.recipe->kind == Recipe::Kind::kConstant) {
    std::ranges::fill(chunk.values, static_cast<float>(chunk.recipe->constant));
    return;
  }
  const bool normal = chunk.recipe->kind == Recipe::Kind::kNormal;
  for (size_t i = 0; i < chunk.values.size(); i += 4) {
    const uint64_t block = (chunk.first + i) / 4;
    const auto draws =
        normal ? NormalBlock(seed, chunk.stream, block) : UniformBlock(seed, chunk.stream, block);
    for (size_t k = 0; k < std::min<size_t>(4, chunk.values.size() - i); ++k) {
      chunk.values[i + k] = static_cast<float>(normal ? draws[k] * chunk.recipe->scale
                                                      : chunk.recipe->shape(draws[k]));
    }
  }
}

}  // namespace

void InitializePart(const ModelConfig& config, const ParameterSpec& spec, uint64_t seed,
                    int64_t first, std::span<float> values) {
  TEMPER_CHECK(first % 4 == 0 && first + static_cast<int64_t>(values.size()) <= spec.size);
  const Recipe recipe = RecipeOf(config, spec);
  Fill(seed, {&recipe, HashName(spec.name), first, values});
}

void Initialize(const ModelConfig& config, const ParameterLayout& layout, uint64_t seed,
                std::span<float> values) {
  TEMPER_CHECK(static_cast<int64_t>(values.size()) == layout.size());
  std::ranges::fill(values, 0.0f);  // the gaps too: the array has one digest
  std::vector<Recipe> recipes;
  for (const ParameterSpec& spec : layout.specs()) {
    recipes.push_back(RecipeOf(config, spec));
  }
  std::vector<Chunk> chunks;
  for (size_t i = 0; i < recipes.size(); ++i) {
    const ParameterSpec& spec = layout.specs()[i];
    for (int64_t first = 0; first < spec.size; first += kChunk) {
      chunks.push_back({&recipes[i], HashName(spec.name), first,
                        values.subspan(spec.offset + first, std::min(kChunk, spec.size - first))});
    }
  }
  ForEachInParallel(static_cast<int64_t>(chunks.size()), 1 + layout.parameters() / kChunk,
                    [&](int64_t i) { Fill(seed, chunks[i]); });
}

}  // namespace temper::model
