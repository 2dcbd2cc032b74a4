// A feed-forward mixer: down(relu(up(u))^2), or down(silu(gate(u)) * up(u)) where it is gated.
#pragma once

#include "policy/model/layers/pass.h"

namespace temper::model {

class MlpLayer {
 public:
  MlpLayer(const ModelConfig& config, const LayerOffsets& offsets, int index);

  // h += mixer(u).  u, h: [rows, hidden]
  void Forward(const Pass& pass, kernels::View<const float> u, kernels::View<float> h,
               Activations& kept, Workspace& work) const;
  // As MambaLayer::Backward.
  void Backward(const Pass& pass, kernels::View<const float> u, kernels::View<const float> d_out,
                kernels::View<float> du, Activations& kept, Workspace& work,
                float* gradients) const;

 private:
  void Activate(const Pass& pass, kernels::View<const float> gate, kernels::View<const float> up,
                kernels::View<float> activated) const;

  const LayerConfig& config_;
  const LayerOffsets& offsets_;
};

}  // namespace temper::model
