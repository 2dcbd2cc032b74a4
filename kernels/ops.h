// The verbs of the model: each back end fills this table once, at start.
//
// Everything is float32, but that weights may be stored as bfloat16 (Dtype). Rules that hold for
// every op (docs/determinism.md):
// - Row independence: what is computed for a token depends only on its own sequence's tokens, never
// on
//   other rows, on the number of rows, on how the sequence was cut into calls, or on threads.
// - Forward reductions have one fixed order, the same for every vector width.
// - Backward gives the same bits for the same call, whatever the number of threads.
// - Gradients of parameters accumulate (+=); gradients of activations are written, unless said.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>

#include "kernels/device.h"
#include "kernels/shapes.h"
#include "kernels/view.h"

namespace temper::kernels {

struct Ops {
  std::string_view backend;  // "cpu"

  // ---- embedding
  // y[i] = table[tokens[i]].  table: [vocab, width]  y: [tokens, width]
  void (*embed)(Stream&, std::span<const int32_t> tokens, View<const float> table, View<float> y);
  // table_gradient[tokens[i]] += dy[i], in token order.
  void (*embed_backward)(Stream&, std::span<const int32_t> tokens, View<const float> dy,
                         View<float> table_gradient);
  // y[i] = float(table[tokens[i]]) from the bits of bfloat16.
  void (*embed_bfloat16)(Stream&, std::span<const int32_t> tokens, View<const uint16_t> table,
                         View<float> y);

  // ---- norms
  // y = x * rsqrt(mean(x^2) + epsilon) * gain.  x, y: [tokens, width]  gain: [width]
  // rstd: [tokens] or null: kept for backward. y may be x. Query and key heads are normed on their
  // view as [tokens * heads, head_dim].
  void (*rms_norm)(Stream&, View<const float> x, const float* gain, float epsilon, View<float> y,
                   float* rstd);
  // dx += gradient (the residual stream adds up here); gain_gradient: [width], accumulated.
  void (*rms_norm_backward)(Stream&, View<const float> x, const float* gain, const float* rstd,
                            View<const float> dy, View<float> dx, float* gain_gradient);
  // out = groupwise rms_norm(y * silu(z)) * gain, gate first; `groups` groups of width/groups
  // columns. y, z, out: [tokens, width]  rstd: [tokens, groups] or null
  void (*gated_norm)(Stream&, View<const float> y, View<const float> z, const float* gain,
                     int64_t groups, float epsilon, View<float> out, float* rstd);
  // dy_in, dz: [tokens, width], written; gain_gradient accumulated.
  void (*gated_norm_backward)(Stream&, View<const float> y, View<const float> z, const float* gain,
                              int64_t groups, const float* rstd, View<const float> dout,
                              View<float> dy_in, View<float> dz, float* gain_gradient);

  // ---- linear
  // A weight [out, in] whose memory is there and whose values are not: pack_rows fills it.
  std::unique_ptr<PackedWeight> (*make_packed)(Stream&, int64_t out, int64_t in, PackOptions);
  // Rows [first_row, first_row + rows.rows) of the weight: both multiples of kPackRows, or the last
  // row ends the weight. Rounds to nearest even where the weight is bfloat16. rows: [count, in]
  void (*pack_rows)(Stream&, int64_t first_row, View<const float> rows, PackedWeight& packed);
  // Both at once. weight: [out, in]
  std::unique_ptr<PackedWeight> (*pack_weight)(Stream&, View<const float> weight, PackOptions);
  // y (=|+=) x * transpose(weight).  x: [tokens, in]  y: [tokens, out]
  void (*matmul)(Stream&, View<const float> x, const PackedWeight& weight, View<float> y, Write);
  // dx (=|+=) dy * weight.  dy: [tokens, out]  dx: [tokens, in]
  void (*matmul_backward_input)(Stream&, View<const float> dy, const PackedWeight& weight,
                                View<float> dx, Write);
  // weight_gradient [out, in] += transpose(dy) * x. dtype: the weight's; where its products round
  // their other operand to bfloat16, this rounds x and dy.
  void (*matmul_backward_weight)(Stream&, View<const float> x, View<const float> dy, Dtype dtype,
                                 View<float> weight_gradient);
  // Rows [first[e], first[e + 1]) of y = those of x * transpose(weights[e]), the bits of matmul;
  // other rows of y stay. All weights have one shape and dtype and are packed as `grouped`.
  // first: [weights + 1], ascending, of the device  x: [rows, in]  y: [rows, out]
  void (*matmul_grouped)(Stream&, View<const float> x, std::span<const PackedWeight* const> weights,
                         const int32_t* first, View<float> y);
  // The same rows of dx = those of dy * weights[e].
  void (*matmul_grouped_backward_input)(Stream&, View<const float> dy,
                                        std::span<const PackedWeight* const> weights,
                                        const int32_t* first, View<float> dx);
  // gradients[e] += transpose(dy) * x over the same rows, the bits of matmul_backward_weight.
  // gradients: one [out, in] a weight, packed
  void (*matmul_grouped_backward_weight)(Stream&, View<const float> x, View<const float> dy,
                                         const int32_t* first, Dtype dtype,
                                         std::span<float* const> gradients);
  // y[i] += bias.  bias: [width]
  void (*add_bias)(Stream&, const float* bias, View<float> y);
  // bias_gradient += sum_i dy[i], in row order.
  void (*bias_backward)(Stream&, View<const float> dy, float* bias_gradient);

