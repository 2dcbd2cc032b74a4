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

// What a layer's forward leaves for its backward; only the members of its kind are used. Without a
// backward all layers share one.
struct Activations {
  Buffer input;                   // [rows, hidden], the residual stream before the layer
  Buffer rstd;                    // [rows] of the layer's norm
  Buffer projection, scan;        // Mamba: in_proj's output, the recurrence's output
  Buffer gate_rstd;               // Mamba: [rows, groups]
  Buffer q, k, v, attended, lse;  // attention
  Buffer up;                      // MLP: up_proj's output
};

// Memory of no meaning between layers.
struct Workspace {
  Buffer convolved, gated, activated;
  Buffer d_projection, d_convolved, d_scan, d_gated;
  Buffer d_attended, d_q, d_k, d_v, d_up;
  std::vector<float*> conv_states, ssm_states;
  std::vector<kernels::KeyValueTiles> tiles;
  std::vector<const float*> tile_rows;
};

}  // namespace temper::model
