// Packs every matrix of a version once; vectors are read where they stand.
#include "policy/model/weights.h"

#include "base/check.h"

namespace temper::model {

namespace {

// Calls visit(packed, offset, out, in) for each matrix of a layer.
template <class Visit>
void VisitMatrices(const LayerConfig& layer, const LayerOffsets& at, int64_t hidden,
                   PackedLayer& packed, Visit visit) {
  switch (layer.kind) {
    case LayerKind::kMamba:
      visit(packed.in_proj, at.in_proj, layer.projection(), hidden);
      visit(packed.out_proj, at.out_proj, hidden, layer.inner());
      break;
    case LayerKind::kAttention: {
      const int64_t q_width = layer.q_heads * layer.attention_head_dim;
      const int64_t kv_width = layer.kv_heads * layer.attention_head_dim;
      visit(packed.q_proj, at.q_proj, q_width, hidden);
      visit(packed.k_proj, at.k_proj, kv_width, hidden);
      visit(packed.v_proj, at.v_proj, kv_width, hidden);
      visit(packed.o_proj, at.o_proj, hidden, q_width);
      break;
    }
    case LayerKind::kMlp:
      visit(packed.up_proj, at.up_proj, layer.intermediate, hidden);
      visit(packed.down_proj, at.down_proj, hidden, layer.intermediate);
      break;
  }
}

}  // namespace

Weights::Weights(const ModelConfig& config, const ParameterLayout& layout, kernels::Device& device,
                 std::span<const float> values, bool backward)
    : config_(config),
      layout_(layout),
      device_(device),
      values_(values),
      packed_(config.layers.size()) {
  TEMPER_CHECK(static_cast<int64_t>(values.size()) == layout.size());
  const auto pack = [&](std::unique_ptr<kernels::PackedWeight>& packed, int64_t offset, int64_t out,
                        int64_t in) {
    packed = device_.ops().pack_weight(
        device_.stream(), kernels::View<const float>(at(offset), out, in), {.backward = backward});
  };
  for (size_t i = 0; i < packed_.size(); ++i) {
    VisitMatrices(config.layers[i], layout.layers()[i], config.hidden_size, packed_[i], pack);
  }
  pack(lm_head_, layout.lm_head(), config.vocab_size, config.hidden_size);
}

void Weights::Repack(std::span<const float> values) {
  TEMPER_CHECK(static_cast<int64_t>(values.size()) == layout_.size());
  values_ = values;
  const auto repack = [&](std::unique_ptr<kernels::PackedWeight>& packed, int64_t offset,
                          int64_t out, int64_t in) {
    device_.ops().repack_weight(device_.stream(), kernels::View<const float>(at(offset), out, in),
                                *packed);
  };
  for (size_t i = 0; i < packed_.size(); ++i) {
    VisitMatrices(config_.layers[i], layout_.layers()[i], config_.hidden_size, packed_[i], repack);
  }
  repack(lm_head_, layout_.lm_head(), config_.vocab_size, config_.hidden_size);
}

}  // namespace temper::model
