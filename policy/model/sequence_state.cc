// Pages of keys and values are shared until someone writes; everything else is copied by a fork.
#include "policy/model/sequence_state.h"

#include "kernels/ops.h"

namespace temper::model {

using kernels::kAttentionTile;

namespace {

int64_t PageFloats(const LayerConfig& layer) {
  return kAttentionTile * layer.kv_heads * layer.attention_head_dim;
}

int64_t Bytes(const std::vector<std::shared_ptr<Page>>& pages) {
  int64_t floats = 0;
  for (const std::shared_ptr<Page>& page : pages) floats += static_cast<int64_t>(page->size());
  return floats * static_cast<int64_t>(sizeof(float));
}

// Makes `pages` hold `count` pages, the one at `writing` owned by nobody else.
void ReservePages(int64_t count, int64_t writing, int64_t page_floats,
                  std::vector<std::shared_ptr<Page>>& pages, std::vector<const float*>& tiles) {
  if (writing < static_cast<int64_t>(pages.size()) && pages[writing].use_count() > 1) {
    pages[writing] = std::make_shared<Page>(*pages[writing]);
    tiles[writing] = pages[writing]->data();
  }
  while (static_cast<int64_t>(pages.size()) < count) {
    pages.push_back(std::make_shared<Page>(page_floats));
    tiles.push_back(pages.back()->data());
  }
}

}  // namespace

SequenceState::SequenceState(const ModelConfig& config)
    : config_(&config), mamba_(config.layers.size()), attention_(config.layers.size()) {
  for (size_t i = 0; i < config.layers.size(); ++i) {
    const LayerConfig& layer = config.layers[i];
    if (layer.kind != LayerKind::kMamba) continue;
    mamba_[i].conv.assign((layer.conv_taps - 1) * layer.conv_channels(), 0.0f);
    mamba_[i].ssm.assign(layer.heads * layer.head_dim * layer.state, 0.0f);
  }
}

SequenceState SequenceState::Fork() const {
  SequenceState fork;
  fork.config_ = config_;
  fork.position_ = position_;
  fork.mamba_ = mamba_;
  fork.attention_ = attention_;
  // Pages reserved beyond the past hold nothing yet: they stay with their owner.
  const size_t pages = (position_ + kAttentionTile - 1) / kAttentionTile;
  for (AttentionState& state : fork.attention_) {
    if (state.keys.size() <= pages) continue;
    state.keys.resize(pages);
    state.values.resize(pages);
    state.key_tiles.resize(pages);
    state.value_tiles.resize(pages);
  }
  return fork;
}

void SequenceState::Reserve(int64_t tokens) {
  const int64_t pages = (position_ + tokens + kAttentionTile - 1) / kAttentionTile;
  const int64_t writing = position_ / kAttentionTile;
  for (size_t i = 0; i < attention_.size(); ++i) {
    const LayerConfig& layer = config_->layers[i];
    if (layer.kind != LayerKind::kAttention) continue;
    AttentionState& state = attention_[i];
    ReservePages(pages, writing, PageFloats(layer), state.keys, state.key_tiles);
    ReservePages(pages, writing, PageFloats(layer), state.values, state.value_tiles);
  }
}

int64_t SequenceState::bytes() const {
  int64_t bytes = 0;
  for (const MambaState& state : mamba_) {
    bytes += static_cast<int64_t>((state.conv.size() + state.ssm.size()) * sizeof(float));
  }
  for (const AttentionState& state : attention_) bytes += Bytes(state.keys) + Bytes(state.values);
  return bytes;
}

}  // namespace temper::model
