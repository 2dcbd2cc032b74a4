// The attention mixer, forward and backward; keys and values come in tiles from position 0.
#include "policy/model/layers/attention_layer.h"

#include <algorithm>
#include <cstring>

namespace temper::model {

using kernels::kAttentionTile;
using kernels::View;
using kernels::Write;

AttentionLayer::AttentionLayer(const ModelConfig& config, const LayerOffsets& offsets, int index)
    : config_(config.layers[index]),
      offsets_(offsets),
      index_(index),
      shape_{.q_heads = config_.q_heads,
             .kv_heads = config_.kv_heads,
             .head_dim = config_.attention_head_dim} {}

void AttentionLayer::TilesOfStates(const Pass& pass, View<const float> k, View<const float> v,
                                   Workspace& work) const {
  const size_t row_bytes = k.cols * sizeof(float);
  work.tiles.clear();
  for (size_t s = 0; s < pass.segments.size(); ++s) {
    const kernels::Segment& segment = pass.segments[s];
    AttentionState& state = pass.states[s]->attention(index_);
    for (int64_t i = 0; i < segment.length; ++i) {
      const int64_t position = segment.position + i;
      const int64_t page = position / kAttentionTile, row = position % kAttentionTile;
      std::memcpy(state.keys[page]->data() + row * k.cols, k.row(segment.begin + i), row_bytes);
      std::memcpy(state.values[page]->data() + row * v.cols, v.row(segment.begin + i), row_bytes);
    }
    work.tiles.push_back(
        {.keys = state.key_tiles.data(), .values = state.value_tiles.data(), .stride = k.cols});
  }
}

void AttentionLayer::TilesOfRows(const Pass& pass, View<const float> k, View<const float> v,
                                 Workspace& work) const {
  // First all pointers, then the tiles that point to them: the vector must not move in between.
  work.tile_rows.clear();
  for (const View<const float>& rows : {k, v}) {
    for (const kernels::Segment& segment : pass.segments) {
      for (int64_t i = 0; i < segment.length; i += kAttentionTile) {
        work.tile_rows.push_back(rows.row(segment.begin + i));
      }
    }
  }
  work.tiles.clear();
  const float* const* keys = work.tile_rows.data();
  const float* const* values = keys + work.tile_rows.size() / 2;
  for (const kernels::Segment& segment : pass.segments) {
    work.tiles.push_back({.keys = keys, .values = values, .stride = k.stride});
    const int64_t count = (segment.length + kAttentionTile - 1) / kAttentionTile;
    keys += count;
    values += count;
  }
}

void AttentionLayer::Forward(const Pass& pass, View<const float> u, View<float> h,
                             Activations& kept, Workspace& work) const {
  const kernels::Ops& ops = pass.ops;
  const int64_t rows = u.rows, q_width = shape_.q_heads * shape_.head_dim;
  const int64_t kv_width = shape_.kv_heads * shape_.head_dim;
  const View<float> q = kept.q.Matrix(rows, q_width);
  const View<float> k = kept.k.Matrix(rows, kv_width);
  const View<float> v = kept.v.Matrix(rows, kv_width);
  const View<float> attended = kept.attended.Matrix(rows, q_width);
  const PackedLayer& packed = pass.weights.layer(index_);

  ops.matmul(pass.stream, u, *packed.q_proj, q, Write::kReplace);
  ops.matmul(pass.stream, u, *packed.k_proj, k, Write::kReplace);
  ops.matmul(pass.stream, u, *packed.v_proj, v, Write::kReplace);
  if (pass.states.empty()) {
    TilesOfRows(pass, k, v, work);
  } else {
    TilesOfStates(pass, k, v, work);
  }
  ops.attention(pass.stream, shape_, pass.segments, q, work.tiles, attended,
                kept.lse.Floats(rows * shape_.q_heads));
  ops.matmul(pass.stream, attended, *packed.o_proj, h, Write::kAdd);
}

void AttentionLayer::Backward(const Pass& pass, View<const float> u, View<const float> d_out,
                              View<float> du, Activations& kept, Workspace& work,
                              float* gradients) const {
  const kernels::Ops& ops = pass.ops;
  const int64_t rows = u.rows, hidden = u.cols, q_width = shape_.q_heads * shape_.head_dim;
  const int64_t kv_width = shape_.kv_heads * shape_.head_dim;
  const View<float> q = kept.q.Matrix(rows, q_width);
  const View<float> k = kept.k.Matrix(rows, kv_width);
  const View<float> v = kept.v.Matrix(rows, kv_width);
  const View<float> attended = kept.attended.Matrix(rows, q_width);
  const PackedLayer& packed = pass.weights.layer(index_);

  ops.matmul_backward_weight(pass.stream, attended, d_out,
                             View<float>(gradients + offsets_.o_proj, hidden, q_width));
  const View<float> d_attended = work.d_attended.Matrix(rows, q_width);
  ops.matmul_backward_input(pass.stream, d_out, *packed.o_proj, d_attended, Write::kReplace);

  const View<float> dq = work.d_q.Matrix(rows, q_width);
  const View<float> dk = work.d_k.Matrix(rows, kv_width);
  const View<float> dv = work.d_v.Matrix(rows, kv_width);
  ops.attention_backward(pass.stream, shape_, pass.segments, q, k, v, attended,
                         kept.lse.Floats(rows * shape_.q_heads), d_attended, dq, dk, dv);

  ops.matmul_backward_weight(pass.stream, u, dq,
                             View<float>(gradients + offsets_.q_proj, q_width, hidden));
  ops.matmul_backward_weight(pass.stream, u, dk,
                             View<float>(gradients + offsets_.k_proj, kv_width, hidden));
  ops.matmul_backward_weight(pass.stream, u, dv,
                             View<float>(gradients + offsets_.v_proj, kv_width, hidden));
  ops.matmul_backward_input(pass.stream, dq, *packed.q_proj, du, Write::kReplace);
  ops.matmul_backward_input(pass.stream, dk, *packed.k_proj, du, Write::kAdd);
  ops.matmul_backward_input(pass.stream, dv, *packed.v_proj, du, Write::kAdd);
}

}  // namespace temper::model
