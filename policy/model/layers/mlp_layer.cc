// The feed-forward mixer, forward and backward.
#include "policy/model/layers/mlp_layer.h"

namespace temper::model {

using kernels::View;
using kernels::Write;

MlpLayer::MlpLayer(const ModelConfig& config, const LayerOffsets& offsets, int index)
    : config_(config.layers[index]), offsets_(offsets) {}

void MlpLayer::Activate(const Pass& pass, View<const float> gate, View<const float> up,
                        View<float> activated) const {
  if (config_.gated) {
    pass.ops.swiglu(pass.stream, gate, up, activated);
  } else {
    pass.ops.relu2(pass.stream, up, activated);
  }
}

void MlpLayer::Forward(const Pass& pass, View<const float> u, View<float> h, Activations& kept,
                       Workspace& work) const {
  const View<float> up = kept.up.Matrix(u.rows, config_.intermediate);
  const View<float> gate =
      config_.gated ? kept.gate.Matrix(u.rows, config_.intermediate) : View<float>();
  const View<float> activated = work.activated.Matrix(u.rows, config_.intermediate);
  const Weights& weights = pass.weights;
  pass.ops.matmul(pass.stream, u, weights.matrix(offsets_.up_proj), up, Write::kReplace);
  if (config_.gated) {
    pass.ops.matmul(pass.stream, u, weights.matrix(offsets_.gate_proj), gate, Write::kReplace);
  }
  Activate(pass, gate, up, activated);
  pass.ops.matmul(pass.stream, activated, weights.matrix(offsets_.down_proj), h, Write::kAdd);
}

void MlpLayer::Backward(const Pass& pass, View<const float> u, View<const float> d_out,
                        View<float> du, Activations& kept, Workspace& work,
                        float* gradients) const {
  const kernels::Ops& ops = pass.ops;
  const Weights& weights = pass.weights;
  const int64_t rows = u.rows, hidden = u.cols, width = config_.intermediate;
  const View<float> up = kept.up.Matrix(rows, width);
  const View<float> gate = config_.gated ? kept.gate.Matrix(rows, width) : View<float>();
  const View<float> activated = work.activated.Matrix(rows, width);
  Activate(pass, gate, up, activated);
  ops.matmul_backward_weight(pass.stream, activated, d_out,
                             View<float>(gradients + offsets_.down_proj, hidden, width));
  const View<float> d_up = work.d_up.Matrix(rows, width);
  ops.matmul_backward_input(pass.stream, d_out, weights.matrix(offsets_.down_proj), d_up,
                            Write::kReplace);
  if (config_.gated) {
    // `activated` has served: the gradient of the gate takes its place.
    const View<float>& d_gate = activated;
    ops.swiglu_backward(pass.stream, gate, up, d_up, d_gate, d_up);
    ops.matmul_backward_weight(pass.stream, u, d_gate,
                               View<float>(gradients + offsets_.gate_proj, width, hidden));
    ops.matmul_backward_input(pass.stream, d_gate, weights.matrix(offsets_.gate_proj), du,
                              Write::kReplace);
  } else {
    ops.relu2_backward(pass.stream, up, d_up, d_up);
  }
  ops.matmul_backward_weight(pass.stream, u, d_up,
                             View<float>(gradients + offsets_.up_proj, width, hidden));
  ops.matmul_backward_input(pass.stream, d_up, weights.matrix(offsets_.up_proj), du,
                            config_.gated ? Write::kAdd : Write::kReplace);
}

}  // namespace temper::model
