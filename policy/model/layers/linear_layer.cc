// One product forward, two back.
#include "policy/model/layers/linear_layer.h"

namespace temper::model {

using kernels::View;
using kernels::Write;

void LinearLayer::Forward(const Pass& pass, View<const float> u, View<float> h, Activations& kept,
                          Workspace& work) const {
  pass.ops.matmul(pass.stream, u, pass.weights.matrix(offsets_.linear), h, Write::kAdd);
}

void LinearLayer::Backward(const Pass& pass, View<const float> u, View<const float> d_out,
                           View<float> du, Activations& kept, Workspace& work,
                           float* gradients) const {
  pass.ops.matmul_backward_weight(pass.stream, u, d_out,
                                  pass.weights.matrix(offsets_.linear).dtype(),
                                  View<float>(gradients + offsets_.linear, u.cols, u.cols));
  pass.ops.matmul_backward_input(pass.stream, d_out, pass.weights.matrix(offsets_.linear), du,
                                 Write::kReplace);
}

}  // namespace temper::model
