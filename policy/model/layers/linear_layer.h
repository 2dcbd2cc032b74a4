// A mixer of one square matrix: what nemotron-nas leaves in the place of an attention or an MLP.
#pragma once

#include "policy/model/layers/pass.h"

namespace temper::model {

class LinearLayer {
 public:
  LinearLayer(const ModelConfig& config, const LayerOffsets& offsets, int index)
      : offsets_(offsets) {}

  // h += mixer(u).  u, h: [rows, hidden]
  void Forward(const Pass& pass, kernels::View<const float> u, kernels::View<float> h,
               Activations& kept, Workspace& work) const;
  // As MambaLayer::Backward.
  void Backward(const Pass& pass, kernels::View<const float> u, kernels::View<const float> d_out,
                kernels::View<float> du, Activations& kept, Workspace& work,
                float* gradients) const;

 private:
  const LayerOffsets& offsets_;
};

}  // namespace temper::model
