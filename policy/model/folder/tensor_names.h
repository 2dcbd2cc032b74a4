// Translates the names that model folders use into those of ParameterLayout.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "policy/model/parameters.h"

namespace temper::model {

inline constexpr char kHeadName[] = "lm_head.weight";
inline constexpr char kRewardHeadName[] = "score.weight";

// nemotron_h is published with the prefix "backbone." and "embeddings" (or "embedding");
// transformers in memory says "model.", other tools "embed_tokens". The other families have one
// spelling, "model.".
class TensorNames {
 public:
  explicit TensorNames(std::span<const ParameterSpec> specs);

  // The layout's name for what a folder calls `stored`; unknown names come back as they are, but
  // for the prefix.
  std::string Canonical(std::string_view stored) const;
  // Of the embedding table.
  std::string Embeddings() const;

 private:
  bool hybrid_ = false;  // nemotron_h
};

// One expert's matrix, and the name under which those of all experts stand as one tensor
// [experts, rows, columns]: "x.experts.3.up_proj.weight" is expert 3 of "x.experts.up_proj".
struct ExpertName {
  std::string fused;
  int64_t expert = 0;
};
std::optional<ExpertName> AsExpert(std::string_view canonical);

// Layers for multi-token prediction: not part of the model, kept for those who use them.
bool IsKept(std::string_view stored);
// "X.weight" for a scale of X's activations or of its keys and values, which computing in float32
// does not need; empty for other names.
std::string WeightOfActivationScale(std::string_view stored);
// A table that old versions of transformers saved, and that follows from config.json.
bool IsRotaryTable(std::string_view stored);

}  // namespace temper::model
