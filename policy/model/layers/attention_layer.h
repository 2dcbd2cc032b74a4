// Causal grouped-query attention without positions: three projections, attention, one projection.
#pragma once

#include "policy/model/layers/pass.h"

namespace temper::model {

class AttentionLayer {
 public:
  AttentionLayer(const ModelConfig& config, const LayerOffsets& offsets, int index);

  // h += mixer(u).  u, h: [rows, hidden]
  void Forward(const Pass& pass, kernels::View<const float> u, kernels::View<float> h,
               Activations& kept, Workspace& work) const;
  // As MambaLayer::Backward.
  void Backward(const Pass& pass, kernels::View<const float> u, kernels::View<const float> d_out,
                kernels::View<float> du, Activations& kept, Workspace& work,
                float* gradients) const;

 private:
  // Where attention finds the keys and values of every segment: in its state's pages, after the new
  // rows were appended, or in the packed rows themselves.
  void TilesOfStates(const Pass& pass, kernels::View<const float> k, kernels::View<const float> v,
                     Workspace& work) const;
  void TilesOfRows(const Pass& pass, kernels::View<const float> k, kernels::View<const float> v,
                   Workspace& work) const;

  const LayerConfig& config_;
  const LayerOffsets& offsets_;
  const int index_;
  const kernels::AttentionShape shape_;
};

}  // namespace temper::model
