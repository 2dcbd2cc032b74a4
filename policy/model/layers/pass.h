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
  const kernels::Ops& ops;
  kernels::Stream& stream;
  const Weights& weights;
  std::span<const kernels::Segment> segments;
  // One a segment, read and advanced; empty when every segment is a whole sequence.
  std::span<SequenceState* const> states;
};

// Of one of q, k, v: what attention reads, and what came before a norm of the heads.
struct ProjectionActivations {
  Buffer output, product;  // [rows, heads*head_dim]
  Buffer rstd;             // [rows*heads]
};

// Of a mixture of experts. A slot is one row of one expert's work: every token has `chosen` of
// them, and slots stand in the order of experts, so that an expert's rows lie together.
struct MoeActivations {
  Buffer score, weight;              // [rows, experts], [rows, chosen]
  std::vector<int32_t> chosen;       // [rows * chosen], expert ids
  std::vector<int32_t> slots;        // [rows * chosen], the slot of each choice
  std::vector<int32_t> rows;         // [slots], the row of each slot
  std::vector<int64_t> first;        // [experts + 1], first slot of each expert
  Buffer latent, input, up, output;  // [rows, width], then [slots, ...]
  Buffer combined;                   // [rows, width]
};

// What a layer's forward leaves for its backward; only the members of its kind are used. Without a
// backward all layers share one.
struct Activations {
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
  Buffer convolved, gated, activated;
  Buffer d_projection, d_convolved, d_scan, d_gated;
  Buffer d_attended, d_q, d_k, d_v, d_product, d_up;
  Buffer d_combined, d_latent, d_expert, d_input, d_weight, d_logits;  // MoE
  std::vector<kernels::RowGroup> groups;                               // MoE
  std::vector<float*> conv_states, ssm_states;
  std::vector<kernels::KeyValueTiles> tiles;
  std::vector<const float*> tile_rows;
};

}  // namespace temper::model