  // ---- MLP activation
  // y = max(x, 0)^2.
  void (*relu2)(Stream&, View<const float> x, View<float> y);
  // dx = dy * 2 max(x, 0); dx may be dy.
  void (*relu2_backward)(Stream&, View<const float> x, View<const float> dy, View<float> dx);
  // y = silu(gate) * up; y may be gate or up.
  void (*swiglu)(Stream&, View<const float> gate, View<const float> up, View<float> y);
  // d_gate = dy * up * silu'(gate), d_up = dy * silu(gate); either may be gate, up or dy.
  void (*swiglu_backward)(Stream&, View<const float> gate, View<const float> up,
                          View<const float> dy, View<float> d_gate, View<float> d_up);

  // ---- mixture of experts
  // score = sigmoid(logits); chosen: the experts with the largest score + correction, equals by the
  // lowest id; a group of experts counts by the sum of its two largest. weight = score of the
  // chosen [/ (their sum + 1e-20)] * scale. logits, score: [tokens, experts]  correction: [experts]
  // or null  chosen: [tokens * shape.chosen], of each token by ascending id  weight: [tokens,
  // shape.chosen]. score, chosen are kept for backward; score may be logits.
  void (*route)(Stream&, const RouterShape&, View<const float> logits, const float* correction,
                View<float> score, int32_t* chosen, View<float> weight);
  // d_logits: [tokens, experts], written, zero where not chosen; may be score. d_weight: [tokens,
  // shape.chosen]
  void (*route_backward)(Stream&, const RouterShape&, View<const float> score,
                         const int32_t* chosen, View<const float> d_weight, View<float> d_logits);
  // Gives every choice its slot, by expert, then in the order of the choices: fills all the lists.
  // chosen: [tokens * shape.chosen], as route's
  void (*assign_slots)(Stream&, const RouterShape&, int64_t tokens, const int32_t* chosen,
                       const SlotLists& lists);
  // y[i] = x[rows[i]].  rows: [rows of y]
  void (*gather_rows)(Stream&, View<const float> x, std::span<const int32_t> rows, View<float> y);
  void (*gather_slots)(Stream&, View<const float> x, const int32_t* rows, View<float> y);
  // y[t] (=|+=) sum_j weight[t, j] * x[slots[t * chosen + j]], in the order of j.
  // slots: [tokens * chosen]  weight: [tokens, chosen], packed, or null: ones
  void (*combine_rows)(Stream&, View<const float> x, const int32_t* slots, int64_t chosen,
                       const float* weight, View<float> y, Write);
  // d_weight[t, j] = dot(dy[t], x[slot]) and dx[slot] = weight[t, j] * dy[t] for slot = slots[t,
  // j]; no slot twice; rows of dx that are no slot stay. d_weight may be null.
  void (*combine_rows_backward)(Stream&, View<const float> x, const int32_t* slots, int64_t chosen,
                                const float* weight, View<const float> dy, View<float> dx,
                                float* d_weight);

  // ---- causal depthwise convolution + SiLU (Mamba)
  // y_t[c] = silu(bias[c] + sum_k weight[c, k] x_{t-(taps-1)+k}[c]).
  // x, y: [tokens, channels]  weight: [channels, taps]  bias: [channels] or null
  // states[s]: [taps-1, channels], oldest first: the inputs before segment s, read and then
  // advanced; null: zeros before the segment, nothing kept.
  void (*conv_silu)(Stream&, std::span<const Segment>, View<const float> x,
                    View<const float> weight, const float* bias, std::span<float* const> states,
                    View<float> y);
  // For segments that start their sequence (no state). dx written; the others accumulated.
  void (*conv_silu_backward)(Stream&, std::span<const Segment>, View<const float> x,
                             View<const float> weight, const float* bias, View<const float> dy,
                             View<float> dx, View<float> weight_gradient, float* bias_gradient);

