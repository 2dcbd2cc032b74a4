// The Mamba-2 mixer, forward and backward (model.md sections 3.2 and 4.3).
#include "policy/model/layers/mamba_layer.h"

namespace temper::model {

using kernels::View;
using kernels::Write;

namespace {

kernels::SsmShape ShapeOf(const LayerConfig& config) {
  return {.heads = config.heads,
          .head_dim = config.head_dim,
          .state = config.state,
          .groups = config.groups,
          .dt_min = config.dt_min,
          .dt_max = config.dt_max};
}

}  // namespace

MambaLayer::MambaLayer(const ModelConfig& config, const LayerOffsets& offsets, int index)
    : config_(config.layers[index]),
      offsets_(offsets),
      epsilon_(config.norm_epsilon),
      index_(index),
      shape_(ShapeOf(config_)) {}

template <class T>
MambaLayer::Projection<T> MambaLayer::Split(View<T> projection) const {
  const int64_t inner = config_.inner(), channels = config_.conv_channels();
  return {.z = projection.Columns(0, inner),
          .xbc = projection.Columns(inner, channels),
          .dt = projection.Columns(inner + channels, config_.heads)};
}

kernels::SsmInputs MambaLayer::Inputs(View<const float> convolved, View<const float> dt) const {
  const int64_t inner = config_.inner(), width = config_.groups * config_.state;
  return {.x = convolved.Columns(0, inner),
          .b = convolved.Columns(inner, width),
          .c = convolved.Columns(inner + width, width),
          .dt = dt};
}

kernels::SsmParameters MambaLayer::Parameters(const Weights& weights) const {
  return {.a_log = weights.at(offsets_.a_log),
          .d = weights.at(offsets_.d),
          .dt_bias = weights.at(offsets_.dt_bias)};
}

kernels::SsmShape MambaLayer::ShapeWith(const Weights& weights) const {
  kernels::SsmShape shape = shape_;
  shape.dtype = weights.matrix(offsets_.in_proj).dtype();
  return shape;
}

void MambaLayer::Convolve(const Pass& pass, View<const float> xbc, std::span<float* const> states,
                          View<float> convolved) const {
  const View<const float> weight(pass.weights.at(offsets_.conv_weight), config_.conv_channels(),
                                 config_.conv_taps);
  const float* bias = offsets_.conv_bias < 0 ? nullptr : pass.weights.at(offsets_.conv_bias);
  pass.ops.conv_silu(pass.stream, pass.segments, xbc, weight, bias, states, convolved);
}

void MambaLayer::CollectStates(const Pass& pass, Workspace& work) const {
  work.conv_states.clear();
  work.ssm_states.clear();
  for (SequenceState* state : pass.states) {
    const MambaState& own = state->mamba(index_);
    work.conv_states.push_back(own.conv.as<float>());
    work.ssm_states.push_back(own.ssm());
  }
}

void MambaLayer::Forward(const Pass& pass, View<const float> u, View<float> h, Activations& kept,
                         Workspace& work) const {
  const kernels::Ops& ops = pass.ops;
  const View<float> projection = kept.projection.Matrix(u.rows, config_.projection());
  const View<float> convolved = work.convolved.Matrix(u.rows, config_.conv_channels());
  const View<float> scan = kept.scan.Matrix(u.rows, config_.inner());
  const View<float> gated = work.gated.Matrix(u.rows, config_.inner());
  CollectStates(pass, work);

  ops.matmul(pass.stream, u, pass.weights.matrix(offsets_.in_proj), projection, Write::kReplace);
  const Projection<float> part = Split(projection);
  Convolve(pass, part.xbc, work.conv_states, convolved);
  ops.ssm_scan(pass.stream, ShapeWith(pass.weights), pass.segments, Inputs(convolved, part.dt),
               Parameters(pass.weights), work.ssm_states, scan);
  ops.gated_norm(pass.stream, scan, part.z, pass.weights.at(offsets_.gated_norm), config_.groups,
                 epsilon_, gated, kept.gate_rstd.Floats(u.rows * config_.groups));
  ops.matmul(pass.stream, gated, pass.weights.matrix(offsets_.out_proj), h, Write::kAdd);
}

void MambaLayer::Backward(const Pass& pass, View<const float> u, View<const float> d_out,
                          View<float> du, Activations& kept, Workspace& work,
                          float* gradients) const {
  const kernels::Ops& ops = pass.ops;
  const int64_t rows = u.rows, hidden = u.cols, inner = config_.inner();
  const Projection<float> part = Split(kept.projection.Matrix(rows, config_.projection()));
  const View<float> scan = kept.scan.Matrix(rows, inner);
  const float* gain = pass.weights.at(offsets_.gated_norm);
  float* gate_rstd = kept.gate_rstd.Floats(rows * config_.groups);

  // The gated norm's output is cheaper to make again than to keep.
  const View<float> gated = work.gated.Matrix(rows, inner);
  ops.gated_norm(pass.stream, scan, part.z, gain, config_.groups, epsilon_, gated, gate_rstd);
  ops.matmul_backward_weight(pass.stream, gated, d_out,
                             pass.weights.matrix(offsets_.out_proj).dtype(),
                             View<float>(gradients + offsets_.out_proj, hidden, inner));
  const View<float> d_gated = work.d_gated.Matrix(rows, inner);
  ops.matmul_backward_input(pass.stream, d_out, pass.weights.matrix(offsets_.out_proj), d_gated,
                            Write::kReplace);

  const View<float> d_projection = work.d_projection.Matrix(rows, config_.projection());
  const Projection<float> d_part = Split(d_projection);
  const View<float> d_scan = work.d_scan.Matrix(rows, inner);
  ops.gated_norm_backward(pass.stream, scan, part.z, gain, config_.groups, gate_rstd, d_gated,
                          d_scan, d_part.z, gradients + offsets_.gated_norm);
  ScanBackward(pass, part, d_scan, d_part, work, gradients);

  ops.matmul_backward_weight(
      pass.stream, u, d_projection, pass.weights.matrix(offsets_.in_proj).dtype(),
      View<float>(gradients + offsets_.in_proj, config_.projection(), hidden));
  ops.matmul_backward_input(pass.stream, d_projection, pass.weights.matrix(offsets_.in_proj), du,
                            Write::kReplace);
}

// From the recurrence's output back through the convolution.
void MambaLayer::ScanBackward(const Pass& pass, const Projection<float>& part,
                              View<const float> d_scan, const Projection<float>& d_part,
                              Workspace& work, float* gradients) const {
  const int64_t rows = d_scan.rows, channels = config_.conv_channels();
  const int64_t inner = config_.inner(), width = config_.groups * config_.state;
  const View<float> convolved = work.convolved.Matrix(rows, channels);
  Convolve(pass, part.xbc, {}, convolved);
  const View<float> d_convolved = work.d_convolved.Matrix(rows, channels);
  const kernels::SsmInputGradients d_inputs{.x = d_convolved.Columns(0, inner),
                                            .b = d_convolved.Columns(inner, width),
                                            .c = d_convolved.Columns(inner + width, width),
                                            .dt = d_part.dt};
  const kernels::SsmParameterGradients d_parameters{.a_log = gradients + offsets_.a_log,
                                                    .d = gradients + offsets_.d,
                                                    .dt_bias = gradients + offsets_.dt_bias};
  pass.ops.ssm_scan_backward(pass.stream, ShapeWith(pass.weights), pass.segments,
                             Inputs(convolved, part.dt), Parameters(pass.weights), d_scan, d_inputs,
                             d_parameters);
  const View<const float> weight(pass.weights.at(offsets_.conv_weight), channels,
                                 config_.conv_taps);
  const float* bias = offsets_.conv_bias < 0 ? nullptr : pass.weights.at(offsets_.conv_bias);
  float* d_bias = offsets_.conv_bias < 0 ? nullptr : gradients + offsets_.conv_bias;
  pass.ops.conv_silu_backward(
      pass.stream, pass.segments, part.xbc, weight, bias, d_convolved, d_part.xbc,
      View<float>(gradients + offsets_.conv_weight, channels, config_.conv_taps), d_bias);
}

}  // namespace temper::model
