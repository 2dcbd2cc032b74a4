// A Mamba-2 mixer: projection, short convolution, recurrence, gated norm, projection.
#pragma once

#include "policy/model/layers/pass.h"

namespace temper::model {

class MambaLayer {
 public:
  // `index`: place in the model, where states and packed weights are found.
  MambaLayer(const ModelConfig& config, const LayerOffsets& offsets, int index);

  // h += mixer(u).  u, h: [rows, hidden]
  void Forward(const Pass& pass, kernels::View<const float> u, kernels::View<float> h,
               Activations& kept, Workspace& work) const;
  // du = gradient of the mixer's input, given d_out of its output; parameter gradients accumulate
  // into the array `gradients`.  u, d_out, du: [rows, hidden]
  void Backward(const Pass& pass, kernels::View<const float> u, kernels::View<const float> d_out,
                kernels::View<float> du, Activations& kept, Workspace& work,
                float* gradients) const;

 private:
  // Columns z | x B C | dt of in_proj's output, and of its gradient.
  template <class T>
  struct Projection {
    kernels::View<T> z, xbc, dt;
  };
  template <class T>
  Projection<T> Split(kernels::View<T> projection) const;
  kernels::SsmInputs Inputs(kernels::View<const float> convolved,
                            kernels::View<const float> dt) const;
  kernels::SsmParameters Parameters(const Weights& weights) const;
  // The recurrence is computed in the dtype of the layer's own weights.
  kernels::SsmShape ShapeWith(const Weights& weights) const;
  void Convolve(const Pass& pass, kernels::View<const float> xbc, std::span<float* const> states,
                kernels::View<float> convolved) const;
  void CollectStates(const Pass& pass, Workspace& work) const;
  void ScanBackward(const Pass& pass, const Projection<float>& projection,
                    kernels::View<const float> d_scan, const Projection<float>& gradient,
                    Workspace& work, float* gradients) const;

  const LayerConfig& config_;
  const LayerOffsets& offsets_;
  const float epsilon_;
  const int index_;
  const kernels::SsmShape shape_;
};

}  // namespace temper::model
