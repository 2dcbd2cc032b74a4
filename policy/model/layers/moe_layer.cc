// The mixture of experts, forward and backward (model.md sections 3.5 and 4.3).
#include "policy/model/layers/moe_layer.h"

#include <algorithm>

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

void MoeLayer::Route(const Pass& pass, View<const float> u, MoeActivations& kept,
                     Workspace& work) const {
  const View<float> score = kept.score.Matrix(u.rows, shape_.experts);
  const View<float> weight = kept.weight.Matrix(u.rows, shape_.chosen);
  kept.chosen.resize(u.rows * shape_.chosen);
  pass.ops.matmul(pass.stream, u, pass.weights.matrix(offsets_.router), score, Write::kReplace);
  pass.ops.route(pass.stream, shape_, score, pass.weights.at(offsets_.correction), score,
                 kept.chosen, weight);
  AssignSlots(u.rows, kept);
}

void MoeLayer::AssignSlots(int64_t rows, MoeActivations& kept) const {
  kept.first.assign(shape_.experts + 1, 0);
  for (const int32_t expert : kept.chosen) ++kept.first[expert + 1];
  for (int64_t e = 0; e < shape_.experts; ++e) kept.first[e + 1] += kept.first[e];
  std::vector<int64_t> next(kept.first.begin(), kept.first.end() - 1);
  kept.slots.resize(kept.chosen.size());
  kept.rows.resize(kept.chosen.size());
  for (size_t i = 0; i < kept.chosen.size(); ++i) {
    const int64_t slot = next[kept.chosen[i]]++;
    kept.slots[i] = static_cast<int32_t>(slot);
    kept.rows[slot] = static_cast<int32_t>(i / shape_.chosen);
  }
}

std::span<const kernels::RowGroup> MoeLayer::Groups(const Weights& weights, Side side,
                                                    const MoeActivations& kept,
                                                    Workspace& work) const {
  work.groups.clear();
  for (int64_t e = 0; e < shape_.experts; ++e) {
    const int64_t count = kept.first[e + 1] - kept.first[e];
    if (count == 0) continue;
    const ExpertOffsets& at = offsets_.experts[e];
    work.groups.push_back({.weight = &weights.matrix(side == Side::kUp ? at.up_proj : at.down_proj),
                           .begin = kept.first[e],
                           .count = count});
  }
  return work.groups;
}

void MoeLayer::Forward(const Pass& pass, View<const float> u, View<float> h,
                       Activations& activations, Workspace& work) const {
  const kernels::Ops& ops = pass.ops;
  const Weights& weights = pass.weights;
  MoeActivations& kept = activations.moe;
  const int64_t slots = u.rows * shape_.chosen;
  Route(pass, u, kept, work);

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
  ops.gather_rows(pass.stream, x, kept.rows, input);
  ops.matmul_grouped(pass.stream, input, Groups(weights, Side::kUp, kept, work), up);
  ops.relu2(pass.stream, up, activated);
  ops.matmul_grouped(pass.stream, activated, Groups(weights, Side::kDown, kept, work), output);

  float* weight = kept.weight.Floats(slots);
  if (config_.latent > 0) {
    const View<float> combined = kept.combined.Matrix(u.rows, width());
    ops.combine_rows(pass.stream, output, kept.slots, shape_.chosen, weight, combined,
                     Write::kReplace);
    ops.matmul(pass.stream, combined, weights.matrix(offsets_.latent_up), h, Write::kAdd);
  } else {
    ops.combine_rows(pass.stream, output, kept.slots, shape_.chosen, weight, h, Write::kAdd);
  }
  if (has_shared()) shared_.Forward(pass, u, h, activations, work);
}

