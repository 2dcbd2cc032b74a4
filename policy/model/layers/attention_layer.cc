// The attention mixer, forward and backward; keys and values come in tiles from position 0.
#include "policy/model/layers/attention_layer.h"

#include <algorithm>

namespace temper::model {

using kernels::kAttentionTile;
using kernels::View;
using kernels::Write;

namespace {

// One row a head.
View<float> Heads(View<float> x, int64_t heads) {
  return View<float>(x.data, x.rows * heads, x.cols / heads);
}

}  // namespace

AttentionLayer::AttentionLayer(const ModelConfig& config, const LayerOffsets& offsets, int index)
    : config_(config.layers[index]),
      offsets_(offsets),
      epsilon_(config.norm_epsilon),
      index_(index),
      shape_{.q_heads = config_.q_heads,
             .kv_heads = config_.kv_heads,
             .head_dim = config_.attention_head_dim} {}

AttentionLayer::Projection AttentionLayer::Q() const {
  return {.weight = offsets_.q_proj,
          .bias = offsets_.q_bias,
          .norm = offsets_.q_norm,
          .heads = shape_.q_heads,
          .turned = !config_.inverse_frequency.empty()};
}

AttentionLayer::Projection AttentionLayer::K() const {
  return {.weight = offsets_.k_proj,
          .bias = offsets_.k_bias,
          .norm = offsets_.k_norm,
          .heads = shape_.kv_heads,
          .turned = !config_.inverse_frequency.empty()};
}

AttentionLayer::Projection AttentionLayer::V() const {
  return {.weight = offsets_.v_proj,
          .bias = offsets_.v_bias,
          .norm = -1,
          .heads = shape_.kv_heads,
          .turned = false};
}

kernels::AttentionShape AttentionLayer::ShapeWith(const Weights& weights) const {
  kernels::AttentionShape shape = shape_;
  shape.dtype = weights.matrix(offsets_.q_proj).dtype();
  return shape;
}

View<float> AttentionLayer::Project(const Pass& pass, const Projection& projection,
                                    View<const float> u, ProjectionActivations& kept) const {
  const kernels::Ops& ops = pass.ops;
  const int64_t rows = u.rows, width = projection.width(shape_.head_dim);
  const View<float> output = kept.output.Matrix(rows, width);
  const bool normed = projection.norm >= 0;
  const View<float> product = normed ? kept.product.Matrix(rows, width) : output;
  ops.matmul(pass.stream, u, pass.weights.matrix(projection.weight), product, Write::kReplace);
  if (projection.bias >= 0) {
    ops.add_bias(pass.stream, pass.weights.at(projection.bias), product);
  }
  if (normed) {
    ops.rms_norm(pass.stream, Heads(product, projection.heads), pass.weights.at(projection.norm),
                 epsilon_, Heads(output, projection.heads),
                 kept.rstd.Floats(rows * projection.heads));
  }
  if (projection.turned) {
    ops.rope(pass.stream, pass.segments, projection.heads, config_.inverse_frequency,
             kernels::Turn::kForward, output);
  }
  return output;
}

void AttentionLayer::ProjectBackward(const Pass& pass, const Projection& projection,
                                     View<const float> u, View<float> d,
                                     ProjectionActivations& kept, Workspace& work, View<float> du,
                                     Write write, float* gradients) const {
  const kernels::Ops& ops = pass.ops;
  if (projection.turned) {
    ops.rope(pass.stream, pass.segments, projection.heads, config_.inverse_frequency,
             kernels::Turn::kBackward, d);
  }
  if (projection.norm >= 0) {
    const View<float> product = kept.product.Matrix(d.rows, d.cols);
    const View<float> d_product = work.d_product.Matrix(d.rows, d.cols);
    ZeroMatrix(pass.device, d_product);
    ops.rms_norm_backward(pass.stream, Heads(product, projection.heads),
                          pass.weights.at(projection.norm),
                          kept.rstd.Floats(d.rows * projection.heads), Heads(d, projection.heads),
                          Heads(d_product, projection.heads), gradients + projection.norm);
    d = d_product;
  }
  if (projection.bias >= 0) ops.bias_backward(pass.stream, d, gradients + projection.bias);
  ops.matmul_backward_weight(pass.stream, u, d, pass.weights.matrix(projection.weight).dtype(),
                             View<float>(gradients + projection.weight, d.cols, u.cols));
  ops.matmul_backward_input(pass.stream, d, pass.weights.matrix(projection.weight), du, write);
}

void AttentionLayer::TilesOfStates(const Pass& pass, View<const float> k, View<const float> v,
                                   Workspace& work) const {
  work.tiles.clear();
  work.pages.clear();
  for (SequenceState* state : pass.states) {
    work.pages.push_back(state->attention(index_).key_tiles.data());
  }
  pass.ops.store_tiles(pass.stream, pass.segments, k, work.pages);
  work.pages.clear();
  for (SequenceState* state : pass.states) {
    work.pages.push_back(state->attention(index_).value_tiles.data());
  }
  pass.ops.store_tiles(pass.stream, pass.segments, v, work.pages);
  for (SequenceState* state : pass.states) {
    const AttentionState& own = state->attention(index_);
    work.tiles.push_back(
        {.keys = own.key_tiles.data(), .values = own.value_tiles.data(), .stride = k.cols});
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
  const int64_t rows = u.rows;
  const View<float> q = Project(pass, Q(), u, kept.q);
  const View<float> k = Project(pass, K(), u, kept.k);
  const View<float> v = Project(pass, V(), u, kept.v);
  if (pass.states.empty()) {
    TilesOfRows(pass, k, v, work);
  } else {
    TilesOfStates(pass, k, v, work);
  }
  const View<float> attended = kept.attended.Matrix(rows, config_.q_width());
  ops.attention(pass.stream, ShapeWith(pass.weights), pass.segments, q, work.tiles, attended,
                kept.lse.Floats(rows * shape_.q_heads));
  ops.matmul(pass.stream, attended, pass.weights.matrix(offsets_.o_proj), h, Write::kAdd);
  if (offsets_.o_bias >= 0) ops.add_bias(pass.stream, pass.weights.at(offsets_.o_bias), h);
}

void AttentionLayer::Backward(const Pass& pass, View<const float> u, View<const float> d_out,
                              View<float> du, Activations& kept, Workspace& work,
                              float* gradients) const {
  const kernels::Ops& ops = pass.ops;
  const int64_t rows = u.rows, q_width = config_.q_width(), kv_width = config_.kv_width();
  const View<float> attended = kept.attended.Matrix(rows, q_width);
  if (offsets_.o_bias >= 0) ops.bias_backward(pass.stream, d_out, gradients + offsets_.o_bias);
  ops.matmul_backward_weight(pass.stream, attended, d_out,
                             pass.weights.matrix(offsets_.o_proj).dtype(),
                             View<float>(gradients + offsets_.o_proj, u.cols, q_width));
  const View<float> d_attended = work.d_attended.Matrix(rows, q_width);
  ops.matmul_backward_input(pass.stream, d_out, pass.weights.matrix(offsets_.o_proj), d_attended,
                            Write::kReplace);

  const View<float> dq = work.d_q.Matrix(rows, q_width);
  const View<float> dk = work.d_k.Matrix(rows, kv_width);
  const View<float> dv = work.d_v.Matrix(rows, kv_width);
  ops.attention_backward(pass.stream, ShapeWith(pass.weights), pass.segments,
                         kept.q.output.Matrix(rows, q_width), kept.k.output.Matrix(rows, kv_width),
                         kept.v.output.Matrix(rows, kv_width), attended,
                         kept.lse.Floats(rows * shape_.q_heads), d_attended, dq, dk, dv);

  ProjectBackward(pass, Q(), u, dq, kept.q, work, du, Write::kReplace, gradients);
  ProjectBackward(pass, K(), u, dk, kept.k, work, du, Write::kAdd, gradients);
  ProjectBackward(pass, V(), u, dv, kept.v, work, du, Write::kAdd, gradients);
}

}  // namespace temper::model
