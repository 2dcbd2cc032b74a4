// Every spelling that is known, and nothing else.
#include "policy/model/folder/tensor_names.h"

#include <algorithm>
#include <array>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace temper::model {
namespace {

constexpr std::string_view kBackbone = "backbone.", kModel = "model.";
constexpr std::string_view kWeight = ".weight", kExperts = ".experts.";

}  // namespace

TensorNames::TensorNames(std::span<const ParameterSpec> specs)
    : hybrid_(std::ranges::any_of(
          specs, [](const ParameterSpec& spec) { return spec.name.starts_with(kBackbone); })) {}

std::string TensorNames::Embeddings() const {
  return hybrid_ ? "backbone.embeddings.weight" : "model.embed_tokens.weight";
}

std::string TensorNames::Canonical(std::string_view stored) const {
  if (!hybrid_) return std::string(stored);
  std::string_view stem = stored;
  for (const std::string_view prefix : {kBackbone, kModel}) {
    if (stored.starts_with(prefix)) stem = stored.substr(prefix.size());
  }
  if (stem.size() == stored.size()) return std::string(stored);
  if (stem == "embedding.weight" || stem == "embed_tokens.weight") return Embeddings();
  return absl::StrCat(kBackbone.data(), std::string(stem));
}

std::optional<ExpertName> AsExpert(std::string_view canonical) {
  const size_t experts = canonical.find(kExperts);
  if (experts == std::string_view::npos || !canonical.ends_with(kWeight)) return std::nullopt;
  const size_t number = experts + kExperts.size();
  const size_t dot = canonical.find('.', number);
  ExpertName name;
  const std::string digits(canonical.substr(number, dot - number));
  if (!absl::SimpleAtoi(digits, &name.expert)) return std::nullopt;
  const std::string_view matrix = canonical.substr(dot, canonical.size() - kWeight.size() - dot);
  name.fused = absl::StrCat(std::string(canonical.substr(0, number - 1)), std::string(matrix));
  return name;
}

bool IsKept(std::string_view stored) { return stored.starts_with("mtp."); }

std::string WeightOfActivationScale(std::string_view stored) {
  constexpr std::array<std::string_view, 4> kScales = {".input_scale", ".output_scale", ".k_scale",
                                                       ".v_scale"};
  for (const std::string_view scale : kScales) {
    if (!stored.ends_with(scale)) continue;
    return absl::StrCat(std::string(stored.substr(0, stored.size() - scale.size())),
                        kWeight.data());
  }
  return "";
}

bool IsRotaryTable(std::string_view stored) { return stored.ends_with(".rotary_emb.inv_freq"); }

}  // namespace temper::model
