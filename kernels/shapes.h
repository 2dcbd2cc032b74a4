// What the verbs of kernels/ops.h take besides matrices: packed weights, the sizes of layers, tiles
// of keys and values, the choices of an optimiser step.
#pragma once

#include <cstdint>

#include "kernels/view.h"

namespace temper::kernels {

// How a packed weight is stored. On a CPU products are float32 either way: a bfloat16 weight gives
// the bits that the same values in float32 give. On a GPU the other side is rounded to bfloat16 too
// and sums are float32.
enum class Dtype { kFloat32, kBFloat16 };

struct PackOptions {
  bool backward = false;  // also what matmul_backward_input needs
  bool grouped = false;   // one of many in matmul_grouped, where no other weight may be
  Dtype dtype = Dtype::kFloat32;
};

// Weights are packed in slabs that begin at a multiple of so many rows.
inline constexpr int64_t kPackRows = 32;

// A weight [out, in] laid out once for fast matmul; made by Ops::make_packed or pack_weight,
// immutable but for pack_rows.
class PackedWeight {
 public:
  virtual ~PackedWeight() = default;
  virtual int64_t out() const = 0;
  virtual int64_t in() const = 0;
  virtual Dtype dtype() const = 0;
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
  Dtype dtype = Dtype::kFloat32;  // as AttentionShape's
  int64_t state_floats() const { return heads * head_dim * state; }
};

// What the recurrence remembers of one sequence, in the back end's own layout.
struct SsmState {
  float* running = nullptr;  // what every token changes; zero bytes before the first
  // What changes at a chunk's end only, and so may be shared by forks until then. Not read in the
  // sequence's first chunk.
  const float* boundary = nullptr;
  float* next_boundary = nullptr;  // written by a call in which a chunk ends; may be `boundary`
};
struct SsmStateSize {
  int64_t running = 0, boundary = 0;  // floats
  int64_t chunk = 1;                  // tokens; chunks are counted from the sequence's start

  // Whether a chunk ends in a call that takes so many tokens on from there.
  bool Ends(int64_t position, int64_t tokens) const { return position % chunk + tokens >= chunk; }
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

// q_heads query heads share kv_heads key/value heads; scale 1/sqrt(head_dim); causal.
struct AttentionShape {
  int64_t q_heads = 0;
  int64_t kv_heads = 0;
  int64_t head_dim = 0;
  // What a GPU multiplies in: as a packed weight's. A CPU multiplies in float32 whatever it says.
  Dtype dtype = Dtype::kFloat32;
};

// Keys and values of one sequence from position 0, in tiles of kAttentionTile rows. Row r of tile i
// is position i * kAttentionTile + r: kv_heads*head_dim floats at tile + r * stride.
inline constexpr int64_t kAttentionTile = 64;
struct KeyValueTiles {
  const float* const* keys = nullptr;    // one pointer a tile
  const float* const* values = nullptr;  // one pointer a tile
  int64_t stride = 0;                    // floats between rows of a tile
};

// Which way rotary positions turn: backward is the gradient of forward, and its inverse.
enum class Turn { kForward, kBackward };

// Which experts see a token (arXiv 2408.15664, 2412.19437): of `groups` equal runs of experts the
// best `groups_chosen` stay, of theirs the best `chosen`.
struct RouterShape {
  int64_t experts = 0;
  int64_t chosen = 0;
  int64_t groups = 1;
  int64_t groups_chosen = 1;
  bool normalize = true;  // weights of a token sum to scale
  float scale = 1;
};

// Whose rows are where in a mixture's work, in memory of the device: the host need not see what a
// router chose. A slot is one row of one expert's work. Slots stand in the order of experts, so
// that an expert's lie together, and an expert's in the order of tokens.
struct SlotLists {
  int32_t* first = nullptr;  // [experts + 1]: expert e has slots [first[e], first[e + 1])
  int32_t* slots = nullptr;  // [tokens * chosen]: the slot of each choice
  int32_t* rows = nullptr;   // [tokens * chosen]: the token of each slot
};

// loss gradient through AdamW (arXiv 1711.05101), bias-corrected.
struct AdamWStep {
  float learning_rate = 0;
  float beta1 = 0.9f, beta2 = 0.95f, epsilon = 1e-8f, weight_decay = 0;
  float gradient_scale = 1;  // multiplies the gradient first (global-norm clipping)
  int64_t step = 1;          // 1 for the first update
};

}  // namespace temper::kernels
