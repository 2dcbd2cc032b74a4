// What a model weighs and what a sequence costs, from the sizes of its config alone.
//
// Arithmetic only: no tensor is laid out, so a model of any size can be looked at anywhere. Counts
// are numbers, not bytes; BytesOf() turns parameters into bytes.
#pragma once

#include <cstdint>
#include <map>
#include <string_view>

#include "policy/model/config.h"

namespace temper::model {

struct Footprint {
  // Parameters of all layers of a kind, their norms included.
  std::map<LayerKind, int64_t> layers;
  int64_t embeddings = 0;
  int64_t head = 0;  // 0 when tied
  int64_t final_norm = 0;
  int64_t total = 0;
  // What one token passes through: of the routed experts only the chosen ones.
  int64_t active = 0;
  // The same without the look-up of the input embedding; a tied one counts, as the head's matrix.
  int64_t active_beyond_lookup = 0;

  int64_t kv_per_token = 0;  // keys and values of all attention layers
  // Of one sequence, whatever its length; the first must be float32 (model.md section 3.2).
  int64_t ssm_state = 0;
  int64_t conv_state = 0;
};

Footprint FootprintOf(const ModelConfig& config);

// "mamba", "attention", "mlp", "moe" or "linear".
std::string_view LayerKindName(LayerKind kind);

// A way to store weights. Quantised files keep some tensors wider than this (norms, routers,
// embeddings): for those it is the lower limit.
struct WeightDtype {
  std::string_view name;
  double bits = 0;  // of one parameter, scales included
};
inline constexpr WeightDtype kFloat32 = {"float32", 32}, kBfloat16 = {"bfloat16", 16},
                             kFloat8 = {"float8", 8}, kNvfp4 = {"nvfp4", 4.5};

int64_t BytesOf(int64_t parameters, const WeightDtype& dtype);

}  // namespace temper::model
