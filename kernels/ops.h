// The verbs of the model: each back end fills this table once, at start.
//
// Everything is float32. Rules that hold for every op (docs/determinism.md):
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
#include "kernels/view.h"

namespace temper::kernels {

// A weight [out, in] laid out once for fast matmul; made by Ops::pack_weight, immutable but for
// repack.
class PackedWeight {
 public:
  virtual ~PackedWeight() = default;
  virtual int64_t out() const = 0;
  virtual int64_t in() const = 0;
};

enum class Write { kReplace, kAdd };

// Mamba-2 mixer sizes: heads H, head_dim P, state N, groups G (head h reads B, C of group h /
// (H/G)).
struct SsmShape {
  int64_t heads = 0;
  int64_t head_dim = 0;
  int64_t state = 0;
  int64_t groups = 0;
  float dt_min = 0.0f;  // time_step_limit
  float dt_max = 3.0e38f;
  int64_t state_floats() const { return heads * head_dim * state; }
};

// One token's inputs of the recurrence; views into in_proj's and the convolution's outputs.
struct SsmInputs {
  View<const float> x;   // [tokens, H*P]
  View<const float> b;   // [tokens, G*N]
  View<const float> c;   // [tokens, G*N]
  View<const float> dt;  // [tokens, H], before bias and softplus
};
struct SsmParameters {
  const float* a_log = nullptr;    // [H]
  const float* d = nullptr;        // [H]
  const float* dt_bias = nullptr;  // [H]
};
struct SsmInputGradients {
  View<float> x, b, c, dt;  // as SsmInputs, written
};
struct SsmParameterGradients {
  float* a_log = nullptr;  // [H], accumulated
  float* d = nullptr;
  float* dt_bias = nullptr;
};

// q_heads query heads share kv_heads key/value heads; scale 1/sqrt(head_dim); causal; no positions.
struct AttentionShape {
  int64_t q_heads = 0;
  int64_t kv_heads = 0;
  int64_t head_dim = 0;
};

// Keys and values of one sequence from position 0, in tiles of kAttentionTile rows. Row r of tile i
// is position i * kAttentionTile + r: kv_heads*head_dim floats at tile + r * stride.
inline constexpr int64_t kAttentionTile = 64;
struct KeyValueTiles {
  const float* const* keys = nullptr;    // one pointer a tile
  const float* const* values = nullptr;  // one pointer a tile
  int64_t stride = 0;                    // floats between rows of a tile
};

// loss gradient through AdamW (arXiv 1711.05101), bias-corrected.
struct AdamWStep {
  float learning_rate = 0;
  float beta1 = 0.9f, beta2 = 0.95f, epsilon = 1e-8f, weight_decay = 0;
  float gradient_scale = 1;  // multiplies the gradient first (global-norm clipping)
  int64_t step = 1;          // 1 for the first update
};

struct Ops {
  std::string_view backend;  // "cpu"

  // ---- embedding
  // y[i] = table[tokens[i]].  table: [vocab, width]  y: [tokens, width]
  void (*embed)(Stream&, std::span<const int32_t> tokens, View<const float> table, View<float> y);
  // table_gradient[tokens[i]] += dy[i], in token order.
  void (*embed_backward)(Stream&, std::span<const int32_t> tokens, View<const float> dy,
                         View<float> table_gradient);

  // ---- norms
  // y = x * rsqrt(mean(x^2) + epsilon) * gain.  x, y: [tokens, width]  gain: [width]
  // rstd: [tokens] or null: kept for backward.
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
  // Packs weight [out, in]. `backward`: also what matmul_backward_input needs.
  std::unique_ptr<PackedWeight> (*pack_weight)(Stream&, View<const float> weight, bool backward);
  // Packs new values of the same shape into the same memory.
  void (*repack_weight)(Stream&, View<const float> weight, PackedWeight& packed);
  // y (=|+=) x * transpose(weight).  x: [tokens, in]  y: [tokens, out]
  void (*matmul)(Stream&, View<const float> x, const PackedWeight& weight, View<float> y, Write);
  // dx (=|+=) dy * weight.  dy: [tokens, out]  dx: [tokens, in]
  void (*matmul_backward_input)(Stream&, View<const float> dy, const PackedWeight& weight,
                                View<float> dx, Write);
  // weight_gradient [out, in] += transpose(dy) * x.
  void (*matmul_backward_weight)(Stream&, View<const float> x, View<const float> dy,
                                 View<float> weight_gradient);

  // ---- MLP activation
  // y = max(x, 0)^2.
  void (*relu2)(Stream&, View<const float> x, View<float> y);
  // dx = dy * 2 max(x, 0); dx may be dy.
  void (*relu2_backward)(Stream&, View<const float> x, View<const float> dy, View<float> dx);

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
  // states[s]: state_floats() floats in the back end's own layout (zero bytes = zero state), read
  // and then advanced; null: zero before the segment, nothing kept.
  void (*ssm_scan)(Stream&, const SsmShape&, std::span<const Segment>, const SsmInputs&,
                   const SsmParameters&, std::span<float* const> states, View<float> y);
  // For segments that start their sequence. Recomputes states from boundaries; scratch is the op's
  // own.
  void (*ssm_scan_backward)(Stream&, const SsmShape&, std::span<const Segment>, const SsmInputs&,
                            const SsmParameters&, View<const float> dy, const SsmInputGradients&,
                            const SsmParameterGradients&);

  // ---- attention
  // y = softmax(q k^T / sqrt(head_dim) + causal) v, key tiles in order from position 0, online
  // softmax. q, y: [tokens, q_heads*head_dim]; tiles[s] hold positions 0 .. position+length-1 of
  // segment s. lse: [tokens, q_heads] or null: log-sum-exp of the scaled scores, kept for backward.
  void (*attention)(Stream&, const AttentionShape&, std::span<const Segment>, View<const float> q,
                    std::span<const KeyValueTiles> tiles, View<float> y, float* lse);
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

  // ---- optimiser
  // Sum of squares in double, fixed order.
  double (*sum_squares)(Stream&, std::span<const float> values);
  // One AdamW update of parameter, first and second moment; all of one length.
  void (*adamw)(Stream&, const AdamWStep&, std::span<const float> gradient,
                std::span<float> parameter, std::span<float> m, std::span<float> v);
};

const Ops& CpuOps();

}  // namespace temper::kernels
