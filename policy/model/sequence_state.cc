// What is shared until someone writes: pages of keys and values, boundary states.
#include "policy/model/sequence_state.h"

#include "kernels/ops.h"

namespace temper::model {

using kernels::kAttentionTile;

namespace {

constexpr int64_t kFloat = sizeof(float);

int64_t PageBytes(const LayerConfig& layer) {
  return kAttentionTile * layer.kv_heads * layer.attention_head_dim * kFloat;
}

kernels::SsmShape ShapeOf(const LayerConfig& layer) {
  return {.heads = layer.heads,
          .head_dim = layer.head_dim,
          .state = layer.state,
          .groups = layer.groups};
}

int64_t Bytes(const std::vector<std::shared_ptr<Page>>& pages) {
  int64_t bytes = 0;
  for (const std::shared_ptr<Page>& page : pages) bytes += page->bytes();
  return bytes;
}

kernels::Memory Zeros(kernels::Device& device, int64_t floats) {
  kernels::Memory memory = device.Allocate(floats * kFloat);
  device.Zero(memory.as<float>(), memory.bytes());
  return memory;
}

kernels::Memory Copied(kernels::Device& device, const kernels::Memory& from) {
  kernels::Memory memory = device.Allocate(from.bytes());
  device.Copy(memory.as<float>(), from.as<float>(), from.bytes());
  return memory;
}

// Makes `pages` hold `count` pages, the one at `writing` owned by nobody else.
void ReservePages(kernels::Device& device, int64_t count, int64_t writing, int64_t page_bytes,
                  std::vector<std::shared_ptr<Page>>& pages, std::vector<float*>& tiles) {
  if (writing < static_cast<int64_t>(pages.size()) && pages[writing].use_count() > 1) {
    pages[writing] = std::make_shared<Page>(Copied(device, *pages[writing]));
    tiles[writing] = pages[writing]->as<float>();
  }
  while (static_cast<int64_t>(pages.size()) < count) {
    pages.push_back(std::make_shared<Page>(device.Allocate(page_bytes)));
    tiles.push_back(pages.back()->as<float>());
  }
}

}  // namespace

kernels::SsmState MambaState::ssm() const {
  const auto at = [](const std::shared_ptr<kernels::Memory>& part) {
    return part == nullptr ? nullptr : part->as<float>();
  };
  return {.running = running.as<float>(),
          .boundary = at(boundary),
          .next_boundary = at(next != nullptr ? next : boundary)};
}

SequenceState::SequenceState(const ModelConfig& config, kernels::Device& device)
    : config_(&config),
      device_(&device),
      mamba_(config.layers.size()),
      attention_(config.layers.size()) {
  for (size_t i = 0; i < config.layers.size(); ++i) {
    const LayerConfig& layer = config.layers[i];
    if (layer.kind != LayerKind::kMamba) continue;
    mamba_[i].conv = Zeros(device, (layer.conv_taps - 1) * layer.conv_channels());
    mamba_[i].running = Zeros(device, device.ops().ssm_state_size(ShapeOf(layer)).running);
  }
}

SequenceState SequenceState::Fork() const {
  SequenceState fork;
  fork.config_ = config_;
  fork.device_ = device_;
  fork.position_ = position_;
  fork.mamba_.resize(mamba_.size());
  for (size_t i = 0; i < mamba_.size(); ++i) {
    if (config_->layers[i].kind != LayerKind::kMamba) continue;
    fork.mamba_[i].conv = Copied(*device_, mamba_[i].conv);
    fork.mamba_[i].running = Copied(*device_, mamba_[i].running);
    fork.mamba_[i].boundary = mamba_[i].boundary;
  }
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
    if (layer.kind == LayerKind::kMamba) ReserveBoundary(layer, tokens, mamba_[i]);
    if (layer.kind != LayerKind::kAttention) continue;
    AttentionState& state = attention_[i];
    ReservePages(*device_, pages, writing, PageBytes(layer), state.keys, state.key_tiles);
    ReservePages(*device_, pages, writing, PageBytes(layer), state.values, state.value_tiles);
  }
}

void SequenceState::ReserveBoundary(const LayerConfig& layer, int64_t tokens,
                                    MambaState& state) const {
  const kernels::SsmStateSize size = device_->ops().ssm_state_size(ShapeOf(layer));
  if (size.boundary == 0 || !size.Ends(position_, tokens)) return;
  // Forks that end their chunks in one call all read the old one: none of them may write there.
  if (state.boundary != nullptr && state.boundary.use_count() == 1) return;
  if (state.next != nullptr) return;
  state.next = std::make_shared<kernels::Memory>(device_->Allocate(size.boundary * kFloat));
}

void SequenceState::Advance(int64_t tokens) {
  position_ += tokens;
  for (MambaState& state : mamba_) {
    if (state.next != nullptr) state.boundary = std::move(state.next);
  }
}

int64_t SequenceState::bytes() const {
  int64_t bytes = 0;
  for (const MambaState& state : mamba_) {
    bytes += state.conv.bytes() + state.running.bytes();
    for (const auto& part : {state.boundary, state.next}) {
      if (part != nullptr) bytes += part->bytes();
    }
  }
  for (const AttentionState& state : attention_) bytes += Bytes(state.keys) + Bytes(state.values);
  return bytes;
}

}  // namespace temper::model
