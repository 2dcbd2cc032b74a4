// The feed-forward mixer, forward and backward.
#include "policy/model/layers/mlp_layer.h"

namespace temper::model {

using kernels::View;
using kernels::Write;

MlpLayer::MlpLayer(const ModelConfig& config, const LayerOffsets& offsets, int index)
    : shape_{.width = config.layers[index].intermediate,
             .gate_proj = offsets.gate_proj,
             .up_proj = offsets.up_proj,
             .down_proj = offsets.down_proj} {}

void MlpLayer::Activate(const Pass& pass, View<const float> gate, View<const float> up,
                        View<float> activated) const {
  if (gated()) {
    pass.ops.swiglu(pass.stream, gate, up, activated);
  } else {
    pass.ops.relu2(pass.stream, up, activated);
  }
}

void MlpLayer::Forward(const Pass& pass, View<const float> u, View<float> h, Activations& kept,
                       Workspace& work) const {
  const View<float> up = kept.up.Matrix(u.rows, shape_.width);
  const View<float> gate = gated() ? kept.gate.Matrix(u.rows, shape_.width) : View<float>();
  const View<float> activated = work.activated.Matrix(u.rows, shape_.width);
  const Weights& weights = pass.weights;
  pass.ops.matmul(pass.stream, u, weights.matrix(shape_.up_proj), up, Write::kReplace);
  if (gated()) {
    pass.ops.matmul(pass.stream, u, weights.matrix(shape_.gate_proj), gate, Write::kReplace);
  }
  Activate(pass, gate, up, activated);
  pass.ops.matmul(pass.stream, activated, weights.matrix(shape_.down_proj), h, Write::kAdd);
}

void MlpLayer::Backward(const Pass& pass, View<const float> u, View<const float> d_out,
                        View<float> du, Activations& kept, Workspace& work,
                        float* gradients) const {
  const kernels::Ops& ops = pass.ops;
  const Weights& weights = pass.weights;
  const int64_t rows = u.rows, hidden = u.cols, width = shape_.width;
  const View<float> up = kept.up.Matrix(rows, width);
  const View<float> gate = gated() ? kept.gate.Matrix(rows, width) : View<float>();
  const View<float> activated = work.activated.Matrix(rows, width);
  Activate(pass, gate, up, activated);
  ops.matmul_backward_weight(pass.stream, activated, d_out,
                             weights.matrix(shape_.down_proj).dtype(),
                             View<float>(gradients + shape_.down_proj, hidden, width));
  const View<float> d_up = work.d_up.Matrix(rows, width);
  ops.matmul_backward_input(pass.stream, d_out, weights.matrix(shape_.down_proj), d_up,
                            Write::kReplace);
  if (gated()) {
    // `activated` has served: the gradient of the gate takes its place.
    const View<float>& d_gate = activated;
    ops.swiglu_backward(pass.stream, gate, up, d_up, d_gate, d_up);
    ops.matmul_backward_weight(pass.stream, u, d_gate, weights.matrix(shape_.gate_proj).dtype(),
                               View<float>(gradients + shape_.gate_proj, width, hidden));
    ops.matmul_backward_input(pass.stream, d_gate, weights.matrix(shape_.gate_proj), du,
                              Write::kReplace);
  } else {
    ops.relu2_backward(pass.stream, up, d_up, d_up);
  }
  ops.matmul_backward_weight(pass.stream, u, d_up, weights.matrix(shape_.up_proj).dtype(),
                             View<float>(gradients + shape_.up_proj, width, hidden));
  ops.matmul_backward_input(pass.stream, d_up, weights.matrix(shape_.up_proj), du,
                            gated() ? Write::kAdd : Write::kReplace);
}

}  // namespace temper::model
