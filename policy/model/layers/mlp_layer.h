// A feed-forward mixer: down(relu(up(u))^2), or down(silu(gate(u)) * up(u)) where it is gated.
#pragma once

#include "policy/model/layers/pass.h"

namespace temper::model {

// Its width and the places of its matrices; gate_proj: -1 where it is not gated.
struct MlpShape {
  int64_t width = 0;
  int64_t gate_proj = -1, up_proj = -1, down_proj = -1;
};

class MlpLayer {
 public:
  MlpLayer(const ModelConfig& config, const LayerOffsets& offsets, int index);
  // As part of another layer, whose kept.up it uses.
  explicit MlpLayer(const MlpShape& shape) : shape_(shape) {}

  // h += mixer(u).  u, h: [rows, hidden]
  void Forward(const Pass& pass, kernels::View<const float> u, kernels::View<float> h,
               Activations& kept, Workspace& work) const;
  // As MambaLayer::Backward.
  void Backward(const Pass& pass, kernels::View<const float> u, kernels::View<const float> d_out,
                kernels::View<float> du, Activations& kept, Workspace& work,
                float* gradients) const;

 private:
  bool gated() const { return shape_.gate_proj >= 0; }
  void Activate(const Pass& pass, kernels::View<const float> gate, kernels::View<const float> up,
                kernels::View<float> activated) const;

  const MlpShape shape_;
};

}  // namespace temper::model
