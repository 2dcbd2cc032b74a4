// Lays a model's tensors out one after the other, in the order of the layers.
#include "policy/model/parameters.h"

#include <utility>

#include "absl/strings/str_cat.h"

namespace temper::model {
namespace {

constexpr int64_t kAlignment = 16;  // floats: one cache line

// Appends tensors and hands out their places.
class Rows {
 public:
  explicit Rows(std::vector<ParameterSpec>& specs) : specs_(specs) {}

  int64_t Add(std::string name, std::vector<int64_t> shape) {
    ParameterSpec spec;
    spec.decayed = shape.size() == 2;
    spec.size = 1;
    for (const int64_t extent : shape) spec.size *= extent;
    spec.name = std::move(name);
    spec.shape = std::move(shape);
    spec.offset = end_;
    end_ += (spec.size + kAlignment - 1) / kAlignment * kAlignment;
    parameters_ += spec.size;
    specs_.push_back(std::move(spec));
    return specs_.back().offset;
  }

  int64_t end() const { return end_; }
  int64_t parameters() const { return parameters_; }

 private:
  std::vector<ParameterSpec>& specs_;
  int64_t end_ = 0, parameters_ = 0;
};

void AddMamba(Rows& rows, const std::string& mixer, int64_t hidden, const LayerConfig& layer,
              LayerOffsets& at) {
  const int64_t channels = layer.conv_channels();
  at.in_proj = rows.Add(mixer + "in_proj.weight", {layer.projection(), hidden});
  at.conv_weight = rows.Add(mixer + "conv1d.weight", {channels, 1, layer.conv_taps});
  if (layer.conv_bias) at.conv_bias = rows.Add(mixer + "conv1d.bias", {channels});
  at.a_log = rows.Add(mixer + "A_log", {layer.heads});
  at.d = rows.Add(mixer + "D", {layer.heads});
  at.dt_bias = rows.Add(mixer + "dt_bias", {layer.heads});
  at.gated_norm = rows.Add(mixer + "norm.weight", {layer.inner()});
  at.out_proj = rows.Add(mixer + "out_proj.weight", {hidden, layer.inner()});
}

void AddAttention(Rows& rows, const std::string& mixer, int64_t hidden, const LayerConfig& layer,
                  LayerOffsets& at) {
  const int64_t q = layer.q_heads * layer.attention_head_dim;
  const int64_t kv = layer.kv_heads * layer.attention_head_dim;
  at.q_proj = rows.Add(mixer + "q_proj.weight", {q, hidden});
  at.k_proj = rows.Add(mixer + "k_proj.weight", {kv, hidden});
  at.v_proj = rows.Add(mixer + "v_proj.weight", {kv, hidden});
  at.o_proj = rows.Add(mixer + "o_proj.weight", {hidden, q});
}

void AddMlp(Rows& rows, const std::string& mixer, int64_t hidden, const LayerConfig& layer,
            LayerOffsets& at) {
  at.up_proj = rows.Add(mixer + "up_proj.weight", {layer.intermediate, hidden});
  at.down_proj = rows.Add(mixer + "down_proj.weight", {hidden, layer.intermediate});
}

}  // namespace

ParameterLayout::ParameterLayout(const ModelConfig& config) {
  Rows rows(specs_);
  const int64_t hidden = config.hidden_size;
  embeddings_ = rows.Add("backbone.embeddings.weight", {config.vocab_size, hidden});
  for (size_t i = 0; i < config.layers.size(); ++i) {
    const LayerConfig& layer = config.layers[i];
    const std::string prefix = absl::StrCat("backbone.layers.", i, ".");
    const std::string mixer = prefix + "mixer.";
    LayerOffsets at;
    at.norm = rows.Add(prefix + "norm.weight", {hidden});
    switch (layer.kind) {
      case LayerKind::kMamba:
        AddMamba(rows, mixer, hidden, layer, at);
        break;
      case LayerKind::kAttention:
        AddAttention(rows, mixer, hidden, layer, at);
        break;
      case LayerKind::kMlp:
        AddMlp(rows, mixer, hidden, layer, at);
        break;
    }
    layers_.push_back(at);
  }
  final_norm_ = rows.Add("backbone.norm_f.weight", {hidden});
  lm_head_ = config.tie_word_embeddings ? embeddings_
                                        : rows.Add("lm_head.weight", {config.vocab_size, hidden});
  size_ = rows.end();
  parameters_ = rows.parameters();
}

}  // namespace temper::model
