// The mixture of experts, forward and backward (model.md sections 3.5 and 4.3).
#include "policy/model/layers/moe_layer.h"

namespace temper::model {

using kernels::View;
using kernels::Write;

namespace {

kernels::RouterShape ShapeOf(const LayerConfig& config) {
  return {.experts = config.experts,
          .chosen = config.experts_chosen,
          .groups = config.router_groups,
          .groups_chosen = config.router_groups_chosen,
          .normalize = config.normalize_chosen,
          .scale = config.router_scale};
}

}  // namespace

MoeLayer::MoeLayer(const ModelConfig& config, const LayerOffsets& offsets, int index)
    : config_(config.layers[index]),
      offsets_(offsets),
      hidden_(config.hidden_size),
      shared_({.width = config_.shared_intermediate,
               .up_proj = offsets.shared_up,
               .down_proj = offsets.shared_down}),
      shape_(ShapeOf(config_)) {}

kernels::SlotLists MoeLayer::ListsOf(int64_t rows, MoeActivations& kept) const {
  const int64_t slots = rows * shape_.chosen;
  return {.first = kept.first.Integers(shape_.experts + 1),
          .slots = kept.slots.Integers(slots),
          .rows = kept.rows.Integers(slots)};
}

kernels::SlotLists MoeLayer::Route(const Pass& pass, View<const float> u,
                                   MoeActivations& kept) const {
  const kernels::Ops& ops = pass.ops;
  const View<float> score = kept.score.Matrix(u.rows, shape_.experts);
  const View<float> weight = kept.weight.Matrix(u.rows, shape_.chosen);
  int32_t* const chosen = kept.chosen.Integers(u.rows * shape_.chosen);
  const kernels::SlotLists lists = ListsOf(u.rows, kept);
  ops.matmul(pass.stream, u, pass.weights.matrix(offsets_.router), score, Write::kReplace);
  ops.route(pass.stream, shape_, score, pass.weights.at(offsets_.correction), score, chosen,
            weight);
  ops.assign_slots(pass.stream, shape_, u.rows, chosen, lists);
  return lists;
}

void MoeLayer::Forward(const Pass& pass, View<const float> u, View<float> h,
                       Activations& activations, Workspace& work) const {
  const kernels::Ops& ops = pass.ops;
  const Weights& weights = pass.weights;
  MoeActivations& kept = activations.moe;
  const ExpertOffsets& experts = offsets_.experts.front();
  const int64_t slots = u.rows * shape_.chosen;
  const kernels::SlotLists lists = Route(pass, u, kept);

  View<const float> x = u;
  if (config_.latent > 0) {
    const View<float> latent = kept.latent.Matrix(u.rows, width());
    ops.matmul(pass.stream, u, weights.matrix(offsets_.latent_down), latent, Write::kReplace);
    x = latent;
  }
  const View<float> input = kept.input.Matrix(slots, width());
  const View<float> up = kept.up.Matrix(slots, config_.expert_intermediate);
  const View<float> activated = work.activated.Matrix(slots, config_.expert_intermediate);
  const View<float> output = kept.output.Matrix(slots, width());
  ops.gather_slots(pass.stream, x, lists.rows, input);
  ops.matmul_grouped(pass.stream, input, weights.experts(experts.up_proj), lists.first, up);
  ops.relu2(pass.stream, up, activated);
  ops.matmul_grouped(pass.stream, activated, weights.experts(experts.down_proj), lists.first,
                     output);

  float* weight = kept.weight.Floats(slots);
  if (config_.latent > 0) {
    const View<float> combined = kept.combined.Matrix(u.rows, width());
    ops.combine_rows(pass.stream, output, lists.slots, shape_.chosen, weight, combined,
                     Write::kReplace);
    ops.matmul(pass.stream, combined, weights.matrix(offsets_.latent_up), h, Write::kAdd);
  } else {
    ops.combine_rows(pass.stream, output, lists.slots, shape_.chosen, weight, h, Write::kAdd);
  }
  if (has_shared()) shared_.Forward(pass, u, h, activations, work);
}

void MoeLayer::ExpertsBackward(const Pass& pass, View<float> d_expert, View<float> d_input,
                               const int32_t* first, MoeActivations& kept, Workspace& work,
                               float* gradients) const {
  const kernels::Ops& ops = pass.ops;
  const ExpertOffsets& experts = offsets_.experts.front();
  const int64_t slots = d_expert.rows, wide = config_.expert_intermediate;
  const View<float> input = kept.input.Matrix(slots, width());
  const View<float> up = kept.up.Matrix(slots, wide);
  const View<float> activated = work.activated.Matrix(slots, wide);
  const View<float> d_up = work.d_up.Matrix(slots, wide);
  ops.relu2(pass.stream, up, activated);
  ops.matmul_grouped_backward_input(pass.stream, d_expert, pass.weights.experts(experts.down_proj),
                                    first, d_up);
  ops.relu2_backward(pass.stream, up, d_up, d_up);
  ops.matmul_grouped_backward_input(pass.stream, d_up, pass.weights.experts(experts.up_proj), first,
                                    d_input);
  work.up_gradients.clear();
  work.down_gradients.clear();
  for (const ExpertOffsets& expert : offsets_.experts) {
    work.up_gradients.push_back(gradients + expert.up_proj);
    work.down_gradients.push_back(gradients + expert.down_proj);
  }
  ops.matmul_grouped_backward_weight(pass.stream, activated, d_expert, first,
                                     pass.weights.experts(experts.down_proj).front()->dtype(),
                                     work.down_gradients);
  ops.matmul_grouped_backward_weight(pass.stream, input, d_up, first,
                                     pass.weights.experts(experts.up_proj).front()->dtype(),
                                     work.up_gradients);
}

void MoeLayer::RouterBackward(const Pass& pass, View<const float> u, View<const float> d_weight,
                              View<float> du, MoeActivations& kept, Workspace& work,
                              float* gradients) const {
  const kernels::Ops& ops = pass.ops;
  const View<float> score = kept.score.Matrix(u.rows, shape_.experts);
  const View<float> d_logits = work.d_logits.Matrix(u.rows, shape_.experts);
  ops.route_backward(pass.stream, shape_, score, kept.chosen.Integers(u.rows * shape_.chosen),
                     d_weight, d_logits);
  ops.matmul_backward_weight(pass.stream, u, d_logits, pass.weights.matrix(offsets_.router).dtype(),
                             View<float>(gradients + offsets_.router, shape_.experts, hidden_));
  ops.matmul_backward_input(pass.stream, d_logits, pass.weights.matrix(offsets_.router), du,
                            Write::kAdd);
}

void MoeLayer::Backward(const Pass& pass, View<const float> u, View<const float> d_out,
                        View<float> du, Activations& activations, Workspace& work,
                        float* gradients) const {
  const kernels::Ops& ops = pass.ops;
  const Weights& weights = pass.weights;
  MoeActivations& kept = activations.moe;
  const int64_t rows = u.rows, slots = rows * shape_.chosen;
  const kernels::SlotLists lists = ListsOf(rows, kept);
  if (has_shared()) {
    shared_.Backward(pass, u, d_out, du, activations, work, gradients);
  } else {
    ZeroMatrix(pass.device, du);
  }

  View<const float> d_combined = d_out;
  if (config_.latent > 0) {
    const View<float> combined = kept.combined.Matrix(rows, width());
    ops.matmul_backward_weight(pass.stream, combined, d_out,
                               weights.matrix(offsets_.latent_up).dtype(),
                               View<float>(gradients + offsets_.latent_up, hidden_, width()));
    const View<float> d = work.d_combined.Matrix(rows, width());
    ops.matmul_backward_input(pass.stream, d_out, weights.matrix(offsets_.latent_up), d,
                              Write::kReplace);
    d_combined = d;
  }
  const View<float> d_weight = work.d_weight.Matrix(rows, shape_.chosen);
  const View<float> d_expert = work.d_expert.Matrix(slots, width());
  const View<float> d_input = work.d_input.Matrix(slots, width());
  ops.combine_rows_backward(pass.stream, kept.output.Matrix(slots, width()), lists.slots,
                            shape_.chosen, kept.weight.Floats(slots), d_combined, d_expert,
                            d_weight.data);
  ExpertsBackward(pass, d_expert, d_input, lists.first, kept, work, gradients);
  RouterBackward(pass, u, d_weight, du, kept, work, gradients);

  // Back from slots to rows: the sum over a token's experts, by ascending id.
  if (config_.latent > 0) {
    const View<float> d_latent = work.d_latent.Matrix(rows, width());
    ops.combine_rows(pass.stream, d_input, lists.slots, shape_.chosen, nullptr, d_latent,
                     Write::kReplace);
    ops.matmul_backward_weight(pass.stream, u, d_latent,
                               weights.matrix(offsets_.latent_down).dtype(),
                               View<float>(gradients + offsets_.latent_down, width(), hidden_));
    ops.matmul_backward_input(pass.stream, d_latent, weights.matrix(offsets_.latent_down), du,
                              Write::kAdd);
  } else {
    ops.combine_rows(pass.stream, d_input, lists.slots, shape_.chosen, nullptr, du, Write::kAdd);
  }
}

}  // namespace temper::model