void MoeLayer::ExpertsBackward(const Pass& pass, View<float> d_expert, View<float> d_input,
                               MoeActivations& kept, Workspace& work, float* gradients) const {
  const kernels::Ops& ops = pass.ops;
  const int64_t slots = d_expert.rows, wide = config_.expert_intermediate;
  const View<float> input = kept.input.Matrix(slots, width());
  const View<float> up = kept.up.Matrix(slots, wide);
  const View<float> activated = work.activated.Matrix(slots, wide);
  const View<float> d_up = work.d_up.Matrix(slots, wide);
  ops.relu2(pass.stream, up, activated);
  ops.matmul_grouped_backward_input(pass.stream, d_expert,
                                    Groups(pass.weights, Side::kDown, kept, work), d_up);
  ops.relu2_backward(pass.stream, up, d_up, d_up);
  ops.matmul_grouped_backward_input(pass.stream, d_up, Groups(pass.weights, Side::kUp, kept, work),
                                    d_input);
  for (int64_t e = 0; e < shape_.experts; ++e) {
    const int64_t begin = kept.first[e], count = kept.first[e + 1] - begin;
    if (count == 0) continue;
    const ExpertOffsets& at = offsets_.experts[e];
    ops.matmul_backward_weight(pass.stream, activated.Rows(begin, count),
                               d_expert.Rows(begin, count),
                               View<float>(gradients + at.down_proj, width(), wide));
    ops.matmul_backward_weight(pass.stream, input.Rows(begin, count), d_up.Rows(begin, count),
                               View<float>(gradients + at.up_proj, wide, width()));
  }
}

void MoeLayer::RouterBackward(const Pass& pass, View<const float> u, View<const float> d_weight,
                              View<float> du, MoeActivations& kept, Workspace& work,
                              float* gradients) const {
  const kernels::Ops& ops = pass.ops;
  const View<float> score = kept.score.Matrix(u.rows, shape_.experts);
  const View<float> d_logits = work.d_logits.Matrix(u.rows, shape_.experts);
  ops.route_backward(pass.stream, shape_, score, kept.chosen, d_weight, d_logits);
  ops.matmul_backward_weight(pass.stream, u, d_logits,
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
  if (has_shared()) {
    shared_.Backward(pass, u, d_out, du, activations, work, gradients);
  } else {
    ZeroMatrix(pass.device, du);
  }

  View<const float> d_combined = d_out;
  if (config_.latent > 0) {
    const View<float> combined = kept.combined.Matrix(rows, width());
    ops.matmul_backward_weight(pass.stream, combined, d_out,
                               View<float>(gradients + offsets_.latent_up, hidden_, width()));
    const View<float> d = work.d_combined.Matrix(rows, width());
    ops.matmul_backward_input(pass.stream, d_out, weights.matrix(offsets_.latent_up), d,
                              Write::kReplace);
    d_combined = d;
  }
  const View<float> d_weight = work.d_weight.Matrix(rows, shape_.chosen);
  const View<float> d_expert = work.d_expert.Matrix(slots, width());
  const View<float> d_input = work.d_input.Matrix(slots, width());
  ops.combine_rows_backward(pass.stream, kept.output.Matrix(slots, width()), kept.slots,
                            shape_.chosen, kept.weight.Floats(slots), d_combined, d_expert,
                            d_weight.data);
  ExpertsBackward(pass, d_expert, d_input, kept, work, gradients);
  RouterBackward(pass, u, d_weight, du, kept, work, gradients);

  // Back from slots to rows: the sum over a token's experts, by ascending id.
  if (config_.latent > 0) {
    const View<float> d_latent = work.d_latent.Matrix(rows, width());
    ops.combine_rows(pass.stream, d_input, kept.slots, shape_.chosen, nullptr, d_latent,
                     Write::kReplace);
    ops.matmul_backward_weight(pass.stream, u, d_latent,
                               View<float>(gradients + offsets_.latent_down, width(), hidden_));
    ops.matmul_backward_input(pass.stream, d_latent, weights.matrix(offsets_.latent_down), du,
                              Write::kAdd);
  } else {
    ops.combine_rows(pass.stream, d_input, kept.slots, shape_.chosen, nullptr, du, Write::kAdd);
  }
}

}  // namespace temper::model
