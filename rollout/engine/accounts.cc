// Places and bytes of the sequences in flight.
#include "rollout/engine/accounts.h"

#include "absl/strings/str_cat.h"
#include "base/check.h"
#include "kernels/ops.h"

namespace temper::rollout {

StateSizes SizesOf(const model::ModelConfig& config, kernels::Device& device) {
  StateSizes sizes{.page_tokens = kernels::kAttentionTile};
  for (const model::LayerConfig& layer : config.layers) {
    if (layer.kind == model::LayerKind::kMamba) {
      const int64_t window = (layer.conv_taps - 1) * layer.conv_channels();
      const kernels::SsmStateSize state = device.ops().ssm_state_size({.heads = layer.heads,
                                                                       .head_dim = layer.head_dim,
                                                                       .state = layer.state,
                                                                       .groups = layer.groups});
      sizes.fixed +=
          (window + state.running + state.boundary) * static_cast<int64_t>(sizeof(float));
    } else if (layer.kind == model::LayerKind::kAttention) {
      const int64_t width = layer.kv_heads * layer.attention_head_dim;
      sizes.page += 2 * width * kernels::kAttentionTile * sizeof(float);
    }
  }
  return sizes;
}

int64_t Accounts::PromptBytes(int64_t prompt_tokens) const {
  return sizes_.fixed + sizes_.Pages(prompt_tokens) * sizes_.page;
}

int64_t Accounts::SampleBytes(int64_t prompt_tokens, int64_t max_tokens) const {
  const int64_t shared = prompt_tokens / sizes_.page_tokens;
  return sizes_.fixed + (sizes_.Pages(prompt_tokens + max_tokens) - shared) * sizes_.page;
}

absl::Status Accounts::Fits(int64_t prompt_tokens, int64_t max_tokens) const {
  const int64_t bytes = PromptBytes(prompt_tokens) + SampleBytes(prompt_tokens, max_tokens);
  if (bytes <= limits_.bytes_max) return absl::OkStatus();
  return absl::ResourceExhaustedError(absl::StrCat(
      "a prompt of ", prompt_tokens, " tokens with max_tokens ", max_tokens, " needs ", bytes,
      " bytes of state, this worker may use ", limits_.bytes_max, "; lower max_tokens"));
}

bool Accounts::Take(int64_t bytes) {
  if (places_ >= limits_.sequences_max || !TakeBytes(bytes)) return false;
  ++places_;
  return true;
}

bool Accounts::TakeBytes(int64_t bytes) {
  if (bytes_ + bytes > limits_.bytes_max) return false;
  bytes_ += bytes;
  return true;
}

void Accounts::Give(int64_t places, int64_t bytes) {
  places_ -= places;
  bytes_ -= bytes;
  TEMPER_CHECK(places_ >= 0 && bytes_ >= 0);
}

}  // namespace temper::rollout