  // ---- the recurrence (Mamba-2, arXiv 2405.21060; sequential form)
  // dt = clamp(softplus(dt + dt_bias)); S_t = exp(-exp(a_log) dt) S_{t-1} + dt x_t (outer) B_t;
  // y_t = S_t C_t + D x_t.  y: [tokens, H*P]
  // states[s], each part of ssm_state_size(): read and then advanced; null running: zero before the
  // segment, nothing kept.
  void (*ssm_scan)(Stream&, const SsmShape&, std::span<const Segment>, const SsmInputs&,
                   const SsmParameters&, std::span<const SsmState> states, View<float> y);
  SsmStateSize (*ssm_state_size)(const SsmShape&);
  // For segments that start their sequence. Recomputes states from boundaries; scratch is the op's
  // own.
  void (*ssm_scan_backward)(Stream&, const SsmShape&, std::span<const Segment>, const SsmInputs&,
                            const SsmParameters&, View<const float> dy, const SsmInputGradients&,
                            const SsmParameterGradients&);

  // ---- rotary positions, half rotation (arXiv 2104.09864 as Hugging Face lays it out)
  // In place: the pair (j, j + head_dim/2) of every head turns by position * inverse_frequency[j],
  // a float32 product. x: [tokens, heads*head_dim]  inverse_frequency: [head_dim/2]
  void (*rope)(Stream&, std::span<const Segment>, int64_t heads,
               std::span<const float> inverse_frequency, Turn, View<float> x);

  // ---- attention
  // y = softmax(q k^T / sqrt(head_dim) + causal) v, key tiles in order from position 0, online
  // softmax. q, y: [tokens, q_heads*head_dim]; tiles[s] hold positions 0 .. position+length-1 of
  // segment s. lse: [tokens, q_heads] or null: log-sum-exp of the scaled scores, kept for backward.
  void (*attention)(Stream&, const AttentionShape&, std::span<const Segment>, View<const float> q,
                    std::span<const KeyValueTiles> tiles, View<float> y, float* lse);
  // Row segment.begin + i of x becomes row p % kAttentionTile of tiles[s][p / kAttentionTile], p =
  // segment.position + i. A tile's rows are packed. x: [tokens, cols]
  void (*store_tiles)(Stream&, std::span<const Segment>, View<const float> x,
                      std::span<float* const* const> tiles);
  // For segments that start their sequence. k, v, dk, dv: [tokens, kv_heads*head_dim]. All written.
  void (*attention_backward)(Stream&, const AttentionShape&, std::span<const Segment>,
                             View<const float> q, View<const float> k, View<const float> v,
                             View<const float> y, const float* lse, View<const float> dy,
                             View<float> dq, View<float> dk, View<float> dv);

  // ---- log-probabilities of softmax(logits / temperature); the one log-softmax of rollout and
  // learner logits: [rows, vocab], turned in place into log-probabilities. entropy: [rows] or null,
  // in nats.
  void (*log_softmax)(Stream&, View<float> logits, float temperature, float* entropy);
  // logprob[i] = log_softmax(logits[i])[targets[i]], the same bits as log_softmax; logits
  // unchanged. lse: [rows], kept for backward.
  void (*target_log_prob)(Stream&, View<const float> logits, std::span<const int32_t> targets,
                          float temperature, float* logprob, float* entropy, float* lse);
  // In place: logits -> gradient of sum_i dlogprob[i] logprob[i] + dentropy[i] entropy[i].
  // dentropy: [rows] or null.
  void (*target_log_prob_backward)(Stream&, View<float> logits, std::span<const int32_t> targets,
                                   float temperature, const float* lse, const float* entropy,
                                   const float* dlogprob, const float* dentropy);

  // ---- sampling
  // tokens[i]: the first id at which the running sum of row i's probabilities exceeds uniforms[i],
  // in (0, 1), times their sum; logprob[i]: that token's. -1 and NaN: they do not add up to about 1.
  // The same token as rollout/engine/sampler.h draws on the host. logprobs: [rows, vocab]
  // Null: the log-probabilities are the host's as it is.
  void (*sample)(Stream&, View<const float> logprobs, std::span<const double> uniforms,
                 int32_t* tokens, float* logprob);

  // ---- optimiser
  // Sum of squares in double, fixed order.
  double (*sum_squares)(Stream&, std::span<const float> values);
  // One AdamW update of parameter, first and second moment; all of one length.
  void (*adamw)(Stream&, const AdamWStep&, std::span<const float> gradient,
                std::span<float> parameter, std::span<float> m, std::span<float> v);
};

const Ops& CpuOps();

}  // namespace temper::kernels
