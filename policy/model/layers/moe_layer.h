// A mixture of experts: a router chooses top-k squared-ReLU MLPs for every token, a shared one
// always joins (model.md section 3.5; DeepSeek-V3's sigmoid router, arXiv 2412.19437).
//
// The work of the experts stands in slots, an expert's together. A token's sum runs over its
// experts by ascending id, so no bit of it depends on who else chose them. Only the device knows
// the choice: nothing here waits for it, and all sizes are those of the rows.
#pragma once

#include "policy/model/layers/mlp_layer.h"
#include "policy/model/layers/pass.h"

namespace temper::model {

class MoeLayer {
 public:
  MoeLayer(const ModelConfig& config, const LayerOffsets& offsets, int index);

  // h += mixer(u).  u, h: [rows, hidden]
  void Forward(const Pass& pass, kernels::View<const float> u, kernels::View<float> h,
               Activations& kept, Workspace& work) const;
  // As MambaLayer::Backward.
  void Backward(const Pass& pass, kernels::View<const float> u, kernels::View<const float> d_out,
                kernels::View<float> du, Activations& kept, Workspace& work,
                float* gradients) const;

 private:
  bool has_shared() const { return config_.shared_intermediate > 0; }
  int64_t width() const { return config_.latent > 0 ? config_.latent : hidden_; }

  kernels::SlotLists ListsOf(int64_t rows, MoeActivations& kept) const;
  // Chooses experts and gives every choice its slot.
  kernels::SlotLists Route(const Pass& pass, kernels::View<const float> u,
                           MoeActivations& kept) const;
  // d_input of every slot and the experts' gradients, from d_expert of every slot's output.
  void ExpertsBackward(const Pass& pass, kernels::View<float> d_expert,
                       kernels::View<float> d_input, const int32_t* first, MoeActivations& kept,
                       Workspace& work, float* gradients) const;
  // du += gradient through the scores of the chosen.
  void RouterBackward(const Pass& pass, kernels::View<const float> u,
                      kernels::View<const float> d_weight, kernels::View<float> du,
                      MoeActivations& kept, Workspace& work, float* gradients) const;

  const LayerConfig& config_;
  const LayerOffsets& offsets_;
  const int64_t hidden_;
  const MlpLayer shared_;
  const kernels::RouterShape shape_;
};

}  // namespace temper::model
