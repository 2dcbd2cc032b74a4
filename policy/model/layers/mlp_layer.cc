// The feed-forward mixer, forward and backward.
#include "policy/model/layers/mlp_layer.h"

namespace temper::model {

using kernels::View;
using kernels::Write;

MlpLayer::MlpLayer(const ModelConfig& config, const LayerOffsets& offsets, int index)
    : config_(config.layers[index]), offsets_(offsets), index_(index) {}

void MlpLayer::Forward(const Pass& pass, View<const float> u, View<float> h, Activations& kept,
                       Workspace& work) const {
  const View<float> up = kept.up.Matrix(u.rows, config_.intermediate);
  const View<float> activated = work.activated.Matrix(u.rows, config_.intermediate);
  const PackedLayer& packed = pass.weights.layer(index_);
  pass.ops.matmul(pass.stream, u, *packed.up_proj, up, Write::kReplace);
  pass.ops.relu2(pass.stream, up, activated);
  pass.ops.matmul(pass.stream, activated, *packed.down_proj, h, Write::kAdd);
}

void MlpLayer::Backward(const Pass& pass, View<const float> u, View<const float> d_out,
                        View<float> du, Activations& kept, Workspace& work,
                        float* gradients) const {
  const kernels::Ops& ops = pass.ops;
  const int64_t rows = u.rows, hidden = u.cols, width = config_.intermediate;
  const PackedLayer& packed = pass.weights.layer(index_);
  const View<float> up = kept.up.Matrix(rows, width);
  const View<float> activated = work.activated.Matrix(rows, width);
  ops.relu2(pass.stream, up, activated);
  ops.matmul_backward_weight(pass.stream, activated, d_out,
                             View<float>(gradients + offsets_.down_proj, hidden, width));
  const View<float> d_up = work.d_up.Matrix(rows, width);
  ops.matmul_backward_input(pass.stream, d_out, *packed.down_proj, d_up, Write::kReplace);
  ops.relu2_backward(pass.stream, up, d_up, d_up);
  ops.matmul_backward_weight(pass.stream, u, d_up,
                             View<float>(gradients + offsets_.up_proj, width, hidden));
  ops.matmul_backward_input(pass.stream, d_up, *packed.up_proj, du, Write::kReplace);
}

}  // namespace temper::model
