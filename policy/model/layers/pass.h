// What every layer needs to know of one forward or backward call, and the memory that layers share.
#pragma once

#include <span>
#include <vector>

#include "kernels/ops.h"
#include "policy/model/layers/buffer.h"
#include "policy/model/sequence_state.h"
#include "policy/model/weights.h"

namespace temper::model {

// One call over packed rows.
struct Pass {
  kernels::Device& device;
  const Weights& weights;
  std::span<const kernels::Segment> segments;
  // One a segment, read and advanced; empty when every segment is a whole sequence.
  std::span<SequenceState* const> states;

  const kernels::Ops& ops = device.ops();
  kernels::Stream& stream = device.stream();
};

// Of one of q, k, v: what attention reads, and what came before a norm of the heads.
struct ProjectionActivations {
  explicit ProjectionActivations(kernels::Device& device)
      : output(device), product(device), rstd(device) {}
  Buffer output, product;  // [rows, heads*head_dim]
  Buffer rstd;             // [rows*heads]
};

// Of a mixture of experts; kernels::SlotLists says what slots are.
struct MoeActivations {
  explicit MoeActivations(kernels::Device& device)
      : score(device),
        weight(device),
        chosen(device),
        first(device),
        slots(device),
        rows(device),
        latent(device),
        input(device),
        up(device),
        output(device),
        combined(device) {}
  Buffer score, weight;              // [rows, experts], [rows, chosen]
  Buffer chosen;                     // [rows * chosen], expert ids
  Buffer first, slots, rows;         // of SlotLists
  Buffer latent, input, up, output;  // [rows, width], then [slots, ...]
  Buffer combined;                   // [rows, width]
};

// Every element of a packed matrix.
inline void ZeroMatrix(kernels::Device& device, kernels::View<float> matrix) {
  device.Zero(matrix.data, matrix.rows * matrix.cols * static_cast<int64_t>(sizeof(float)));
}

// What a layer's forward leaves for its backward; only the members of its kind are used. Without a
// backward all layers share one.
struct Activations {
  explicit Activations(kernels::Device& device)
      : input(device),
        rstd(device),
        projection(device),
        scan(device),
        gate_rstd(device),
        q(device),
        k(device),
        v(device),
        attended(device),
        lse(device),
        up(device),
        gate(device),
        moe(device) {}
  Buffer input;                   // [rows, hidden], the residual stream before the layer
  Buffer rstd;                    // [rows] of the layer's norm
  Buffer projection, scan;        // Mamba: in_proj's output, the recurrence's output
  Buffer gate_rstd;               // Mamba: [rows, groups]
  ProjectionActivations q, k, v;  // attention
  Buffer attended, lse;           // attention
  Buffer up, gate;                // MLP, shared expert: the outputs of up_proj and gate_proj
  MoeActivations moe;
};

// Memory of no meaning between layers.
struct Workspace {
  explicit Workspace(kernels::Device& device)
      : convolved(device),
        gated(device),
        activated(device),
        d_projection(device),
        d_convolved(device),
        d_scan(device),
        d_gated(device),
        d_attended(device),
        d_q(device),
        d_k(device),
        d_v(device),
        d_product(device),
        d_up(device),
        d_combined(device),
        d_latent(device),
        d_expert(device),
        d_input(device),
        d_weight(device),
        d_logits(device) {}
  Buffer convolved, gated, activated;
  Buffer d_projection, d_convolved, d_scan, d_gated;
  Buffer d_attended, d_q, d_k, d_v, d_product, d_up;
  Buffer d_combined, d_latent, d_expert, d_input, d_weight, d_logits;  // MoE
  std::vector<float*> up_gradients, down_gradients;                    // MoE
  std::vector<float*> conv_states;
  std::vector<kernels::SsmState> ssm_states;
  std::vector<float* const*> pages;  // of keys or of values
  std::vector<kernels::KeyValueTiles> tiles;
  std::vector<const float*> tile_rows;
};

}  // namespace temper::model
