// Causal grouped-query attention: three projections, attention, one projection.
//
// Biases, norms of the heads and rotary positions are options of the layer, by its config.
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
  // Places of one of q, k, v; -1 and 0 where it has no such thing.
  struct Projection {
    int64_t weight, bias, norm, heads;
    bool turned;  // by rotary positions
    int64_t width(int64_t head_dim) const { return heads * head_dim; }
  };
  Projection Q() const;
  Projection K() const;
  Projection V() const;
  // Attention is computed in the dtype of the layer's own weights.
  kernels::AttentionShape ShapeWith(const Weights& weights) const;

  // What attention reads: [rows, heads*head_dim].
  kernels::View<float> Project(const Pass& pass, const Projection& projection,
                               kernels::View<const float> u, ProjectionActivations& kept) const;
  // `d`: gradient of what Project gave, used up. du (=|+=) its part of the input's gradient.
  void ProjectBackward(const Pass& pass, const Projection& projection, kernels::View<const float> u,
                       kernels::View<float> d, ProjectionActivations& kept, Workspace& work,
                       kernels::View<float> du, kernels::Write write, float* gradients) const;

  // Where attention finds the keys and values of every segment: in its state's pages, after the new
  // rows were appended, or in the packed rows themselves.
  void TilesOfStates(const Pass& pass, kernels::View<const float> k, kernels::View<const float> v,
                     Workspace& work) const;
  void TilesOfRows(const Pass& pass, kernels::View<const float> k, kernels::View<const float> v,
                   Workspace& work) const;

  const LayerConfig& config_;
  const LayerOffsets& offsets_;
  const float epsilon_;
  const int index_;
  const kernels::AttentionShape shape_;
};

}  // namespace temper::model
